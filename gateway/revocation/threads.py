"""Work off the event loop that is never left behind half-way."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")


async def in_thread(work: Callable[[], _T]) -> _T:
    """What `work` returns, done in a thread.

    A thread cannot be cancelled: if the caller is, this returns only once `work` has ended, so that
    a lock the caller holds covers all of it.
    """
    task = asyncio.get_running_loop().run_in_executor(None, work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise
