"""Short messages from worker to worker: a new Ping of a device ends the old one elsewhere.

Each worker has a pipe that all others write into; the supervisor holds both ends of every one, so
that the next worker of a number hears what the one before it missed. A full pipe refuses at once.
"""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable, Sequence
from typing import Final

from gateway.telemetry.channel import open_channel

_MESSAGE: Final = struct.Struct("=Qd")
_AT_ONCE: Final = 100


class Pipes:
    """The supervisor's side: one pipe a worker.

    Attributes:
        hearing: the descriptors that workers read, in their order.
        saying: those that they write.
    """

    def __init__(self, workers: int) -> None:
        self._ends = [open_channel() for _ in range(workers)]
        self.hearing = tuple(reading.fileno() for reading, _ in self._ends)
        self.saying = tuple(writing.fileno() for _, writing in self._ends)

    def close(self) -> None:
        """Close all of them."""
        for reading, writing in self._ends:
            reading.close()
            writing.close()


class Bus:
    """A worker's side.

    Attributes:
        dropped: messages that found a full pipe.
    """

    def __init__(self, hearing: int, saying: Sequence[int]) -> None:
        """`hearing` is this worker's end, `saying` are those of the others."""
        self.dropped = 0
        self._hearing = socket.socket(fileno=hearing)
        self._saying = tuple(socket.socket(fileno=fd) for fd in saying)
        for one in (self._hearing, *self._saying):
            one.setblocking(False)

    def send(self, digest: int, moment: float) -> None:
        """Tell all others of the newer Ping of a device; does not block."""
        data = _MESSAGE.pack(digest, moment)
        for one in self._saying:
            try:
                one.send(data)
            except OSError:  # full, or nobody will ever read it: dropped either way
                self.dropped += 1

    def hear(self, take: Callable[[int, float], None]) -> None:
        """From now on `take` gets the digest and moment of every message."""

        def readable() -> None:
            with contextlib.suppress(BlockingIOError):
                for _ in range(_AT_ONCE):
                    data = self._hearing.recv(_MESSAGE.size)
                    if len(data) != _MESSAGE.size:
                        asyncio.get_running_loop().remove_reader(self._hearing)
                        return
                    take(*_MESSAGE.unpack(data))

        asyncio.get_running_loop().add_reader(self._hearing, readable)

    def close(self) -> None:
        """Close the descriptors."""
        for one in (self._hearing, *self._saying):
            one.close()
