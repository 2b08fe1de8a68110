"""What a worker decides by, followed as it changes: the store and the CRL indexes."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from gateway.config import Config
from gateway.errors import StateError
from gateway.revocation.view import RevocationView
from gateway.store.follow import Follower
from gateway.store.snapshot import Snapshot
from gateway.store.store import open_store


@dataclass(frozen=True, slots=True)
class Known:
    """The store and the CRLs at one moment.

    Attributes:
        is_whole: False if the CRLs could not be read and are those of before.
    """

    snapshot: Snapshot
    revocation: RevocationView
    is_whole: bool = True


class Following:
    """Looks for news in one thread of its own, so that looks never overlap nor hold up a loop."""

    def __init__(self, config: Config) -> None:
        """Open the store; raises StateError."""
        self._config = config
        self._looked_by: Config | None = None
        self._store = open_store(config.state.directory, config.store, create=False)
        self._follower = Follower(self._store)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="follow")
        self._known: Known | None = None

    def reconfigure(self, config: Config) -> None:
        """The next poll goes by `config`, and has news; the store stays the same."""
        self._config = config

    async def poll(self) -> Known | None:
        """What is known now, or None if it is what the last poll gave.

        Raises StateError if it cannot be found out. A change of the store is not kept back because
        the CRLs cannot be read: it is told once, as what is not whole.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._look)

    async def close(self) -> None:
        """Look no more."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._thread, self._close)
        self._thread.shutdown()

    def _look(self) -> Known | None:
        old, config = self._known, self._config
        snapshot = self._follower.poll()
        if snapshot is None:
            if old is None:
                raise AssertionError("the first poll gives a snapshot")
            snapshot = old.snapshot
        try:
            known = self._with_crls(snapshot, config)
        except StateError:
            if old is None or snapshot is old.snapshot:
                raise
            # The follower tells it once: it must not be lost, nor a revocation wait for the CRLs.
            view = replace(old.revocation, authorities=tuple(snapshot.authorities.values()))
            self._known = known = Known(snapshot, view, is_whole=False)
            return known
        if known is old:
            return None
        self._known, self._looked_by = known, config
        return known

    def _with_crls(self, snapshot: Snapshot, config: Config) -> Known:
        """`snapshot` and the CRLs of now; the same as before if nothing is new."""
        old = self._known
        if (
            old is not None
            and old.is_whole
            and snapshot is old.snapshot
            and config is self._looked_by
            and old.revocation.is_current
        ):
            return old
        revocation = RevocationView.load(
            config.state.crl_directory,
            None if old is None else old.revocation,
            authorities=snapshot.authorities.values(),
            require_crl_validation=config.revocation.require_crl_validation,
        )
        return Known(snapshot, revocation)

    def _close(self) -> None:
        self._follower.close()
        self._store.close()
