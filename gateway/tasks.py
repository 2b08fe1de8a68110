"""The one place where asyncio tasks begin."""

import asyncio
from collections.abc import Callable, Coroutine

import structlog

_log = structlog.get_logger()


class Tasks:
    """Tasks of one owner: each is named, kept alive, and its failure is logged.

    asyncio itself keeps only weak references to tasks; one that nobody holds can vanish half-way.
    """

    def __init__(self, *, failed: Callable[[], None] | None = None) -> None:
        """`failed` is called, after the log line, for each task that ends by an exception."""
        self._failed = failed
        self._running: set[asyncio.Task[None]] = set()

    def spawn(self, work: Coroutine[object, object, None], *, name: str) -> asyncio.Task[None]:
        """Start `work`; it is held until it ends, and logged if it fails."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._running.add(task)
        task.add_done_callback(self._ended)
        return task

    async def close(self) -> None:
        """Cancel what still runs and wait until all of it has ended."""
        for task in tuple(self._running):
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("task.failed", task=task.get_name(), error=repr(error), exc_info=error)
            if self._failed is not None:
                self._failed()
