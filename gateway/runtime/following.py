"""What a worker decides by, followed as it changes: the store and the CRL indexes."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from gateway.config import Config
from gateway.revocation.view import RevocationView
from gateway.store.follow import Follower
from gateway.store.snapshot import Snapshot
from gateway.store.store import open_store


@dataclass(frozen=True, slots=True)
class Known:
    """The store and the CRLs at one moment."""

    snapshot: Snapshot
    revocation: RevocationView


class Following:
    """Looks for news in one thread of its own, so that looks never overlap nor hold up a loop."""

    def __init__(self, config: Config) -> None:
        """Open the store; raises StateError."""
        self._config = config
        self._looked_by: Config | None = None
        self._store = open_store(config.state.directory, config.store)
        self._follower = Follower(self._store)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="follow")
        self._known: Known | None = None

    def reconfigure(self, config: Config) -> None:
        """The next poll goes by `config`, and has news; the store stays the same."""
        self._config = config

    async def poll(self) -> Known | None:
        """What is known now, or None if it is what the last poll gave; raises StateError."""
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
        same = config is self._looked_by and snapshot is None
        if old is not None and same and old.revocation.is_current:
            return None
        previous = None if old is None else old.revocation
        if snapshot is None:
            if old is None:
                raise AssertionError("the first poll gives a snapshot")
            snapshot = old.snapshot
        revocation = RevocationView.load(
            config.state.crl_directory,
            previous,
            authorities=snapshot.authorities.values(),
            require_crl_validation=config.revocation.require_crl_validation,
        )
        self._known, self._looked_by = Known(snapshot, revocation), config
        return self._known

    def _close(self) -> None:
        self._follower.close()
        self._store.close()
