"""What the devices of a run saw, in memory that does not grow with its length."""

from collections import Counter, defaultdict
from typing import Any, Self

from bench.latencies import Latencies

SLICES = 120


class Slice:
    """A part of the time of a run.

    Attributes:
        held: the Pings under way at its end.
        answered: requests by command; `errors`: all that went wrong.
        latencies: of all commands but Ping.
    """

    def __init__(self) -> None:
        self.held = 0
        self.answered: Counter[str] = Counter()
        self.errors = 0
        self.latencies = Latencies()

    def merge(self, other: "Slice") -> None:
        """What others saw at the same time."""
        self.held += other.held
        self.answered.update(other.answered)
        self.errors += other.errors
        self.latencies.merge(other.latencies)

    def to_json(self) -> dict[str, Any]:
        """As `from_json` reads it."""
        return {
            "held": self.held,
            "answered": dict(self.answered),
            "errors": self.errors,
            "latencies": self.latencies.to_json(),
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """What `to_json` has written."""
        made = cls()
        made.held, made.errors = value["held"], value["errors"]
        made.answered = Counter(value["answered"])
        made.latencies = Latencies.from_json(value["latencies"])
        return made


class Seen:
    """All that was seen; `began` is the run's beginning on the monotonic clock.

    Attributes:
        seconds: how long the run is.
        held: Pings under way now.
        latencies: by command or kind of handshake; a Ping's is how late it was answered after its
            heartbeat, and one that told of mail has none.
        outcomes: how many Pings ended in which way.
        errors: by kind; `reconnects`: connections that were made anew, by cause.
        slices: the run in equal parts.
    """

    def __init__(self, began: float, seconds: float) -> None:
        self.seconds = seconds
        self.held = 0
        self.latencies: defaultdict[str, Latencies] = defaultdict(Latencies)
        self.outcomes: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.reconnects: Counter[str] = Counter()
        self.slices = [Slice() for _ in range(SLICES)]
        self._began = began
        self._noted = 0  # the first slice that `note_held` may still say something about

    @property
    def slice_seconds(self) -> float:
        """How long a slice is."""
        return self.seconds / len(self.slices)

    def slice_at(self, now: float) -> Slice:
        """The one that a moment is in; the first or last for one outside the run."""
        return self.slices[self._place(now)]

    def note_held(self, now: float) -> None:
        """So many Pings are held in this slice, and in those before that nobody looked at."""
        place = self._place(now)
        for one in self.slices[self._noted : place + 1]:
            one.held = self.held
        self._noted = place

    def _place(self, now: float) -> int:
        place = int((now - self._began) / self.slice_seconds)
        return min(max(place, 0), len(self.slices) - 1)

    def answered(self, command: str, now: float, seconds: float | None) -> None:
        """A request was served; `seconds` is its latency, where it has one."""
        current = self.slice_at(now)
        current.answered[command] += 1
        if seconds is None:
            return
        self.latencies[command].add(seconds)
        if command != "Ping":
            current.latencies.add(seconds)

    def failed(self, kind: str, now: float) -> None:
        """Something went wrong."""
        self.errors[kind] += 1
        self.slice_at(now).errors += 1

    def merge(self, other: "Seen") -> None:
        """What another process saw of the same run."""
        for name, latencies in other.latencies.items():
            self.latencies[name].merge(latencies)
        self.outcomes.update(other.outcomes)
        self.errors.update(other.errors)
        self.reconnects.update(other.reconnects)
        for mine, theirs in zip(self.slices, other.slices, strict=True):
            mine.merge(theirs)

    def total(self, command: str) -> int:
        """How many requests of that command were served."""
        return sum(one.answered[command] for one in self.slices)

    def to_json(self) -> dict[str, Any]:
        """As `from_json` reads it."""
        return {
            "seconds": self.seconds,
            "latencies": {name: one.to_json() for name, one in self.latencies.items()},
            "outcomes": dict(self.outcomes),
            "errors": dict(self.errors),
            "reconnects": dict(self.reconnects),
            "slices": [one.to_json() for one in self.slices],
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """What `to_json` has written."""
        made = cls(0.0, value["seconds"])
        for name, one in value["latencies"].items():
            made.latencies[name] = Latencies.from_json(one)
        made.outcomes = Counter(value["outcomes"])
        made.errors = Counter(value["errors"])
        made.reconnects = Counter(value["reconnects"])
        made.slices = [Slice.from_json(one) for one in value["slices"]]
        return made
