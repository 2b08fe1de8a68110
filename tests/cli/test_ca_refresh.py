"""`eas-gateway ca refresh` on a terminal."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.pki.crl import Revocation
from tests.cli.state_commands import Commands, serving
from tests.helpers import Pki


def test_a_terminal_sees_the_download(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], pki: Pki
) -> None:
    """A bar with the URL on standard error; the results on standard output are as ever."""
    commands = Commands(tmp_path, capsys)
    revoked = [Revocation(serial_number=2**150 + n) for n in range(10_000)]
    crl = pki.root.sign_crl(revoked).public_bytes(Encoding.DER)
    with serving({"/root.crl": crl}) as url:
        arguments = ("--type", "root", "--cert", str(pki.root_pem), "--crl", f"{url}/root.crl")
        commands.run("ca", "add", *arguments)
        terminal, end = pty.openpty()
        command = (sys.executable, "-m", "gateway", "ca", "refresh", "-c", str(commands.config))
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=end, check=True, text=True)
        os.close(end)
        shown = os.read(terminal, 100_000).decode()
        os.close(terminal)
    assert "/root.crl" in shown
    assert " ok: " in done.stdout
    assert "\x1b" not in done.stdout
