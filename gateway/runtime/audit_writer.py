"""From decisions to rows: audit records are written in batches, off the event loop."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Final

import structlog

from gateway.errors import StateError
from gateway.telemetry.audit import AuditRecord

_log = structlog.get_logger()

BATCH: Final = 500
FLUSH_SECONDS: Final = 1.0
MOST_WAITING: Final = 20_000
"""Records kept while the store cannot be written, about 20 MB of them."""


class AuditWriter:
    """Calls `write` in a thread with what was added, in order; a failed batch is tried again.

    Attributes:
        dropped: records that found `MOST_WAITING` others before them.
    """

    def __init__(self, write: Callable[[Sequence[AuditRecord]], None]) -> None:
        self.dropped = 0
        self._write = write
        self._waiting: deque[AuditRecord] = deque()
        self._wake = asyncio.Event()
        self._closing = False

    def add(self, record: AuditRecord) -> None:
        """The record is written within about `FLUSH_SECONDS`, or counted as dropped."""
        if len(self._waiting) >= MOST_WAITING:
            self.dropped += 1
            return
        self._waiting.append(record)
        if len(self._waiting) >= BATCH:
            self._wake.set()

    def close(self) -> None:
        """`run` writes what waits, as far as the store takes it, and returns."""
        self._closing = True
        self._wake.set()

    async def run(self) -> None:
        """Write until `close`; never cancel it, as a batch under way would be written twice."""
        while not self._closing:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), FLUSH_SECONDS)
            written = await self._flush()
            if not self._closing:
                self._wake.clear()
                await asyncio.sleep(0 if written else FLUSH_SECONDS)

    async def _flush(self) -> bool:
        """Write all that waits; False if the store refused, and then the rest still waits."""
        while self._waiting:
            batch = list(islice(self._waiting, BATCH))
            try:
                await asyncio.to_thread(self._write, batch)
            except StateError as error:
                _log.error("audit.unwritten", waiting=len(self._waiting), detail=str(error))
                return False
            for _ in batch:
                self._waiting.popleft()
        return True
