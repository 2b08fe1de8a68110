"""One refresh of an authority at a time, whichever process asks."""

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from gateway.errors import CrlError

_POLL_SECONDS = 0.05


@asynccontextmanager
async def exclusive(path: Path, *, timeout_seconds: float) -> AsyncIterator[None]:
    """Hold the lock file `path` alone; raises CrlError if another holds it for that long.

    It is asked for again and again rather than waited for, so that neither the event loop nor a
    thread that cannot be cancelled hangs on another process.
    """
    try:
        async with asyncio.timeout(timeout_seconds):
            descriptor = await _wait(path)
    except TimeoutError as error:
        raise CrlError(
            f"another process has been refreshing the same CRL for {timeout_seconds:g} s ({path})"
        ) from error
    try:
        yield
    finally:
        os.close(descriptor)


async def _wait(path: Path) -> int:
    while True:
        descriptor = _try(path)
        if descriptor is not None:
            return descriptor
        await asyncio.sleep(_POLL_SECONDS)


def _try(path: Path) -> int | None:
    """The descriptor of the lock, if it is free now."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Whoever forgets an authority removes the file: a lock on a file without a name is none.
        if os.fstat(descriptor).st_ino == path.stat().st_ino:
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None
