"""Connections to the mail server: opened for a ready request, kept where the server keeps them."""

import asyncio
import ssl
import time
from collections import deque
from collections.abc import Callable
from ipaddress import ip_address
from typing import Protocol, cast
from urllib.parse import urlsplit

from gateway.config_upstream import Upstream
from gateway.errors import ConfigError, UpstreamError, UpstreamFullError
from gateway.proxy.messages import END, ResponseEvent, ResponseHead, ResponseParser
from gateway.proxy.repeats import RepeatedHeads
from gateway.tasks import Tasks

_POOL_IDLE_SECONDS = 4.0
"""Below the shortest keep-alive that common servers have by default (Apache: 5 s), so that a
connection is not used in the moment in which the server closes it."""

_KNOWN_HEADS = 8
_RESOLVE_SECONDS = 60.0
_PORTS = {"http": 80, "https": 443}


class Waiting(Protocol):
    """What waits for an upstream connection and then for its response."""

    def connected(self, connection: "UpstreamConnection") -> None:
        """`connection` is this exchange's alone until it is released or closed."""

    def not_connected(self, error: UpstreamError) -> None:
        """There is no connection to be had."""

    def received(self, events: list[ResponseEvent]) -> None:
        """A part of the response."""

    def received_whole(self, head: ResponseHead, body: bytes) -> None:
        """The whole response."""

    def lost(self, error: UpstreamError | None) -> None:
        """The connection is gone; an error tells that it was not by the server closing it."""

    def upstream_full(self, full: bool) -> None:  # noqa: FBT001 (the transport's two calls in one)
        """Whether the mail server takes the request more slowly than it comes."""


class UpstreamConnection(asyncio.Protocol):
    """One connection to the mail server; serves one exchange at a time.

    Attributes:
        host_line: the Host field for the server, with its CRLF.
    """

    __slots__ = (
        "_between",
        "_parser",
        "_paused",
        "_pool",
        "_transport",
        "exchange",
        "host_line",
        "idle_since",
        "reused",
    )

    def __init__(self, pool: "UpstreamPool") -> None:
        self._pool = pool
        self.host_line = pool.host_line
        self._parser = ResponseParser()
        self._transport: asyncio.Transport | None = None
        self.exchange: Waiting | None = None
        self._paused = False
        self._between = True  # no part of a response has come since the last whole one
        self.reused = False
        self.idle_since = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection stands."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's has no common base class

    def data_received(self, data: bytes) -> None:
        """Hand a part of the response to the exchange; a server that talks unasked is cut off."""
        exchange = self.exchange
        if exchange is None:
            self.close()
            return
        if self._between:
            repeated = self._pool.repeats.find(data)
            if repeated is not None:
                exchange.received_whole(*repeated)
                return
        was_between = self._between
        events = self._parser.feed(data)
        whole = bool(events) and events[-1][0] == END
        self._between = whole and not self._parser.in_message
        if was_between and self._between:
            head: ResponseHead = events[0][1]  # type: ignore[assignment]  # an answer begins with it
            if head.content_length is not None and head.keep_alive and not head.bodiless:
                self._pool.repeats.remember(head, data)
        if events:
            exchange.received(events)

    def eof_received(self) -> bool:
        """The server is done; the transport closes itself."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the exchange, and the pool."""
        self._pool.gone(self)
        exchange, self.exchange = self.exchange, None
        if exchange is not None:
            exchange.lost(None if exc is None else UpstreamError(f"the connection broke: {exc}"))

    def pause_writing(self) -> None:
        """The server reads too slowly."""
        if self.exchange is not None:
            self.exchange.upstream_full(True)

    def resume_writing(self) -> None:
        """The server has caught up."""
        if self.exchange is not None:
            self.exchange.upstream_full(False)

    @property
    def usable(self) -> bool:
        """Whether a request may still be written."""
        return self._transport is not None and not self._transport.is_closing()

    def write(self, data: bytes) -> None:
        """Send a part of the request."""
        if self._transport is not None:
            self._transport.write(data)

    def pause_reading(self) -> None:
        """Take no more of the response for now."""
        if self._transport is not None and not self._paused and self.usable:
            self._paused = True
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Take the response again."""
        if self._transport is not None and self._paused and self.usable:
            self._paused = False
            self._transport.resume_reading()

    def release(self) -> None:
        """The exchange is over: keep the connection for the next, if nothing is behind the answer.

        What is there would be taken for the beginning of an answer to somebody else.
        """
        self.exchange = None
        if not self._between:
            self.close()
            return
        if self._paused:
            self.resume_reading()
        self._pool.put_back(self)

    def close(self) -> None:
        """End the connection at once, whatever was under way on it."""
        self.exchange = None
        if self._transport is not None:
            self._transport.abort()


class UpstreamPool:
    """The connections of one worker to one host of an upstream.

    Attributes:
        url: of the host.
        tried: told of every attempt to connect that was made: the error, or None if it went well.
    """

    def __init__(self, settings: Upstream, tasks: Tasks, *, url: str | None = None) -> None:
        """`url` is that of the host; without it, the first of `settings`."""
        self.url = url or settings.url
        self.tried: Callable[[UpstreamError | None], None] = _nobody
        parts = urlsplit(self.url)
        self._host = parts.hostname or ""
        self._port = parts.port or _PORTS[parts.scheme]
        self._settings = settings
        self._tasks = tasks
        self.repeats: RepeatedHeads[ResponseHead] = RepeatedHeads(_KNOWN_HEADS)
        self._tls = _tls_context(settings) if parts.scheme == "https" else None
        self._addresses: list[str] = []
        self._next_address = 0
        self._idle: deque[UpstreamConnection] = deque()
        self._keeps = settings.keep_alive
        self._open: set[UpstreamConnection] = set()
        self._connecting = 0
        default = _PORTS[parts.scheme] == self._port
        name = f"[{self._host}]" if ":" in self._host else self._host
        self.host_line = f"Host: {name if default else f'{name}:{self._port}'}\r\n".encode()

    async def resolve(self) -> None:
        """Know the upstream's addresses; keeps the old ones when the resolver fails.

        Raises UpstreamError if there were none before.
        """
        try:
            ip_address(self._host)
        except ValueError:
            pass
        else:
            self._addresses = [self._host]
            return
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(self._host, self._port, proto=6)
        except OSError as error:
            if not self._addresses:
                raise UpstreamError(f"upstream.url: {self._host}: {error}") from error
            return
        self._addresses = list(dict.fromkeys(str(address[4][0]) for address in found))

    async def keep_resolved(self) -> None:
        """Resolve again and again, for as long as the worker lives."""
        while True:
            try:
                await self.resolve()
            except UpstreamError:
                await asyncio.sleep(1)
            else:
                await asyncio.sleep(_RESOLVE_SECONDS)

    def acquire(self, exchange: Waiting, *, fresh: bool = False) -> None:
        """`exchange` is told, at once or later, that it has a connection or that there is none."""
        idle = self._idle
        while idle and not fresh:
            connection = idle.pop()
            if connection.usable:
                connection.exchange = exchange
                connection.reused = True
                exchange.connected(connection)
                return
        if self._connecting + len(self._open) >= self._settings.connections:
            exchange.not_connected(UpstreamFullError("upstream.connections are all in use"))
            return
        self._connecting += 1
        self._tasks.spawn(self._connect(exchange), name="upstream.connect")

    def put_back(self, connection: UpstreamConnection) -> None:
        """Keep a clean connection, if this upstream keeps connections."""
        if self._keeps:  # whether it is still usable is seen when it is wanted
            connection.idle_since = time.monotonic()
            self._idle.append(connection)
        else:
            connection.close()

    def gone(self, connection: UpstreamConnection) -> None:
        """A connection has ended."""
        self._open.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)

    def sweep(self, now: float) -> None:
        """Close connections that have been idle for long enough; `now` is monotonic seconds."""
        while self._idle and now - self._idle[0].idle_since > _POOL_IDLE_SECONDS:
            self._idle.popleft().close()

    def close(self) -> None:
        """Close what is idle."""
        while self._idle:
            self._idle.pop().close()

    async def _connect(self, exchange: Waiting) -> None:
        try:
            connection = await self._dial()
        except (OSError, ssl.SSLError, TimeoutError) as error:
            sentence = str(error) or "no answer within upstream.connect_timeout_seconds"
            problem = UpstreamError(f"{self.url}: {sentence}")
            self.tried(problem)
            exchange.not_connected(problem)
            return
        finally:
            self._connecting -= 1
        self.tried(None)
        if not connection.usable:
            exchange.not_connected(UpstreamError("the mail server closed the connection at once"))
            return
        self._open.add(connection)
        connection.exchange = exchange
        exchange.connected(connection)

    async def _dial(self) -> UpstreamConnection:
        loop = asyncio.get_running_loop()
        if not self._addresses:
            raise OSError(f"the name {self._host} has no address yet")
        failure: OSError | TimeoutError | None = None
        for _ in range(len(self._addresses)):
            address = self._addresses[self._next_address % len(self._addresses)]
            try:
                async with asyncio.timeout(self._settings.connect_timeout_seconds):
                    _, connection = await loop.create_connection(
                        lambda: UpstreamConnection(self),
                        address,
                        self._port,
                        ssl=self._tls,
                        server_hostname=self._host if self._tls is not None else None,
                    )
            except (OSError, TimeoutError) as error:
                self._next_address += 1
                failure = error
            else:
                return connection
        raise failure or OSError("no address")


def _nobody(_error: UpstreamError | None) -> None:
    """Nobody is told."""


def _tls_context(settings: Upstream) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(
            cafile=None if settings.ca_file is None else str(settings.ca_file)
        )
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"upstream {settings.name}: ca_file: {error}") from error
