"""The memory in which the workers of a node count together, without a lock.

Every worker has a region of its own, which it alone writes and all read. A region is a hash table
with open addressing; an entry is a 64-bit digest, a number and a moment. The digest is keyed with a
secret of this start, so that nobody outside can choose names that meet in one place, and two
entries are told apart by all of its bits.

The supervisor makes the memory before the workers, and clears the region of one that has ended. So
the counts of a worker that was killed are gone before the next one begins.
"""

import mmap
import os
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

PROBES: Final = 16
"""An entry lies at most so many places behind its own one."""

WORDS: Final = 3
"""Of an entry, 8 bytes each: the digest, the numbers, and a moment."""

EMPTY: Final = 0
FREED: Final = 1
_WORD_BYTES = 8
_KEY_BYTES = 16
_HEAD_WORDS = 8
_FEWEST, _MOST = 1024, 2 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Layout:
    """Where things are, in words of 8 bytes.

    Attributes:
        workers: how many regions there are.
        places: of each region; a power of two.
    """

    workers: int
    places: int

    @classmethod
    def fitting(cls, *, workers: int, connections: int) -> "Layout":
        """For workers that have so many connections each.

        A connection has up to four entries (device, mailbox, certificate, address), and a table
        that is more than half full is slow.
        """
        wanted = min(max(connections * 8, _FEWEST), _MOST)
        return cls(workers, 1 << (wanted - 1).bit_length())

    @property
    def region_words(self) -> int:
        """Of one worker; there is no way round from the end to the beginning."""
        return (self.places + PROBES) * WORDS

    @property
    def size(self) -> int:
        """Of the whole memory, in bytes; what is never touched costs nothing."""
        return (_HEAD_WORDS + self.workers * self.region_words) * _WORD_BYTES

    def region(self, worker: int) -> int:
        """The first word of the region of `worker`, which is 1 or more."""
        return _HEAD_WORDS + (worker - 1) * self.region_words


class NodeMemory:
    """The supervisor's side.

    Attributes:
        fd: the file that the workers inherit.
        layout: of it.
    """

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.fd = os.memfd_create("limits")
        os.ftruncate(self.fd, layout.size)
        os.pwrite(self.fd, os.urandom(_KEY_BYTES), 0)

    def clear(self, worker: int) -> None:
        """Nothing is counted for `worker`, which must not run."""
        nothing = bytes(self.layout.region_words * _WORD_BYTES)
        os.pwrite(self.fd, nothing, self.layout.region(worker) * _WORD_BYTES)

    def close(self) -> None:
        """Close the descriptor."""
        os.close(self.fd)


class Memory:
    """A worker's side.

    Attributes:
        words: all of it as unsigned numbers; each is read and written in one step.
        moments: the same memory as floating-point numbers.
        own: the first word of this worker's region.
        others: the first words of the others'.
    """

    def __init__(self, fd: int, layout: Layout, worker: int) -> None:
        self._map = mmap.mmap(fd, layout.size)
        whole = memoryview(self._map)
        self._key = bytes(whole[:_KEY_BYTES])
        self._mask = layout.places - 1
        self.words = whole.cast("Q")
        self.moments = whole.cast("d")
        self.own = layout.region(worker)
        self._end = self.own + layout.region_words
        everybody = range(1, layout.workers + 1)
        self.others = tuple(layout.region(one) for one in everybody if one != worker)

    def digest(self, kind: str, *names: str) -> int:
        """Of a key, the same in all workers; never EMPTY or FREED."""
        text = "\0".join((kind, *names)).encode("utf-8", "surrogatepass")
        found = int.from_bytes(blake2b(text, key=self._key, digest_size=8).digest())
        return found if found > FREED else found + 2

    def home(self, digest: int) -> int:
        """The place of an entry in a region, in words."""
        return (digest & self._mask) * WORDS

    def find(self, region: int, digest: int) -> int:
        """The first word of the entry in that region; -1 where it has none."""
        words = self.words
        start = region + self.home(digest)
        for at in range(start, start + PROBES * WORDS, WORDS):
            found = words[at]
            if found == digest:
                return at
            if found == EMPTY:
                break
        return -1

    def add(self, digest: int) -> int:
        """Make an entry of zeros in the own region, which has none of it; -1 if there is no place.

        The zeros are there before the digest is, so that nobody reads what is another's.
        """
        words = self.words
        start = self.own + self.home(digest)
        for at in range(start, start + PROBES * WORDS, WORDS):
            if words[at] <= FREED:
                words[at + 1] = words[at + 2] = 0
                words[at] = digest
                return at
        return -1

    def remove(self, at: int) -> None:
        """Free the entry there, of the own region.

        Its place stays in the way of those behind it, unless there are none.
        """
        words, last = self.words, at + WORDS
        if last < self._end and words[last] != EMPTY:
            words[at] = FREED
            return
        words[at] = EMPTY
        while at > self.own and words[at - WORDS] == FREED:
            at -= WORDS
            words[at] = EMPTY
