"""What this worker counts for each key, and what all workers of the node do together."""

import heapq
from typing import Final

from gateway.limits.memory import Memory

ONE: Final = 1 << 32
"""What one request or connection adds to `Count.numbers`."""

HELD: Final = ONE + 1
"""What a request adds whose answer the mail server may keep back."""

HELD_MASK: Final = ONE - 1


class Count:
    """The entry of one key in this worker; shared by all its connections that have the key.

    Attributes:
        digest: of the key.
        numbers: requests under way of a device or mailbox, connections of a certificate or address,
            in the upper 32 bits; in the lower ones those of the requests that may be held. So both
            are read and written in one step, and added up over all workers in one.
        until: of a device or mailbox, when its requests so far are paid for; of a certificate or
            address, as long as it is known; monotonic seconds.
        before: `until` as it was before the last request.
        at: where it is in the memory, in words; -1 if that was full.
        home: where it would be in an empty region.
    """

    __slots__ = ("at", "before", "digest", "filed", "home", "numbers", "until", "users")

    def __init__(self, digest: int, home: int, at: int) -> None:
        self.digest = digest
        self.home = home
        self.at = at
        self.numbers = 0
        self.until = 0.0
        self.before = 0.0
        self.users = 0
        self.filed = False  # in the heap of those that may be idle


class Counts:
    """All keys of one worker.

    A key that finds no place in the memory is counted all the same, but by this worker alone: its
    limits hold for each worker then. Nobody is refused because the memory is full.

    Attributes:
        unshared: how many keys found no place.
        words: of the memory.
    """

    def __init__(self, memory: Memory) -> None:
        self.unshared = 0
        self._memory = memory
        self.words = memory.words
        self.moments = memory.moments
        self.others = memory.others
        self._known: dict[int, Count] = {}
        self._idle: list[tuple[float, int]] = []

    def __len__(self) -> int:
        """How many keys there are."""
        return len(self._known)

    def take(self, kind: str, *names: str) -> Count:
        """The entry of a key, kept until it is given back as often as it was taken."""
        digest = self._memory.digest(kind, *names)
        known = self._known.get(digest)
        if known is None:
            at = self._memory.add(digest)
            self.unshared += at < 0
            known = self._known[digest] = Count(digest, self._memory.home(digest), at)
        known.users += 1
        return known

    def give_back(self, count: Count) -> None:
        """One who took it needs it no more; what it says stays until its moment is over."""
        count.users -= 1
        if not count.users and not count.filed:
            count.filed = True
            heapq.heappush(self._idle, (count.until, count.digest))

    def sweep(self, now: float) -> None:
        """Free every entry that nobody has and whose moment is over."""
        idle = self._idle
        while idle and idle[0][0] <= now:
            _, digest = heapq.heappop(idle)
            count = self._known[digest]
            if count.users:
                count.filed = False
            elif count.until > now:
                heapq.heappush(idle, (count.until, digest))
            else:
                del self._known[digest]
                if count.at >= 0:
                    self._memory.remove(count.at)

    def tell(self, count: Count) -> None:
        """The other workers see what `count` says now."""
        at = count.at
        if at >= 0:
            self.words[at + 1] = count.numbers
            self.moments[at + 2] = count.until

    def elsewhere(self, count: Count) -> tuple[int, float]:
        """The `numbers` of the key in all other workers, and their latest `until`."""
        words, digest, home = self.words, count.digest, count.home
        numbers, until = 0, 0.0
        for region in self.others:
            at = region + home
            found = words[at]
            if found != digest:
                if not found:
                    continue
                at = self._memory.find(region, digest)
                if at < 0:
                    continue
            more, moment = words[at + 1], self.moments[at + 2]
            if words[at] == digest:  # else it was freed meanwhile, and the rest is another's
                numbers += more
                if moment > until:  # noqa: PLR1730 (max() takes three times as long)
                    until = moment
        return numbers, until
