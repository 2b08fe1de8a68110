"""A demo whose terminal closes leaves nothing behind."""

import signal
import subprocess
import sys
from pathlib import Path

from tests.blackbox.processes import processes_in


def test_a_hang_up_in_the_middle_ends_every_process(tmp_path: Path) -> None:
    """SIGHUP comes while the mail server runs: it ends too, and the status is that of Ctrl-C."""
    with subprocess.Popen(
        [sys.executable, "-m", "gateway", "demo", "--once"],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    ) as demo:
        assert demo.stdout is not None
        before = next(line for line in demo.stdout if "a mail server starts" in line)
        assert before.startswith("ok")
        demo.send_signal(signal.SIGHUP)
        after = demo.stdout.read()
        assert demo.wait(60) == 130
    assert after.endswith("Interrupted; all its processes have ended.\n")
    assert processes_in(tmp_path) == []
