"""`demo --once` is the whole gateway at its main job."""

import re
import subprocess
import sys
from pathlib import Path

from tests.blackbox.bed import free_ports
from tests.blackbox.processes import processes_in

LINE = re.compile(r"(ok|FAIL) +[0-9.]+ s  (.+)")
SHOWN = (
    "(OPTIONS): versions 14.0, 14.1",
    "(Provision): done",
    "(FolderSync): Inbox, Drafts",
    '(Sync): "Welcome"',
    "(SendMail): sent",
    "answered when the mail arrived",
    "asks for alice's mailbox: refused with HTTP 403",
    "without a certificate connects: refused in the TLS handshake: certificate_required",
    "a CA that is not ours connects: refused in the TLS handshake: unknown_ca",
    "its certificate revoked, tries again: refused with HTTP 403",
    "tries again: refused with HTTP 503, try again in N s",
    "not on that CRL, tries again: let in",
    "gateway with 0, mail-server with 0",
)


def test_every_step_goes_well_and_nothing_is_left(tmp_path: Path) -> None:
    """Each step is a line with ok, the status is 0, and no process of the demo is left."""
    (port,) = free_ports(1)
    done = subprocess.run(
        [sys.executable, "-m", "gateway", "demo", "--once", "--port", str(port)],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    steps = [found for line in done.stdout.splitlines() if (found := LINE.fullmatch(line))]
    assert {one[1] for one in steps} == {"ok"}
    said = [re.sub(r"in [0-9]+ s", "in N s", one[2]) for one in steps]
    missing = [words for words in SHOWN if not any(words in line for line in said)]
    assert missing == [], done.stdout
    assert processes_in(tmp_path) == []
