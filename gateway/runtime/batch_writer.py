"""From messages to rows: what is to be stored is written in batches, off the event loop."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Final, Generic, TypeVar

import structlog

from gateway.errors import StateError

_log = structlog.get_logger()
_Item = TypeVar("_Item")

BATCH: Final = 500
FLUSH_SECONDS: Final = 1.0
MOST_WAITING: Final = 20_000
"""Items kept while the store cannot be written; about 20 MB of audit records."""


class BatchWriter(Generic[_Item]):
    """Calls `write` in a thread with what was added, in order; a failed batch is tried again.

    `write` stores a whole batch or raises StateError. `name` stands in the log.

    Attributes:
        dropped: items that found `MOST_WAITING` others before them.
    """

    def __init__(self, name: str, write: Callable[[Sequence[_Item]], None]) -> None:
        self.dropped = 0
        self._name = name
        self._write = write
        self._waiting: deque[_Item] = deque()
        self._wake = asyncio.Event()
        self._closing = False

    def add(self, item: _Item) -> None:
        """The item is written within about `FLUSH_SECONDS`, or counted as dropped."""
        if len(self._waiting) >= MOST_WAITING:
            self.dropped += 1
            return
        self._waiting.append(item)
        if len(self._waiting) >= BATCH:
            self._wake.set()

    def close(self) -> None:
        """`run` writes what waits, as far as the store takes it, and returns."""
        self._closing = True
        self._wake.set()

    async def run(self) -> None:
        """Write until `close`; never cancel it, as a batch under way would be written twice."""
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), FLUSH_SECONDS)
            written = await self._flush()
            if self._closing:
                return
            self._wake.clear()
            if not written:
                await asyncio.sleep(FLUSH_SECONDS)

    async def _flush(self) -> bool:
        """Write all that waits; False if the store refused, and then the rest still waits."""
        while self._waiting:
            batch = list(islice(self._waiting, BATCH))
            try:
                await asyncio.to_thread(self._write, batch)
            except StateError as error:
                detail, waiting = str(error), len(self._waiting)
                _log.error("store.unwritten", what=self._name, waiting=waiting, detail=detail)
                return False
            for _ in batch:
                self._waiting.popleft()
        return True
