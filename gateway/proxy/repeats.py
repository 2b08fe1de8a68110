"""Message heads that were there before, recognised by their bytes.

A phone says the same thing again and again, but for the length of the body, and a mail server
answers the same to many. What was parsed and found right once has the same meaning the next time,
so it is not parsed again.
"""

from typing import Generic, TypeVar

_H = TypeVar("_H")

_LENGTH = b"\r\nContent-Length: "
_LENGTH_DIGITS = 9
_LARGEST = 2048  # bytes of a message that is worth its memory
_END = b"\r\n\r\n"


class RepeatedHeads(Generic[_H]):
    """The last heads of one sort, the latest first; `most` bounds them.

    Each is kept as the message that it came with, where in that the digits of Content-Length begin
    and end, where the head ends, and its meaning. A head that spells its length in another way, or
    has none, is not kept.
    """

    __slots__ = ("_known", "_most")

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: list[tuple[bytes, int, int, int, _H]] = []

    def find(self, data: bytes) -> tuple[_H, bytes] | None:
        """The head and the body of `data`, if it is one whole message whose head is known.

        The Content-Length of this message is the length of that body, whatever the head says.
        """
        for known in self._known:
            message, start, end_of_digits, end, head = known
            if data != message:
                if not data.startswith(message[:start]):
                    continue
                stop = data.find(b"\r", start, start + _LENGTH_DIGITS + 1)
                after = message[end_of_digits:end]
                if stop <= start or not data.startswith(after, stop):
                    continue
                digits, end = data[start:stop], stop + len(after)
                if not digits.isdigit() or int(digits) != len(data) - end:
                    continue
            if known is not self._known[0]:
                self._known.remove(known)
                self._known.insert(0, known)
            return head, data[end:]
        return None

    def remember(self, head: _H, data: bytes) -> None:
        """`data` was one whole message, and this is the meaning of its head."""
        end = data.find(_END) + len(_END)
        start = data.find(_LENGTH, 0, end) + len(_LENGTH)
        if start < len(_LENGTH) or len(data) > _LARGEST:
            return
        stop = data.find(b"\r", start, start + _LENGTH_DIGITS + 1)
        digits = data[start:stop]
        if stop > start and digits.isdigit() and int(digits) == len(data) - end:
            self._known.insert(0, (data, start, stop, end, head))
            del self._known[self._most :]
