"""What one operation costs a server: CPU of its processes, and memory of a held Ping.

Servers take turns within each round, so that a machine that slows down slows all of them, and the
first round of each warms up and is thrown away. Many short rounds say more than a few long ones.
"""

import contextlib
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bench import crls, peers, pki, processes
from bench.client import Order
from bench.processes import BenchError

_SETTLE_SECONDS = 0.1
_MEMORY_ROUNDS = 3  # memory hardly varies


@dataclass(frozen=True)
class Scenario:
    """One row group of the table."""

    name: str
    what: str
    title: str
    unit: str
    identity: str = "ecdsa"
    tls: str = "1.3"
    per_second: int = 0
    tickets: bool = True
    new: bool = False  # every phone is one that the server has not seen


@dataclass(frozen=True)
class Sample:
    """One round of one server: cost of an operation to its worker and to its other processes.

    Units are the scenario's: CPU microseconds, or KiB. `busy` is the worker's share of one CPU
    while the load ran, `rate` is operations a second, `tls` what client and server agreed on.
    """

    scenario: str
    server: str
    worker: float
    others: float
    busy: float
    rate: float
    tls: str


@dataclass(frozen=True)
class Plan:
    """How much is measured."""

    servers: Sequence[str]
    scenarios: Sequence[Scenario]
    rounds: int
    requests: int
    handshakes: int
    held: int
    connections: int
    phones: int
    revoked: int

    @property
    def devices(self) -> int:
        """How many phones there are."""
        new = sum(self.rounds + 1 for scenario in self.scenarios if scenario.new)
        return max(self.held, self.phones) + self.handshakes * (1 + new)

    def order(
        self, scenario: Scenario, given: peers.Surroundings, port: int, *, first: int = 0
    ) -> Order:
        """The load of one round by the devices from number `first` on."""
        operations = {"requests": self.requests, "handshakes": self.handshakes, "held": self.held}
        count = operations[scenario.what]
        if scenario.per_second:
            count = max(1, count // 4)  # slow by intention: a quarter tells as much
        at_once = {"requests": self.phones, "handshakes": self.connections, "held": self.held}
        connections = min(at_once[scenario.what], count)
        return Order(
            what=scenario.what,
            port=port,
            trusted=str(given.pki.root),
            devices=str(given.pki.devices),
            first=first,
            tls=scenario.tls,
            connections=connections,
            operations=count // connections * connections,
            per_second=scenario.per_second,
        )


def measure(plan: Plan, directory: Path) -> Iterator[Sample]:
    """Start everything and yield each sample as it is made.

    Raises:
        BenchError: a server or the load failed; the logs are under `directory`.
    """
    processes.allow_open_files(2 * max(plan.held, plan.phones) + 1000)
    with surroundings(plan, directory) as given:
        for kind in dict.fromkeys((one.identity, one.tickets) for one in plan.scenarios):
            mine = [one for one in plan.scenarios if (one.identity, one.tickets) == kind]
            own = replace(given, identity=given.pki.servers[kind[0]], tickets=kind[1])
            yield from _cpu(plan, [it for it in mine if it.what != "held"], own)
            yield from _memory(plan, [it for it in mine if it.what == "held"], own)


@contextlib.contextmanager
def surroundings(plan: Plan, directory: Path) -> Iterator[peers.Surroundings]:
    """PKI, CRLs and upstream while the block runs, on all CPUs but the one for the server."""
    cpu = processes.leave_a_cpu()
    files = pki.create(directory / "pki", revoked=plan.revoked, devices=plan.devices)
    port, log = processes.free_port(), directory / "upstream.log"
    command = [sys.executable, "-m", "bench.upstream", str(port)]
    with crls.published(directory / "pki") as crl_port, processes.running(command, log=log) as mail:
        processes.wait_until(lambda: processes.accepts(port), mail, log)
        yield peers.Surroundings(
            directory=directory,
            pki=files,
            identity=files.servers["ecdsa"],
            upstream_port=port,
            crl_port=crl_port,
            cpu=cpu,
        )


def _cpu(plan: Plan, scenarios: Sequence[Scenario], given: peers.Surroundings) -> Iterator[Sample]:
    if not scenarios:
        return
    unseen = max(plan.held, plan.phones) + plan.handshakes
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(_started(name, given)) for name in plan.servers]
        for scenario in scenarios:
            for number in range(plan.rounds + 1):
                first = unseen if scenario.new else 0
                unseen += plan.handshakes if scenario.new else 0
                for server in servers:
                    sample = _cpu_sample(plan, scenario, given, server, first)
                    if number > 0:
                        yield sample


def _cpu_sample(
    plan: Plan, scenario: Scenario, given: peers.Surroundings, server: peers.Server, first: int
) -> Sample:
    order = plan.order(scenario, given, server.port, first=first)
    with _client(order, given.directory) as client:
        _await(client, "ready")
        began, worker, others = _clocks(server)
        _go_on(client)
        tls = _await(client, "done")
        wall = (time.monotonic_ns() - began) / 1e9
        time.sleep(_SETTLE_SECONDS)
        _, worker_end, others_end = _clocks(server)
    used = (worker_end - worker) / 1000
    return Sample(
        scenario=scenario.name,
        server=server.name,
        worker=used / order.operations,
        others=(others_end - others) / 1000 / order.operations,
        busy=used / 1e6 / wall,
        rate=order.operations / wall,
        tls=tls,
    )


def _memory(
    plan: Plan, scenarios: Sequence[Scenario], given: peers.Surroundings
) -> Iterator[Sample]:
    for scenario in scenarios:
        for _ in range(min(plan.rounds, _MEMORY_ROUNDS)):
            for name in plan.servers:
                with _started(name, given) as server:
                    yield _memory_sample(plan, scenario, given, server)


def _memory_sample(
    plan: Plan, scenario: Scenario, given: peers.Surroundings, server: peers.Server
) -> Sample:
    """A server that is new holds nothing that it could use again, so its growth is the Pings'."""
    once = replace(plan.order(scenario, given, server.port), what="handshakes")
    with _client(replace(once, connections=1, operations=1), given.directory) as first:
        _await(first, "ready")
        _go_on(first)
        _await(first, "done")
    order = plan.order(scenario, given, server.port)
    with _client(order, given.directory) as client:
        _await(client, "ready")
        began = time.monotonic()
        worker, others = processes.memory_kib([server.worker]), processes.memory_kib(server.others)
        _go_on(client)
        tls = _await(client, "done")
        _wait_for_held(given.upstream_port, plan.held)
        wall = time.monotonic() - began
        worker_end = processes.memory_kib([server.worker])
        others_end = processes.memory_kib(server.others)
    return Sample(
        scenario=scenario.name,
        server=server.name,
        worker=(worker_end - worker) / plan.held,
        others=(others_end - others) / plan.held,
        busy=0.0,
        rate=plan.held / wall,
        tls=tls,
    )


@contextlib.contextmanager
def _started(name: str, given: peers.Surroundings) -> Iterator[peers.Server]:
    folder = given.directory / f"{name}-{time.monotonic_ns()}"
    folder.mkdir()
    with peers.PEERS[name](replace(given, directory=folder)) as server:
        yield server


@contextlib.contextmanager
def _client(order: Order, directory: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "bench.client", order.to_json()]
    with (
        (directory / "client.log").open("a") as log,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
        ) as client,
    ):
        try:
            yield client
        finally:
            client.kill()


def _await(client: subprocess.Popen[str], step: str) -> str:
    assert client.stdout is not None
    reached, _, told = client.stdout.readline().strip().partition(" ")
    if reached != step:
        raise BenchError(
            "the load failed, so there is no figure: see client.log and the server's logs"
        )
    return told


def _go_on(client: subprocess.Popen[str]) -> None:
    assert client.stdin is not None
    client.stdin.write("\n")
    client.stdin.flush()


def _clocks(server: peers.Server) -> tuple[int, int, int]:
    return (
        time.monotonic_ns(),
        processes.cpu_ns([server.worker]),
        processes.cpu_ns(server.others),
    )


def _wait_for_held(port: int, count: int) -> None:
    end = time.monotonic() + processes.START_SECONDS
    while (held := _held(port)) < count:
        if time.monotonic() > end:
            raise BenchError(f"the upstream holds {held} of {count} Pings")
        time.sleep(0.1)


def _held(port: int) -> int:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/held", timeout=30) as response:
        return int(response.read())
