"""The phones: one process that puts a bounded load on a server, in step with the one who measures.

It reads one JSON `Order` as its argument, connects what has to be connected, prints `ready`, waits
for a line, does the operations, prints `done` and what TLS agreed on, waits for a line, and ends.
Any failure ends it with a non-zero status, so that no figure is made of failed operations.
"""

import asyncio
import itertools
import json
import ssl
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

import httptools
import uvloop

from bench import eas
from bench.pki import SERVER_NAME, device_file, mailbox_of


@dataclass(frozen=True)
class Order:
    """What to do: `requests` on kept connections, `handshakes` with one request each, or `held`."""

    what: str
    port: int
    trusted: str
    devices: str
    first: int  # number of the first device; each connection is that of the next
    tls: str
    connections: int
    operations: int
    per_second: int = 0  # 0: as fast as the answers come

    def to_json(self) -> str:
        """The order as one argument of the client's command line."""
        return json.dumps(asdict(self))


class Phone(asyncio.Protocol):
    """One TLS connection; at most one request, always `request`, under way at a time."""

    def __init__(self, request: bytes) -> None:
        self._request = request
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._answered: asyncio.Future[None] | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self.tls = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """TLS is up: requests may be sent."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's does not inherit it
        session: ssl.SSLObject = transport.get_extra_info("ssl_object")
        name, version, _ = session.cipher() or ("", "", 0)
        self.tls = f"{version} {name}"

    def connection_lost(self, exc: Exception | None) -> None:
        """A request without an answer has failed."""
        if self._answered is not None and not self._answered.done():
            self._answered.set_exception(
                exc or ConnectionError("the server closed before it answered")
            )
        if not self.closed.done():
            self.closed.set_result(None)

    def data_received(self, data: bytes) -> None:
        """Feed the answer's parser."""
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        """The parser saw a whole answer; anything but 200 fails the request."""
        assert self._answered is not None
        if (status := self._parser.get_status_code()) == 200:
            self._answered.set_result(None)
        else:
            self._answered.set_exception(ConnectionError(f"the server answered {status}"))

    def send(self) -> asyncio.Future[None]:
        """Send the request; the future ends with its answer."""
        assert self._transport is not None
        self._answered = asyncio.get_running_loop().create_future()
        self._transport.write(self._request)
        return self._answered

    async def close(self) -> None:
        """Say goodbye in TLS and wait until the connection is gone."""
        assert self._transport is not None
        self._transport.close()
        await self.closed


class Phones:
    """The load of one order."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._contexts: dict[int, ssl.SSLContext] = {}
        self._numbers = itertools.count(order.first)
        self._tls = ""

    async def run(self) -> None:
        """Follow the order, telling of each step on stdout and waiting for the word on stdin."""
        match self._order.what:
            case "requests":
                await self._requests()
            case "handshakes":
                await self._handshakes()
            case "held":
                await self._held()
            case other:
                raise ValueError(f"no load is called {other!r}")

    async def _requests(self) -> None:
        phones = await self._connected()
        await asyncio.gather(*(phone.send() for phone in phones))
        await _step("ready")
        start = asyncio.get_running_loop().time()
        await asyncio.gather(*(self._talk(phone, at, start) for at, phone in enumerate(phones)))
        await self._done()

    async def _talk(self, phone: Phone, at: int, start: float) -> None:
        loop = asyncio.get_running_loop()
        order = self._order
        for number in range(order.operations // order.connections):
            if order.per_second:
                due = start + (number * order.connections + at) / order.per_second
                if (early := due - loop.time()) > 0:
                    await asyncio.sleep(early)
            await phone.send()

    async def _handshakes(self) -> None:
        for number in range(self._order.first, self._order.first + self._order.operations):
            self._contexts[number] = _context(self._order, number)
        await _step("ready")
        await asyncio.gather(*(self._come_and_go() for _ in range(self._order.connections)))
        await self._done()

    async def _come_and_go(self) -> None:
        for _ in range(self._order.operations // self._order.connections):
            phone = await self._connect()
            await phone.send()
            await phone.close()

    async def _held(self) -> None:
        await _step("ready")
        phones = await self._connected()
        for phone in phones:
            phone.send()
        await self._done()

    async def _connected(self) -> list[Phone]:
        phones: list[Phone] = []
        while len(phones) < self._order.connections:
            batch = min(50, self._order.connections - len(phones))
            phones += await asyncio.gather(*(self._connect() for _ in range(batch)))
        return phones

    async def _connect(self) -> Phone:
        order, number = self._order, next(self._numbers)
        prefix = eas.HELD_DEVICE if order.what == "held" else "BENCH"
        request = eas.request(order.port, device=f"{prefix}{number}", mailbox=mailbox_of(number))
        _, phone = await asyncio.get_running_loop().create_connection(
            lambda: Phone(request),
            "127.0.0.1",
            order.port,
            ssl=self._contexts.get(number) or _context(order, number),
            server_hostname=SERVER_NAME,
        )
        self._tls = phone.tls
        return phone

    async def _done(self) -> None:
        await _step(f"done {self._tls}")


def _context(order: Order, number: int) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=order.trusted)
    context.load_cert_chain(device_file(Path(order.devices), number))
    version = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}[order.tls]
    context.minimum_version = context.maximum_version = version
    context.set_alpn_protocols(["http/1.1"])
    return context


async def _step(name: str) -> None:
    sys.stdout.write(f"{name}\n")
    sys.stdout.flush()
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)


if __name__ == "__main__":
    uvloop.run(Phones(Order(**json.loads(sys.argv[1]))).run())
