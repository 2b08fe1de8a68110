"""The gateway as its users run it: set up and started by its command line, with its own PKI."""

import contextlib
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.real import crl_server
from tests.real.connection import Connection
from tests.real.phone import Phone
from tests.real.sogo.bed import EAS_PATH, HOST, IDENTITY_HEADER, MAILBOXES, Bed

COMMAND = Path(sys.executable).with_name("eas-gateway")
READY_SECONDS = 60.0
STOP_SECONDS = 30.0
COMMAND_SECONDS = 120.0
POLL_SECONDS = 0.05


@dataclass(frozen=True, kw_only=True)
class Gateway:
    """A gateway in front of the bed, and what it takes to reach and to administer it."""

    folder: Path
    port: int
    admin_port: int

    @property
    def pki(self) -> Path:
        """The folder of its development PKI."""
        return self.folder / "pki"

    def cli(self, *words: str) -> str:
        """What a command that reads config.toml prints; it must succeed."""
        return _run(*words, "-c", str(self.folder / "config.toml"))

    def revoke_certificate(self, name: str) -> None:
        """The certificate `name`.pem is on the issuing CA's published CRL."""
        _run("pki", "revoke", "--directory", str(self.pki), str(self.pki / f"{name}.pem"))

    def phone(self, name: str, *, user: str) -> Phone:
        """A phone that owns `name`.pem and asks for the mailbox `user`."""
        return Phone.with_certificate(self.pki, name, port=self.port, user=user)

    def connect(self, name: str) -> Connection:
        """One connection with `name`.pem."""
        return Connection.open(self.pki, name, self.port)


@contextlib.contextmanager
def running(folder: Path, bed: Bed, more: str = "") -> Iterator[Gateway]:
    """A gateway with everything that it keeps in `folder`, ready, and ended with the context.

    `more` are further tables of its config.toml.
    """
    port, admin_port = _free_ports()
    gateway = Gateway(folder=folder, port=port, admin_port=admin_port)
    _run("pki", "init", "--directory", str(gateway.pki))
    (folder / "config.toml").write_text(_config(gateway, bed) + more, encoding="utf-8")
    with crl_server.serving(gateway.pki) as url:
        _set_up(gateway, url)
        with _serving(gateway):
            yield gateway


def _config(gateway: Gateway, bed: Bed) -> str:
    return f"""
[listen]
address = "{HOST}"
port = {gateway.port}
certificate = "pki/server.pem"
private_key = "pki/server.key"
workers = 2

[state]
directory = "state"

[admin]
address = "{HOST}"
port = {gateway.admin_port}

[[upstream]]
name = "sogo"
url = "http://{HOST}:{bed.sogo_port}"
path = "{EAS_PATH}"
request_body = "buffer"
keep_alive = false
credentials = "header"
header = "{IDENTITY_HEADER}"
"""


def _set_up(gateway: Gateway, url: str) -> None:
    for kind, name in (("root", "root"), ("intermediate", "issuing")):
        certificate = str(gateway.pki / f"{name}.pem")
        gateway.cli(
            "ca", "add", "--type", kind, "--cert", certificate, "--crl", f"{url}/{name}.crl"
        )
    for mailbox in MAILBOXES:
        gateway.cli("user", "add", mailbox)


@contextlib.contextmanager
def _serving(gateway: Gateway) -> Iterator[None]:
    log = gateway.folder / "gateway.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [COMMAND, "serve", "-c", gateway.folder / "config.toml"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=gateway.folder,
        )
    try:
        _await_ready(gateway, process, log)
        yield
    finally:
        process.terminate()
        try:
            status = process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            status = process.wait()
    assert status == 0, f"the gateway ended with {status}:\n{_tail(log)}"


def _await_ready(gateway: Gateway, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while not _is_ready(gateway):
        assert process.poll() is None, f"the gateway ended:\n{_tail(log)}"
        assert time.monotonic() < deadline, f"the gateway does not get ready:\n{_tail(log)}"
        time.sleep(POLL_SECONDS)


def _is_ready(gateway: Gateway) -> bool:
    try:
        with urllib.request.urlopen(f"http://{HOST}:{gateway.admin_port}/readyz", timeout=5):
            return True
    except urllib.error.HTTPError as answered:
        answered.close()
    except OSError:
        pass  # not listening yet
    return False


def _run(*words: str) -> str:
    done = subprocess.run(
        [COMMAND, *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=COMMAND_SECONDS,
    )
    assert done.returncode == 0, f"{' '.join(words)}: exit {done.returncode}\n{done.stderr}"
    return done.stdout


def _free_ports() -> tuple[int, int]:
    with socket.create_server((HOST, 0)) as one, socket.create_server((HOST, 0)) as other:
        return one.getsockname()[1], other.getsockname()[1]


def _tail(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")[-4000:]
