"""The hosts of one upstream: which are up, and which of them a mailbox is served by."""

import asyncio
from collections.abc import Callable, Sequence
from hashlib import blake2b
from http import HTTPStatus
from typing import Final

from gateway.config_upstream import Upstream
from gateway.errors import UpstreamError
from gateway.proxy.fetch import Fetch, Fetched
from gateway.proxy.upstream import UpstreamPool
from gateway.tasks import Tasks

_MOST_KEYS: Final = 20_000
_ANSWER_SECONDS: Final = 10.0
_ANSWER_BYTES: Final = 64 * 1024

Changed = Callable[[str, bool, str], None]
"""Told of a host's URL, whether it is up, and why not."""


class UpstreamHosts:
    """A pool for each host.

    A mailbox stays with one host as long as that is up: a Sync or Ping without a body means what
    the server remembers (MS-ASCMD sections 2.2.1.13, 2.2.1.21). A host is down from the first
    failed connect or check until the next that goes well. If all are down, all are tried.
    """

    def __init__(self, settings: Upstream, tasks: Tasks, changed: Changed) -> None:
        """Raises ConfigError. The pools spawn their connections in `tasks`."""
        self.pools = tuple(UpstreamPool(settings, tasks, url=url) for url in settings.hosts)
        self._settings = settings
        self._changed = changed
        self._down: set[UpstreamPool] = set()
        self._orders: dict[str, tuple[UpstreamPool, ...]] = {}
        for pool in self.pools:
            pool.tried = self._told_of(pool)

    def order(self, mailbox_key: str) -> Sequence[UpstreamPool]:
        """The hosts for this mailbox, the one that should serve it first."""
        if len(self.pools) == 1:
            return self.pools
        known = self._orders.get(mailbox_key)
        if known is None:
            if len(self._orders) >= _MOST_KEYS:
                self._orders.clear()
            known = self._orders[mailbox_key] = self._order(mailbox_key)
        return known

    def is_up(self, pool: UpstreamPool) -> bool:
        """Whether requests go to this host first."""
        return pool not in self._down

    async def resolve(self) -> None:
        """As `UpstreamPool.resolve`, of all hosts; raises UpstreamError if none has an address."""
        failures = [error for pool in self.pools if (error := await _resolve(pool)) is not None]
        if len(failures) == len(self.pools):
            raise failures[0]

    async def keep(self) -> None:
        """Resolve names and look at hosts again and again, for as long as the worker lives."""
        await asyncio.gather(self._watch(), *(pool.keep_resolved() for pool in self.pools))

    async def check(self, pool: UpstreamPool) -> None:
        """Ask a host for OPTIONS (MS-ASHTTP section 2.2.3); any answer below 500 is one."""
        future: asyncio.Future[Fetched | UpstreamError] = asyncio.get_running_loop().create_future()
        head = b"OPTIONS %b HTTP/1.1\r\n" % self._settings.path.encode()
        fetch = Fetch([pool], (head, b""), limit=_ANSWER_BYTES, done=future.set_result)
        fetch.begin()
        try:
            async with asyncio.timeout(self._settings.connect_timeout_seconds + _ANSWER_SECONDS):
                answer = await future
        except TimeoutError:
            answer = UpstreamError(f"{pool.url}: no answer to OPTIONS in time")
        finally:
            fetch.cancel()
        if isinstance(answer, UpstreamError):
            self._note(pool, str(answer))
        elif answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            self._note(pool, f"{pool.url} answers OPTIONS with {answer.status}")
        else:
            self._note(pool, None)

    def sweep(self, now: float) -> None:
        """Close connections that have been idle for long enough; `now` is monotonic seconds."""
        for pool in self.pools:
            pool.sweep(now)

    def close(self) -> None:
        """Close what is idle."""
        for pool in self.pools:
            pool.close()

    async def _watch(self) -> None:
        """Look at what is down, and at all where there is a choice."""
        while True:
            await asyncio.sleep(self._settings.health_check_seconds)
            due = self.pools if len(self.pools) > 1 else tuple(self._down)
            await asyncio.gather(*map(self.check, due))

    def _order(self, mailbox_key: str) -> tuple[UpstreamPool, ...]:
        """By rendezvous: who has another host after one went down had that one before."""

        def rank(pool: UpstreamPool) -> tuple[bool, bytes]:
            weight = blake2b(f"{mailbox_key}\0{pool.url}".encode(), digest_size=8).digest()
            return self.is_up(pool), weight

        return tuple(sorted(self.pools, key=rank, reverse=True))

    def _told_of(self, pool: UpstreamPool) -> Callable[[UpstreamError | None], None]:
        def tried(error: UpstreamError | None) -> None:
            # One that can be connected to may still answer 503 to all: only `check` finds it up.
            if error is not None:
                self._note(pool, str(error))

        return tried

    def _note(self, pool: UpstreamPool, problem: str | None) -> None:
        up = problem is None
        if up == self.is_up(pool):
            return
        if up:
            self._down.discard(pool)
        else:
            self._down.add(pool)
        self._orders.clear()
        self._changed(pool.url, up, problem or "")


async def _resolve(pool: UpstreamPool) -> UpstreamError | None:
    try:
        await pool.resolve()
    except UpstreamError as error:
        return error
    return None
