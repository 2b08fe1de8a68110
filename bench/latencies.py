"""Durations without number in bounded memory, and their percentiles to within five percent."""

import math
from collections import Counter
from typing import Self

_LEAST_SECONDS = 1e-5
_STEP = math.log(1.05)
_MOST_BUCKETS = 500  # up to 100 hours


class Latencies:
    """How many durations there were in each of a row of ranges, the next 5 % wider than the last.

    Two of them can be merged; what is read from `to_json` is the same again.

    Attributes:
        buckets: how many by the number of the range.
        longest: seconds, exactly.
    """

    def __init__(self) -> None:
        self.buckets: Counter[int] = Counter()
        self.longest = 0.0

    def add(self, seconds: float) -> None:
        """One more; a negative one counts as none at all."""
        self.buckets[_bucket(seconds)] += 1
        self.longest = max(self.longest, seconds)

    def merge(self, other: "Latencies") -> None:
        """All of `other`, too."""
        self.buckets.update(other.buckets)
        self.longest = max(self.longest, other.longest)

    @property
    def count(self) -> int:
        """How many there are."""
        return self.buckets.total()

    def percentile(self, percent: float) -> float:
        """Seconds that as many percent do not exceed, or up to 5 % more; 0 if there are none."""
        left = self.count * percent / 100
        for bucket in sorted(self.buckets):
            left -= self.buckets[bucket]
            if left <= 0:
                return min(_upper(bucket), self.longest)
        return self.longest

    def to_json(self) -> dict[str, object]:
        """As `from_json` reads it."""
        return {"longest": self.longest, "buckets": sorted(self.buckets.items())}

    @classmethod
    def from_json(cls, value: dict[str, object]) -> Self:
        """What `to_json` of another process has written."""
        made = cls()
        made.buckets.update(dict(value["buckets"]))  # type: ignore[call-overload]  # pairs, from JSON
        made.longest = float(str(value["longest"]))
        return made


def _bucket(seconds: float) -> int:
    if seconds <= _LEAST_SECONDS:
        return 0
    return min(math.ceil(math.log(seconds / _LEAST_SECONDS) / _STEP), _MOST_BUCKETS)


def _upper(bucket: int) -> float:
    return _LEAST_SECONDS * math.exp(bucket * _STEP)
