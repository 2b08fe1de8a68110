"""When a simulated device does what: no sockets, no clock, and chance from outside.

The times are those of real phones, in seconds of the device's own life; `pace` makes of them
seconds of the run. What a server says in seconds, in Retry-After, is real time at any pace.
"""

from dataclasses import dataclass
from random import Random

_UNAVAILABLE, _FORBIDDEN = 503, 403
_JITTER = 0.25
_MOST_RETRY_AFTER = 3600.0


@dataclass(frozen=True)
class Habits:
    """What the devices of a run have in common.

    Attributes:
        pace: seconds of a device's life that pass in one second.
        first_heartbeat, heartbeat_step, last_heartbeat: of a Ping, in seconds of its life. It grows
            by a step with each Ping that lasts, as phones feel for what the network bears.
        network_change: how long a device keeps its network on average.
        lingering: how long a connection that a device has left without a word stays open.
        burst: the most Syncs in a row that a change leads to.
        first_wait, last_wait: between attempts after failures, doubling each time.
    """

    pace: float = 60.0
    first_heartbeat: float = 480.0
    heartbeat_step: float = 300.0
    last_heartbeat: float = 1770.0
    network_change: float = 1800.0
    lingering: float = 240.0
    burst: int = 4
    first_wait: float = 15.0
    last_wait: float = 900.0


class Life:
    """The state of one device's habits; all answers are in seconds of the run."""

    def __init__(self, habits: Habits, random: Random) -> None:
        self._habits = habits
        self._random = random
        self._heartbeat = habits.first_heartbeat
        self._failures = 0

    @property
    def heartbeat(self) -> int:
        """Whole seconds, for the next Ping."""
        return max(1, round(self._heartbeat / self._habits.pace))

    @property
    def lingering(self) -> float:
        """How long to leave a connection open that is used no more."""
        return self._habits.lingering / self._habits.pace

    def until_network_change(self) -> float:
        """When the device changes its network next, from now."""
        return self._random.expovariate(self._habits.pace / self._habits.network_change)

    def syncs(self) -> int:
        """How many Syncs the next change leads to."""
        return self._random.randint(1, self._habits.burst)

    def ping_lasted(self) -> None:
        """The network bore a Ping of this heartbeat: try a longer one."""
        longer = self._heartbeat + self._habits.heartbeat_step
        self._heartbeat = min(longer, self._habits.last_heartbeat)

    def ping_broke(self) -> None:
        """The connection ended under a Ping: the network does not bear it that long."""
        shorter = self._heartbeat - self._habits.heartbeat_step
        self._heartbeat = max(shorter, self._habits.first_heartbeat)

    def answered(self) -> None:
        """A request was served."""
        self._failures = 0

    def wait_after_loss(self) -> float:
        """Before another attempt, when there was no answer; the first one is made at once."""
        self._failures += 1
        return 0.0 if self._failures == 1 else self._pause()

    def wait_after(self, status: int, retry_after: int | None) -> float:
        """Before another attempt, after an answer that refuses.

        Never before Retry-After is over; after it, devices do not all come at once.
        """
        self._failures += 1
        if status == _UNAVAILABLE and retry_after is not None:
            stated = min(float(retry_after), _MOST_RETRY_AFTER)
            return stated + self._random.uniform(0.0, max(1.0, stated * _JITTER))
        if status == _FORBIDDEN:
            self._failures = max(self._failures, 3)  # nothing that passes soon
        return self._pause()

    def _pause(self) -> float:
        habits = self._habits
        longest = min(habits.first_wait * 2.0 ** min(self._failures, 20), habits.last_wait)
        return self._random.uniform(longest / 2, longest) / habits.pace
