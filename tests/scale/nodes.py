"""Gateways with two workers, and the mail server behind them, which holds Pings."""

import contextlib
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from bench import processes
from bench.phones import Phones
from gateway.config import load
from gateway.pki.folder import read_certificates
from gateway.store.store import Store, open_store
from tests.blackbox.bed import HOST, Bed, Running, free_ports
from tests.helpers import Pki
from tests.scale.crls import DELTA, ISSUING, ROOT, CrlSite

WORKERS = (1, 2)
_LOOK_SECONDS = 0.4  # a worker's lag is a new figure each second


@dataclass(frozen=True)
class MailServer:
    """A mail server that runs."""

    port: int

    def held(self) -> int:
        """How many Pings it holds."""
        with urllib.request.urlopen(f"http://{HOST}:{self.port}/held", timeout=30) as answer:
            return int(answer.read())


@contextlib.contextmanager
def mail_server(folder: Path) -> Iterator[MailServer]:
    """One that holds the Pings of fleets and answers everything else."""
    (port,) = free_ports(1)
    log = folder / "mail.log"
    command = [sys.executable, "-m", "bench.upstream", str(port)]
    with processes.running(command, log=log, cwd=Path.cwd()) as process:
        processes.wait_until(lambda: processes.accepts(port), process, log)
        yield MailServer(port)


def new_node(folder: Path, pki: Pki, mail: MailServer, *more: str, listen: str = "") -> Bed:
    """A gateway in the new `folder` that does not run yet.

    `listen` are lines for that table, `more` further tables.
    """
    folder.mkdir()
    bed = Bed(folder, pki, *free_ports(2))
    identity = pki.issuing.issue_server("localhost", HOST)
    (folder / "server.pem").write_bytes(identity.certificate_pem)
    (folder / "server.key").write_bytes(identity.key_pem)
    tables = "\n".join(more)
    bed.config.write_text(f"""
[listen]
address = "{HOST}"
port = {bed.port}
certificate = "server.pem"
private_key = "server.key"
workers = {len(WORKERS)}
backlog = 4096
{listen}

[admin]
address = "{HOST}"
port = {bed.admin_port}

[limits]  # all phones have the address of this machine
connections_address = 0

[[upstream]]
name = "mail"
url = "http://{HOST}:{mail.port}"

{tables}
""")
    return bed


def server_serial(bed: Bed) -> int:
    """The serial number of the certificate that tells a phone which node it is at."""
    return read_certificates(bed.folder / "server.pem")[0].serial_number


def fill(bed: Bed, site: CrlSite, phones: Phones, *, delta: bool = False) -> None:
    """Both CAs are trusted, with their CRLs, and all mailboxes are known."""
    urls = {"root": ["--crl", f"{site.url}/{ROOT}"], "issuing": ["--crl", f"{site.url}/{ISSUING}"]}
    if delta:
        urls["issuing"] += ["--delta-crl", f"{site.url}/{DELTA}"]
    for kind, name in (("root", "root"), ("intermediate", "issuing")):
        certificate = str(bed.pki.directory / f"{name}.pem")
        bed.cli("ca", "add", "--type", kind, "--cert", certificate, *urls[name])
    bed.cli("user", "import", str(phones.csv))


def store_of(bed: Bed) -> Store:
    """The node's store, as a command opens it."""
    config = load(bed.config)
    return open_store(config.state.directory, config.store)


def command(bed: Bed, *words: str) -> None:
    """Run a command as a process; it must succeed."""
    subprocess.run(
        [sys.executable, "-m", "gateway", *words, "-c", str(bed.config)],
        check=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        timeout=60,
    )


class LagWatch:
    """The event loop lag of each worker, from the metrics, while a block runs.

    Attributes:
        worst: the largest, in seconds, by worker.
    """

    def __init__(self, running: Running) -> None:
        self.worst = dict.fromkeys(WORKERS, 0.0)
        self._running = running
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(_LOOK_SECONDS):
            for number in WORKERS:
                lag = self._running.metric("event_loop_lag_seconds", str(number))
                self.worst[number] = max(self.worst[number], lag or 0.0)
