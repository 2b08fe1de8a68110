"""The pipe from the workers to the control process: bounded, and nothing is lost in silence.

It is a pair of SOCK_SEQPACKET sockets. Every message is whole or not there, any number of workers
share the writing end, and a full pipe refuses at once. The supervisor keeps both ends open, so that
what was sent waits for the next control process when one dies.
"""

import asyncio
import json
import socket
from collections import deque
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, Final

LARGEST_MESSAGE: Final = 64 * 1024
"""In bytes of JSON; a third of what Linux lets wait in such a socket by default."""

MOST_WAITING: Final = 10_000
"""Messages that wait in a process for room in the pipe; about 6 MB."""

_AT_ONCE = 100
_GATHER_SECONDS = 0.02
_encode: Final = json.JSONEncoder(separators=(",", ":")).encode  # json.dumps makes one each time
_WANTED_BUFFER = 4 * 1024 * 1024
"""Linux gives at most net.core.wmem_max of it."""


def open_channel() -> tuple[socket.socket, socket.socket]:
    """The reading and the writing end; neither blocks, neither is inherited unless passed on."""
    reading, writing = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    reading.setblocking(False)
    writing.setblocking(False)
    writing.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _WANTED_BUFFER)
    return reading, writing


class Sender:
    """The writing end in one process.

    Attributes:
        dropped: messages that `send` refused.
    """

    def __init__(self, fd: int) -> None:
        self._socket = socket.socket(fileno=fd)
        self._socket.setblocking(False)
        self.dropped = 0

    def send(self, message: Mapping[str, Any]) -> bool:
        """Whether the whole message is in the pipe; if not, it is counted and gone."""
        data = _encode(message).encode()
        if len(data) <= LARGEST_MESSAGE and self._put(data):
            return True
        self.dropped += 1
        return False

    def close(self) -> None:
        """Close the descriptor."""
        self._socket.close()

    def _put(self, data: bytes) -> bool:
        try:
            self._socket.send(data)
        except OSError:
            return False  # full, or no control process and no supervisor any more
        return True


class PatientSender(Sender):
    """As `Sender`, on an event loop: what finds the pipe full waits for room, up to a limit.

    By default Linux lets some 300 messages wait in the pipe, and one change may cut a thousand
    phones off, each of which is to be on record.
    """

    def __init__(self, fd: int) -> None:
        super().__init__(fd)
        self._waiting: deque[bytes] = deque()
        self._has_room = asyncio.Event()
        self._has_room.set()

    async def drain(self) -> None:
        """Returns when nothing waits any more."""
        await self._has_room.wait()

    def _put(self, data: bytes) -> bool:
        if not self._waiting:
            try:
                self._socket.send(data)
            except BlockingIOError:
                self._has_room.clear()
                asyncio.get_running_loop().add_writer(self._socket, self._go_on)
            except OSError:
                return False
            else:
                return True
        if len(self._waiting) >= MOST_WAITING:
            return False
        self._waiting.append(data)
        return True

    def _go_on(self) -> None:
        """Send what waits, as far as there is room."""
        waiting = self._waiting
        try:
            while waiting:
                self._socket.send(waiting[0])
                waiting.popleft()
        except BlockingIOError:
            return
        except OSError:
            self.dropped += len(waiting)  # nobody reads any more
            waiting.clear()
        asyncio.get_running_loop().remove_writer(self._socket)
        self._has_room.set()


class Receiver:
    """The reading end: `async for message in receiver`, which ends when no writer is left.

    Attributes:
        malformed: messages that were no JSON object, passed over.
    """

    def __init__(self, fd: int) -> None:
        self._socket = socket.socket(fileno=fd)
        self._socket.setblocking(False)
        self._ended = False
        self.malformed = 0

    async def __aiter__(self) -> AsyncIterator[dict[str, Any]]:
        """Every message; a flood leaves time for others, and cancelling loses none."""
        while not self._ended:
            count = 0
            for message in self.pending():
                count += 1
                yield message
            if count < _AT_ONCE:
                # Woken for each of them, their reader would spend more on waking than on reading.
                await self._readable()
                await asyncio.sleep(_GATHER_SECONDS)
            else:
                await asyncio.sleep(0)

    def pending(self) -> Iterator[dict[str, Any]]:
        """What waits now, at most `_AT_ONCE` messages; does not block."""
        for _ in range(_AT_ONCE):
            try:
                data = self._socket.recv(LARGEST_MESSAGE)
            except BlockingIOError:
                return
            if not data:
                self._ended = True
                return
            message = _parse(data)
            if message is None:
                self.malformed += 1
            else:
                yield message

    async def _readable(self) -> None:
        loop = asyncio.get_running_loop()
        readable = asyncio.Event()
        loop.add_reader(self._socket, readable.set)
        try:
            await readable.wait()
        finally:
            loop.remove_reader(self._socket)

    def close(self) -> None:
        """Close the descriptor."""
        self._socket.close()


def _parse(data: bytes) -> dict[str, Any] | None:
    try:
        message = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return message if isinstance(message, dict) else None
