"""Message heads that were there before, recognised by their bytes.

A phone says the same thing again and again, but for the length of the body, and a mail server
answers the same to many. What was parsed and found right once has the same meaning the next time,
so it is not parsed again.
"""

from typing import Generic, Protocol, TypeVar

_LENGTH = b"\r\nContent-Length: "
_LENGTH_DIGITS = 9
_LARGEST = 2048  # bytes of a head that is worth its memory
_END = b"\r\n\r\n"


class _Head(Protocol):
    """A parsed head."""

    content_length: int | None


_H = TypeVar("_H", bound=_Head)


class RepeatedHeads(Generic[_H]):
    """The last heads of one sort; `most` bounds them."""

    __slots__ = ("_asked", "_known", "_most")

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: dict[bytes, _H] = {}
        self._asked: bytes | None = None  # the head of the last `find`, without its length

    def find(self, data: bytes) -> tuple[_H, bytes] | None:
        """The head and the body of `data`, if it is one whole message whose head is known.

        The head's `content_length` is that of this message.
        """
        self._asked = None
        end = data.find(_END)
        if end < 0:
            return None
        start = data.find(_LENGTH, 0, end)
        if start < 0:
            if end + 4 != len(data):
                return None
            self._asked = key = data[:end]
            return self._known_head(key, b"", None)
        start += len(_LENGTH)
        stop = data.find(b"\r\n", start)
        digits = data[start:stop]
        if not digits.isdigit() or len(digits) > _LENGTH_DIGITS:
            return None
        length = int(digits)
        if end + 4 + length != len(data):
            return None
        self._asked = key = data[:start] + data[stop:end]
        return self._known_head(key, data[end + 4 :], length)

    def remember(self, head: _H) -> None:
        """The message last asked for was whole, and this is the meaning of its head."""
        if self._asked is None or len(self._asked) > _LARGEST:
            return
        if len(self._known) >= self._most:
            self._known.clear()
        self._known[self._asked] = head

    def _known_head(self, key: bytes, body: bytes, length: int | None) -> tuple[_H, bytes] | None:
        head = self._known.get(key)
        if head is None:
            return None
        head.content_length = length
        return head, body
