"""All connections of one worker: let in, judged again, swept for time limits, drained at last."""

import asyncio
import contextlib
import time

from gateway.core.difference import Difference
from gateway.proxy.downstream import Downstream
from gateway.proxy.index import ConnectionIndex, Key
from gateway.proxy.judge import Directory, RevocationLookup, difference
from gateway.proxy.services import Services
from gateway.proxy.slices import Slices

_DRAIN_LOOK_SECONDS = 0.25


class Connections:
    """The living connections."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._open: set[Downstream] = set()
        self._index: ConnectionIndex[Downstream] = ConnectionIndex()
        self._drained: asyncio.Event | None = None
        self._follows = False

    def accept(self) -> asyncio.Protocol:
        """The protocol of a connection that has just come in."""
        counters = self._services.observer.counters
        counters.connections_accepted += 1
        if len(self._open) >= self._services.limits.connections:
            return _TurnedAway(self._services)
        counters.connections_open += 1
        connection = Downstream(self._services, self)
        self._open.add(connection)
        return connection

    def find(self, key: Key) -> frozenset[Downstream]:
        """The connections of a mailbox, certificate or device, if it has been let in."""
        return self._index.find(key)

    def file(self, connection: Downstream, keys: tuple[Key, ...]) -> None:
        """From now on find `connection` under `keys`."""
        if connection in self._open:
            self._index.file(connection, keys)

    async def follow(self, directory: Directory, revocation: RevocationLookup) -> Difference:
        """Decide by these from now on; whom the change concerns has been judged again on return.

        Nobody else notices: what was decided about them holds on. The work is done in slices, and
        a request that comes between two of them is judged by the new facts all the same.
        """
        judge = self._services.judge
        before, known, epoch = judge.available, judge.known, judge.epoch
        self._follows = True
        judge.update(directory, revocation)
        change = await asyncio.to_thread(difference, known, judge.known)
        await self._judge_again(change, epoch if before else None, judge.epoch)
        self._follows = False
        return change

    async def judge_over(self) -> None:
        """Requests under way have been judged again on return if their verdict does not stand.

        The time of a CRL or a certificate may be over, the rules may be others, or nothing may have
        been heard of the store for too long. Idle connections are judged at their next request.
        """
        slices = Slices()
        for connection in tuple(self._open):
            if self._follows:
                return  # until it is done, the verdicts that stand are of two epochs
            if connection.is_over:
                connection.judge_again()
                await slices.pause()

    async def _judge_again(self, change: Difference, before: int | None, after: int) -> None:
        """Those first who have to go, then all whose verdict might be another.

        `before` and `after` are the judge's epochs; None: no verdict before holds on.
        """
        slices = Slices()
        for connection in self._index.touched(change):
            connection.judge_again()
            await slices.pause()
        if change.issuers:
            for connection in tuple(self._open):
                verdicts = connection.verdicts
                if verdicts is not None and verdicts.is_in_doubt(change.issuers):
                    connection.judge_again()
                await slices.pause()
        renewed = before is None or change.everything or bool(change.issuers)
        for connection in tuple(self._open):
            verdicts = connection.verdicts
            if verdicts is not None and (renewed or not verdicts.keep(before, after)):
                connection.judge_again()
            await slices.pause()

    def sweep(self) -> None:
        """Act on every time limit that is over."""
        now = time.monotonic()
        for connection in tuple(self._open):
            connection.check(now)
        self._services.upstreams.sweep(now)

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

    def gone(self, connection: Downstream) -> None:
        """A connection has ended."""
        self._open.discard(connection)
        self._index.forget(connection)
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
        self._services.observer.connection_refused(
            "connections", address, "limits.connections is reached"
        )
        transport.close()
