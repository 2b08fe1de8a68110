"""Thousands of phones in one process, each with a certificate of its own, that hold a Ping each.

It reads one JSON `Order` as its argument and writes what its phones see to stdout as JSON lists,
one a line: what happened, the phone's number, the moment on the monotonic clock, and more:

    ["asked", number, at, server]         a request is sent on a new connection; the server's serial
    ["answer", number, at, status, retry] its answer is whole; `retry` is Retry-After or null
    ["closed", number, at]                the connection ended before an answer, or between two
    ["lost", number, at]                  so it did once more: the repeated request has failed, too
    ["sync", number, at, seconds]         a Sync was answered with 200, after so long

A line `return` on stdin has phones that are cut from then on come back: after Retry-After, or at
once if the connection was closed. It ends with its stdin.
"""

import asyncio
import base64
import contextlib
import gc
import json
import os
import random
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import uvloop
from cryptography import x509

from bench import eas
from bench.fleet_phone import Answer, ClosedError, Line, client_context, connect, read_key

_AT_ONCE = 24
_PATIENCE_SECONDS = 20.0
_OK, _FORBIDDEN = 200, 403


@dataclass(frozen=True)
class Order:
    """Which phones there are, and what they do.

    Attributes:
        port: of the server on 127.0.0.1; `address` is the local one that phones come from.
        phones: a file with a line for each phone: its mailbox, and its certificate as DER in
            base64; `first` and `count` say which lines are this fleet's.
        trusted, key: PEM files, the root CA and the key of all of the certificates.
        syncs_per_second: of all phones together, in turn; 0 holds a Ping on each instead.
        returns: whether phones that are cut come back from the beginning.
        patient: whether phones do as Retry-After says; others ask on at their pace.
        nice: how much CPU is left to others, as nice(1).
    """

    port: int
    phones: str
    trusted: str
    key: str
    first: int
    count: int
    address: str = "127.0.0.1"
    syncs_per_second: float = 0
    returns: bool = False
    patient: bool = True
    nice: int = 0

    def to_json(self) -> str:
        """The order as one argument of the fleet's command line."""
        return json.dumps(asdict(self))


class Fleet:
    """The phones of one order."""

    def __init__(self, order: Order) -> None:
        self.order = order
        self.returns = order.returns
        self.context = client_context(order.trusted)
        self.key = read_key(order.key)
        self.gate = asyncio.Semaphore(_AT_ONCE)

    async def run(self) -> None:
        """Let all phones live until stdin ends."""
        first = self.order.first
        phones = [Phone(self, first + place, line) for place, line in enumerate(self._lines())]
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(phone.live()) for phone in phones]
            gc.freeze()
            await self._obey()
            for task in tasks:
                task.cancel()

    def _lines(self) -> list[str]:
        order = self.order
        lines = Path(order.phones).read_text(encoding="ascii").splitlines()
        return lines[order.first : order.first + order.count]

    async def _obey(self) -> None:
        reader = asyncio.StreamReader()
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        while line := await reader.readline():
            self.returns = self.returns or line.strip() == b"return"

    def tell(self, event: str, number: int, *more: float | None) -> float:
        """Write an event; the answer is its moment."""
        at = time.monotonic()
        sys.stdout.write(json.dumps([event, number, at, *more]) + "\n")
        sys.stdout.flush()
        return at


class Phone:
    """One phone; it asks, waits, and comes back as a phone does."""

    def __init__(self, fleet: Fleet, number: int, line: str) -> None:
        mailbox, _, certificate = line.partition(" ")
        der = base64.b64decode(certificate)
        self._fleet = fleet
        self._number = number
        self._unanswered = 0  # how often in a row a request had no answer byte
        self._certificate = x509.load_der_x509_certificate(der)
        self._syncs = fleet.order.syncs_per_second > 0
        name = "BENCH" if self._syncs else eas.HELD_DEVICE
        self._request = eas.request(
            fleet.order.port, device=f"{name}{number:05d}", mailbox=mailbox, command=self._command
        )

    @property
    def _command(self) -> str:
        return "Sync" if self._syncs else "Ping"

    async def live(self) -> None:
        """Ask again and again, until the phone is turned away for good."""
        while True:
            wait: float | None = 0.0
            line: Line | None = None
            try:
                line = await self._connect()
                self._fleet.tell("asked", self._number, line.server_serial)
                wait = await self._talk(line)
            except OSError as error:
                begun = isinstance(error, ClosedError) and error.begun
                self._unanswered += 1
                lost = begun or self._unanswered > 1
                self._fleet.tell("lost" if lost else "closed", self._number)
                wait = random.uniform(0.1, 0.5) if lost else 0.0
            finally:
                if line is not None:
                    line.close()
            if wait is None or not self._fleet.returns:
                return
            await asyncio.sleep(wait)

    async def _connect(self) -> Line:
        fleet = self._fleet
        async with fleet.gate, asyncio.timeout(_PATIENCE_SECONDS):
            order = fleet.order
            return await connect(
                lambda: Line(fleet.context, self._certificate, fleet.key),
                port=order.port,
                address=order.address,
            )

    async def _talk(self, line: Line) -> float | None:
        """Ask on one connection to its end; in how many seconds to come back, None: not at all."""
        fleet = self._fleet
        pause = fleet.order.count / fleet.order.syncs_per_second if self._syncs else 0.0
        due = time.monotonic() + random.uniform(0, pause)
        while True:
            if pause:
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                if line.closed.done():
                    fleet.tell("closed", self._number)
                    return 0.0
            began = time.monotonic()
            answer = await line.ask(self._request)
            self._unanswered = 0
            if self._syncs and answer.status == _OK:
                fleet.tell("sync", self._number, time.monotonic() - began)
            else:
                fleet.tell("answer", self._number, answer.status, answer.retry_after)
            if not answer.keeps or (answer.status != _OK and fleet.order.patient):
                return _wait(answer) if fleet.order.patient else pause
            due = max(due + pause, time.monotonic())


def _wait(answer: Answer) -> float | None:
    if answer.status == _FORBIDDEN:
        return None
    return float(answer.retry_after or 0)


def main() -> None:
    """Be a fleet."""
    order = Order(**json.loads(sys.argv[1]))
    os.nice(order.nice)
    with contextlib.suppress(BrokenPipeError):
        uvloop.run(Fleet(order).run())


if __name__ == "__main__":
    main()
