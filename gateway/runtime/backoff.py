"""How long a process that died waits for its next start."""

from typing import Final

LONGEST_SECONDS: Final = 30.0
STABLE_SECONDS: Final = 60.0
"""A process that ran this long was well; its next death is a first one."""


class Backoff:
    """0, 1, 2, 4, .. seconds, at most `LONGEST_SECONDS`."""

    def __init__(self) -> None:
        self._next = 0.0

    def delay(self, uptime: float) -> float:
        """Seconds to wait after a death; `uptime` is how long the process had run, in seconds."""
        if uptime >= STABLE_SECONDS:
            self._next = 0.0
        delay = self._next
        self._next = min(max(1.0, delay * 2), LONGEST_SECONDS)
        return delay
