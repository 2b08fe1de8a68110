"""Long work on the event loop, cut into slices between which everything else goes on."""

import asyncio
import time

_SLICE_SECONDS = 0.004


class Slices:
    """Gives way to the rest of the loop when a slice of the work has taken its time."""

    __slots__ = ("_ends",)

    def __init__(self) -> None:
        self._ends = time.perf_counter() + _SLICE_SECONDS

    async def pause(self) -> None:
        """Returns at once, or after the loop has done what has come meanwhile."""
        if time.perf_counter() >= self._ends:
            await asyncio.sleep(0)
            self._ends = time.perf_counter() + _SLICE_SECONDS
