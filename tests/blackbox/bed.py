"""A gateway as its users run it: set up by commands, started as `serve`, reached by sockets.

What is waited for here happens in other processes, so that looking again is all there is.
"""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from gateway.cli.main import main
from gateway.pki.folder import PkiFolder
from tests.helpers import Pki, client_context, make_pki

HOST = "127.0.0.1"
PATH = "/Microsoft-Server-ActiveSync"
PATIENCE_SECONDS = 60.0
POLL_SECONDS = 0.05
MAILBOXES = ("alice@example.test", "bob@example.test")


def until(condition: Callable[[], bool], what: str) -> None:
    """Return once `condition` holds; it must within a minute."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"never came true: {what}"
        time.sleep(POLL_SECONDS)


def free_ports(count: int) -> list[int]:
    """That many ports, all different, on which nothing listens."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.create_server((HOST, 0))) for _ in range(count)]
        return [one.getsockname()[1] for one in sockets]


class Phone:
    """One connection with alice's certificate or another's, kept open as long as its server does.

    Attributes:
        connections: how many were made.
    """

    def __init__(self, pki: Pki, name: str, port: int) -> None:
        self.connections = 0
        context = client_context(pki, pki.stored(name))
        self._http = http.client.HTTPSConnection(
            HOST, port, context=context, timeout=PATIENCE_SECONDS
        )

    def options(self) -> int:
        """The status of the answer to OPTIONS; asked once more after a close without an answer."""
        try:
            return self._ask()
        except (http.client.RemoteDisconnected, ConnectionError):
            self.close()
            return self._ask()

    def _ask(self) -> int:
        if self._http.sock is None:
            self.connections += 1
        self._http.request("OPTIONS", PATH)
        with self._http.getresponse() as answer:
            answer.read()
            return answer.status

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        self._http.close()


@dataclass(frozen=True)
class Bed:
    """A folder with a PKI, a configuration and a store, for one gateway at a time."""

    folder: Path
    pki: Pki
    port: int
    admin_port: int

    @property
    def config(self) -> Path:
        """The gateway's config.toml."""
        return self.folder / "config.toml"

    @property
    def log(self) -> Path:
        """What the gateway wrote since it was started last."""
        return self.folder / "gateway.log"

    def cli(self, *words: str) -> None:
        """Run a command that reads config.toml; it must succeed."""
        assert main([*words, "-c", str(self.config)]) == 0, words

    def sign_crls(self, lifetime: timedelta) -> None:
        """The CAs publish CRLs from now, and the gateway has them."""
        with PkiFolder.open(self.pki.directory) as folder:
            folder.sign_crls(lifetime=lifetime)
        self.cli("ca", "refresh")

    @contextlib.contextmanager
    def phone(self, name: str = "alice") -> Iterator[Phone]:
        """A phone with that certificate."""
        with contextlib.closing(Phone(self.pki, name, self.port)) as phone:
            yield phone

    @contextlib.contextmanager
    def running(self) -> Iterator["Running"]:
        """The gateway, ready; at the end it is told to end, and must do so cleanly."""
        running = self.start()
        try:
            running.until_ready()
            yield running
        finally:
            status = running.end()
        assert status == 0, self.log.read_text()

    @contextlib.contextmanager
    def started(self, sockets: Sequence[int] = ()) -> Iterator["Running"]:
        """As `start`; at the end it is gone, however the test went."""
        running = self.start(sockets=sockets)
        try:
            yield running
        finally:
            running.kill()

    def start(
        self, *, environment: Mapping[str, str] | None = None, sockets: Sequence[int] = ()
    ) -> "Running":
        """A gateway that begins; `sockets` are the phones' and the admin's, as systemd passes them.

        Its log begins anew.
        """
        words = [sys.executable, "-m", "gateway", "serve", "-c", str(self.config)]
        more = dict(environment or {})
        if sockets:
            # Descriptors from 3 on, and the process id of whom they are for: only a shell knows it.
            moves = " ".join(f"{3 + n}<&{fd}" for n, fd in enumerate(sockets))
            words = ["bash", "-c", f'exec {moves}; LISTEN_PID=$$ exec "$@"', "bash", *words]
            more |= {"LISTEN_FDS": str(len(sockets)), "LISTEN_FDNAMES": "phones:admin"}
        self.log.write_bytes(b"")
        with self.log.open("ab") as output:  # another gateway may still write to it
            process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=self.folder,
                env=os.environ | more,
                pass_fds=sockets,
            )
        return Running(self, process)

    def serve_once(self) -> "subprocess.CompletedProcess[str]":
        """`serve` that is expected to end by itself."""
        return subprocess.run(
            [sys.executable, "-m", "gateway", "serve", "-c", self.config],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            cwd=self.folder,
            timeout=PATIENCE_SECONDS,
            check=False,
        )


class Running:
    """A gateway that runs."""

    def __init__(self, bed: Bed, process: "subprocess.Popen[bytes]") -> None:
        self.bed = bed
        self._process = process

    def until_ready(self) -> None:
        """Return once it says that it can serve."""
        until(self.is_ready, f"the gateway is ready\n{self.bed.log.read_text()}")

    def reload(self) -> None:
        """It is told to read its configuration again."""
        self._process.send_signal(signal.SIGHUP)

    def terminate(self) -> None:
        """It is told to end."""
        self._process.terminate()

    def wait(self) -> int:
        """Its exit status, once it has ended."""
        return self._process.wait(PATIENCE_SECONDS)

    def kill(self) -> None:
        """The supervisor is gone at once, and nobody has told its processes."""
        self._process.kill()
        self._process.wait()

    def events(self, event: str) -> list[dict[str, Any]]:
        """The lines of its log that are about that."""
        return [line for line in self._lines() if line["event"] == event]

    def metric(self, name: str, *labels: str) -> float | None:
        """The value of a metric of /metrics, the first one with these labels; None without one."""
        with urllib.request.urlopen(
            f"http://{HOST}:{self.bed.admin_port}/metrics", timeout=PATIENCE_SECONDS
        ) as answer:
            lines = answer.read().decode().splitlines()
        for line in lines:
            key, _, value = line.rpartition(" ")
            name_found, _, of = key.partition("{")
            if name_found == f"eas_gateway_{name}" and all(f'"{one}"' in of for one in labels):
                return float(value)
        return None

    def is_ready(self) -> bool:
        """Whether it says that it can serve."""
        assert self._process.poll() is None, self.bed.log.read_text()
        return self.asks("/readyz")

    def asks(self, path: str) -> bool:
        """Whether operations get 200 there."""
        try:
            with urllib.request.urlopen(
                f"http://{HOST}:{self.bed.admin_port}{path}", timeout=PATIENCE_SECONDS
            ):
                return True
        except urllib.error.HTTPError as error:
            error.close()
        except OSError:
            pass  # nobody listens, or who did was just killed
        except http.client.HTTPException:
            pass  # likewise, in the middle of an answer
        return False

    def child(self, name: str) -> int:
        """The process id of the worker or control of that name, the latest one."""
        return self._children(name)[-1]

    @property
    def children(self) -> Sequence[int]:
        """The process ids of all that were started."""
        return self._children(None)

    def kill_and_await_next(self, name: str) -> None:
        """A worker or control is killed, and another one has been started in its place."""
        before = self._children(name)
        os.kill(before[-1], signal.SIGKILL)
        until(lambda: len(self._children(name)) > len(before), f"a new {name}")

    def end(self) -> int:
        """Tell it to end (SIGTERM) and wait; returns its exit status."""
        self._process.terminate()
        try:
            return self._process.wait(PATIENCE_SECONDS)
        finally:
            self._process.kill()
            self._process.wait()

    def _children(self, name: str | None) -> list[int]:
        return [
            one["child"] for one in self.events("process.started") if name in {None, one["name"]}
        ]

    def _lines(self) -> Iterator[dict[str, Any]]:
        for line in self.bed.log.read_text(encoding="utf-8").splitlines(keepends=True):
            if line.endswith("}\n"):
                yield json.loads(line)


@contextlib.contextmanager
def demo_mail_server() -> Iterator[int]:
    """The demo mail server as a process; gives its port."""
    (port,) = free_ports(1)
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway.probe.demo_server", "--port", str(port)],
        stdin=subprocess.DEVNULL,
    )
    try:
        until(lambda: _listens(port), "the demo mail server listens")
        yield port
    finally:
        process.terminate()
        process.wait(PATIENCE_SECONDS)


def _listens(port: int) -> bool:
    try:
        socket.create_connection((HOST, port), timeout=PATIENCE_SECONDS).close()
    except ConnectionRefusedError:
        return False
    return True


def new_bed(folder: Path, mail_port: int) -> Bed:
    """A PKI and a config.toml in `folder`; the store is empty."""
    bed = Bed(folder, make_pki(folder / "pki"), *free_ports(2))
    bed.config.write_text(f"""
[listen]
address = "{HOST}"
port = {bed.port}
certificate = "pki/server.pem"
private_key = "pki/server.key"
workers = 1

[admin]
address = "{HOST}"
port = {bed.admin_port}

[[upstream]]
name = "demo"
url = "http://{HOST}:{mail_port}"
""")
    return bed


def set_up(bed: Bed, crl_url: str) -> None:
    """Both CAs are trusted, with CRLs from below `crl_url`, and alice and bob have mailboxes."""
    for kind, name in (("root", "root"), ("intermediate", "issuing")):
        certificate, url = str(bed.pki.directory / f"{name}.pem"), f"{crl_url}/{name}.crl"
        bed.cli("ca", "add", "--type", kind, "--cert", certificate, "--crl", url)
    for mailbox in MAILBOXES:
        bed.cli("user", "add", mailbox)
