"""What the control process knows of the store: who is trusted, and whether somebody was revoked."""

import asyncio
from collections.abc import Callable, Hashable, Sequence
from typing import Final

import structlog

from gateway.core.authority import Authority, AuthorityType
from gateway.errors import StateError
from gateway.store.schema import ChangeKind
from gateway.store.store import Store

_log = structlog.get_logger()

POLL_SECONDS: Final = 0.5
CLOCK_SECONDS: Final = 60.0
CLOCK_LIMIT_SECONDS: Final = 1.0

_CALL_FOR_CRLS: Final = frozenset({ChangeKind.TOKEN_VALID_FROM, ChangeKind.STORE})


class StoreWatch:
    """Looks at `store` in a thread, again and again.

    Attributes:
        authorities: the records as of the last look that succeeded.
        ahead: how many seconds the store's clock is ahead of this machine's; None: not asked yet.
        failure: why the last look failed, one sentence; None if it did not.
    """

    def __init__(self, store: Store) -> None:
        self.authorities: Sequence[Authority] = ()
        self.failure: str | None = "the store has not been read yet"
        self.ahead: float | None = None
        self._store = store
        self._commits = store.database.watch()
        self._place: Hashable = None
        self._change_id: int | None = None

    @property
    def obstacle(self) -> str:
        """Why workers that go by the store let nobody in, one sentence."""
        if self.failure is not None:
            return self.failure
        if not any(one.authority_type is AuthorityType.ROOT for one in self.authorities):
            return "no root CA is known"
        return "it has not been able to read the store and the CRLs for state.max_staleness_seconds"

    async def run(self, *, revoked: Callable[[], None]) -> None:
        """Look until cancelled, and call `revoked` when a token-valid-from may be another.

        It keeps a phone out until a CRL is newer than it, so that the next CRL is wanted at once.
        """
        while True:
            if await self.look():
                revoked()
            await asyncio.sleep(POLL_SECONDS)

    def close(self) -> None:
        """No connection is held; to be called when nothing looks any more."""
        self._commits.close()

    async def compare_clocks(self) -> None:
        """Ask for the store's time again and again, until cancelled.

        A revocation bears the time of the store: a clock that is wrong moves it.
        """
        while True:
            await self.compare()
            await asyncio.sleep(CLOCK_SECONDS)

    async def compare(self) -> None:
        """`ahead` is as of now, unless the store cannot be asked."""
        try:
            difference = await asyncio.to_thread(self._store.clock_difference)
        except StateError:
            return  # `look` says so
        self.ahead = difference.total_seconds()
        if abs(self.ahead) > CLOCK_LIMIT_SECONDS:
            _log.warning("store.clock_differs", seconds=round(self.ahead, 3))

    async def look(self) -> bool:
        """`authorities` and `failure` are as of now; True if a token-valid-from may have changed.

        That is so after the change of one, and after one of the whole store, such as a restore.
        """
        try:
            changed = await asyncio.to_thread(self._read)
        except StateError as error:
            if self.failure != str(error):
                _log.error("store.unreadable", detail=str(error))
            self.failure = str(error)
            return False
        self.failure = None
        return changed

    def _read(self) -> bool:
        with self._store.database.errors("read"):
            place, _ = self._commits.look()
        if self._place not in (None, place):
            # Another database took the place of the store, and connections lead to the old one.
            self._store.database.forget_connections()
            self._change_id = 0
        self._place = place
        now, kinds = self._store.changes_since(self._change_id)
        self.authorities = self._store.authorities.list()
        self._change_id = now
        return not kinds.isdisjoint(_CALL_FOR_CRLS)
