"""A run of simulated devices: against a gateway of its own, or one that is there already."""

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding

from bench import crls, processes
from bench.devices import DevicesOrder
from bench.habits import Habits
from bench.phones import Phones, issue_phones
from bench.processes import BenchError
from bench.seen import Seen
from gateway.pki.authority import CertificateAuthority

_HEAD_START = 2.0  # seconds until the last process of devices has started
_GRACE_SECONDS = 60.0
_YIELDS = 5
_FILES = 2  # that a process has open for each device: a connection, and the one that was left

_GATEWAY = """\
[listen]
address = "127.0.0.1"
port = {port}
certificate = "server.pem"
private_key = "server.key"
workers = {workers}
backlog = 4096

[limits]
connections = {connections}
connections_address = 0

[admin]
address = "127.0.0.1"
port = {admin}

[[upstream]]
name = "simulated"
url = "http://127.0.0.1:{mail}"
"""


@dataclass(frozen=True)
class FleetPlan:
    """How many devices live for how long.

    Attributes:
        devices: in `processes` processes, beginning over a third of `seconds`, half a minute at
            most.
        mail_seconds: between two mails for a device, of the device's life.
        workers: of the gateway, where the run has one of its own.
    """

    devices: int
    seconds: float
    processes: int = 1
    workers: int = 1
    mail_seconds: float = 600.0
    habits: Habits = field(default_factory=Habits)
    seed: int = 0

    @property
    def ramp(self) -> float:
        """Seconds over which the devices begin."""
        return min(self.seconds / 3, 30.0)


@dataclass(frozen=True)
class Target:
    """A gateway at `port` that trusts the CA of `phones` and knows their mailboxes."""

    port: int
    trusted: Path
    phones: Phones


def live(plan: FleetPlan, target: Target) -> Seen:
    """What the devices saw, from the beginning to the end of the run.

    Raises:
        BenchError: a process of devices failed; what it wrote is on stderr.
    """
    began = time.monotonic() + _HEAD_START
    with contextlib.ExitStack() as stack:
        running = [stack.enter_context(_devices(order)) for order in _orders(plan, target, began)]
        patience = _HEAD_START + plan.seconds + _GRACE_SECONDS
        parts = [_read(process, began + patience - time.monotonic()) for process in running]
    whole = parts[0]
    for part in parts[1:]:
        whole.merge(part)
    return whole


def _orders(plan: FleetPlan, target: Target, began: float) -> Iterator[DevicesOrder]:
    for number in range(plan.processes):
        first = plan.devices * number // plan.processes
        yield DevicesOrder(
            port=target.port,
            phones=str(target.phones.file),
            trusted=str(target.trusted),
            key=str(target.phones.key),
            first=first,
            count=plan.devices * (number + 1) // plan.processes - first,
            began=began,
            seconds=plan.seconds,
            ramp=plan.ramp,
            habits=plan.habits,
            seed=plan.seed,
        )


@contextlib.contextmanager
def _devices(order: DevicesOrder) -> Iterator["subprocess.Popen[str]"]:
    """A process of devices, which leaves the CPUs to the gateway, as devices do."""
    command = ["nice", "-n", str(_YIELDS), sys.executable, "-m", "bench.devices", order.to_json()]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def _read(process: "subprocess.Popen[str]", patience: float) -> Seen:
    try:
        output, _ = process.communicate(timeout=max(patience, 1.0))
    except subprocess.TimeoutExpired as error:
        raise BenchError("a process of devices did not end") from error
    if process.returncode != 0:
        raise BenchError(f"a process of devices ended with {process.returncode}")
    return Seen.from_json(json.loads(output))


@contextlib.contextmanager
def mail_server(folder: Path, plan: FleetPlan) -> Iterator[int]:
    """A mail server for devices of that pace; gives its port."""
    port, log = processes.free_port(), folder / "mail.log"
    seconds = plan.mail_seconds / plan.habits.pace
    command = [sys.executable, "-m", "bench.mail_server", str(port), str(seconds)]
    with processes.running(command, log=log) as process:
        processes.wait_until(lambda: processes.accepts(port), process, log)
        yield port


@contextlib.contextmanager
def own_gateway(folder: Path, plan: FleetPlan) -> Iterator[Target]:
    """A gateway with a PKI and a store in `folder`, ready for the devices of the plan.

    Raises:
        BenchError: it did not become ready, or too few files may be opened.
    """
    processes.allow_open_files(_FILES * plan.devices + 200)
    root = CertificateAuthority.root("Simulation root CA")
    issuing = root.intermediate("Simulation issuing CA")
    mailboxes = [f"device{number:06d}@example.test" for number in range(plan.devices)]
    phones = issue_phones(folder / "phones", issuing, mailboxes)
    _write_pki(folder, root, issuing)
    port, admin = processes.free_port(), processes.free_port()
    with (
        mail_server(folder, plan) as mail,
        crls.published(folder / "pki") as crl_port,
    ):
        text = _GATEWAY.format(
            port=port,
            admin=admin,
            mail=mail,
            workers=plan.workers,
            connections=max(_FILES * plan.devices, 100),
        )
        (folder / "config.toml").write_text(text, encoding="utf-8")
        _fill_store(folder, phones, crl_port)
        log = folder / "gateway.log"
        command = [sys.executable, "-m", "gateway", "serve", "-c", str(folder / "config.toml")]
        with processes.running(command, log=log) as process:
            ready = f"http://127.0.0.1:{admin}/readyz"
            processes.wait_until(lambda: processes.answers(ready), process, log)
            yield Target(port, folder / "pki" / "root.pem", phones)


def _write_pki(folder: Path, root: CertificateAuthority, issuing: CertificateAuthority) -> None:
    (folder / "pki").mkdir()
    for name, authority in (("root", root), ("issuing", issuing)):
        (folder / "pki" / f"{name}.pem").write_bytes(authority.certificate_pem)
        crl = authority.sign_crl().public_bytes(Encoding.DER)
        (folder / "pki" / f"{name}.crl").write_bytes(crl)
    server = issuing.issue_server("localhost", "127.0.0.1")
    (folder / "server.pem").write_bytes(server.certificate_pem)
    (folder / "server.key").touch(mode=0o600)
    (folder / "server.key").write_bytes(server.key_pem)


def _fill_store(folder: Path, phones: Phones, crl_port: int) -> None:
    for kind, name in (("root", "root"), ("intermediate", "issuing")):
        words = ["ca", "add", "--type", kind, "--cert", str(folder / "pki" / f"{name}.pem")]
        _command(folder, [*words, "--crl", f"http://127.0.0.1:{crl_port}/{name}.crl"])
    _command(folder, ["user", "import", str(phones.csv)])


def _command(folder: Path, words: Sequence[str]) -> None:
    command = [sys.executable, "-m", "gateway", *words, "-c", str(folder / "config.toml")]
    processes.run(command, cwd=Path.cwd())
