"""When a worker has too much to do: who is new waits, so that known phones go on."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from gateway.config_limits import Limits

CALM_SECONDS: Final = 5.0
"""Without a cause for so long, nobody is refused any more."""

LEARNING_SECONDS: Final = 300.0
"""A worker that has just begun knows nobody: all its phones come back then, and it serves them as
they come."""

_FULL = 0.9


@dataclass(frozen=True, slots=True)
class Load:
    """What a worker has to do at this moment.

    Attributes:
        lag: seconds by which its event loop was late last.
        connections: that are open.
        handshakes: connections that have not ended their handshake.
    """

    lag: float
    connections: int
    handshakes: int


class Shedding:
    """Whether a worker has too much to do.

    Attributes:
        on: that is so, and unknown phones are refused.
    """

    def __init__(self, say: Callable[[str, str], None], *, learned: float) -> None:
        """`say` takes an event and its detail; `learned` is when to begin, monotonic seconds."""
        self.on = False
        self._say = say
        self._learned = learned
        self._last = 0.0

    def look(self, load: Load, limits: Limits, now: float) -> None:
        """To be called each second."""
        cause = _cause(load, limits) if now >= self._learned else None
        if cause is not None:
            self._last = now
            if not self.on:
                self.on = True
                self._say("overload.began", cause)
        elif self.on and now - self._last >= CALM_SECONDS:
            self.on = False
            self._say("overload.ended", f"no cause for {CALM_SECONDS:g} s")


def _cause(load: Load, limits: Limits) -> str | None:
    lag, handshakes = limits.shed_loop_lag_seconds, limits.shed_handshakes
    if lag and load.lag >= lag:
        return f"the event loop is {load.lag:.2f} s late (limits.shed_loop_lag_seconds)"
    if handshakes and load.handshakes >= handshakes:
        return f"{load.handshakes} handshakes are under way (limits.shed_handshakes)"
    if load.connections >= limits.connections * _FULL:
        return f"{load.connections} connections are open (nine tenths of limits.connections)"
    return None
