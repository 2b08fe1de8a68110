"""All connections of one worker: let in up to a limit, swept for time limits, drained at last."""

import asyncio
import contextlib
import time

from gateway.proxy.downstream import Downstream
from gateway.proxy.services import Services

_DRAIN_LOOK_SECONDS = 0.25


class Connections:
    """The living connections."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._open: set[Downstream] = set()
        self._drained: asyncio.Event | None = None

    def accept(self) -> asyncio.Protocol:
        """The protocol of a connection that has just come in."""
        counters = self._services.observer.counters
        counters.connections_accepted += 1
        if len(self._open) >= self._services.limits.connections:
            return _TurnedAway(self._services)
        counters.connections_open += 1
        connection = Downstream(self._services, self._gone)
        self._open.add(connection)
        return connection

    def sweep(self) -> None:
        """Act on every time limit that is over."""
        now = time.monotonic()
        for connection in tuple(self._open):
            connection.check(now)
        self._services.pool.sweep(now)

    async def drain(self, seconds: float) -> None:
        """End the idle connections now, the others with their answer, and all of them in time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._open:
                    await self._drain_for_a_moment()
        for connection in tuple(self._open):
            connection.abort()

    async def _drain_for_a_moment(self) -> None:
        self._drained = asyncio.Event()
        now = time.monotonic()
        for connection in tuple(self._open):
            connection.drain()
            connection.check(now)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._drained.wait(), _DRAIN_LOOK_SECONDS)

    def _gone(self, connection: Downstream) -> None:
        self._open.discard(connection)
        self._services.observer.counters.connections_open -= 1
        if self._drained is not None and not self._open:
            self._drained.set()


class _TurnedAway(asyncio.Protocol):
    """A connection beyond the limit: closed at once, before it costs a handshake."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Close it."""
        peer = transport.get_extra_info("peername")
        address = str(peer[0]) if peer else "unknown"
        self._services.observer.log(
            "connection.refused", address, detail="limits.connections is reached"
        )
        transport.close()
