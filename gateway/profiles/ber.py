"""Values of BER (X.690), as far as signed profiles need them.

Apple's own tools write CMS with indefinite lengths and OCTET STRINGs in pieces, which DER readers
refuse. Values are found in place; nothing is copied until it is asked for.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from gateway.errors import ProfileError

OCTET_STRING: Final = 0x04
OID: Final = 0x06
SEQUENCE: Final = 0x30
SET: Final = 0x31

_CONSTRUCTED: Final = 0x20
_LONG_TAG: Final = 0x1F
_LONG_LENGTH: Final = 0x80
_LENGTH_OCTETS: Final = 4
_MOST_NESTING: Final = 32


@dataclass(frozen=True, slots=True)
class Value:
    """One value in `data`: header from `begin`, content from `start` to `stop`, next at `end`."""

    data: bytes
    tag: int
    begin: int
    start: int
    stop: int
    end: int
    depth: int

    @property
    def raw(self) -> bytes:
        """Header and content."""
        return self.data[self.begin : self.end]

    @property
    def content(self) -> bytes:
        """The content alone."""
        return self.data[self.start : self.stop]

    @property
    def children(self) -> Iterator["Value"]:
        """The values inside; raises ProfileError where they are none."""
        position = self.start
        while position < self.stop:
            child = read(self.data, position, self.stop, self.depth + 1)
            yield child
            position = child.end

    @property
    def octets(self) -> bytes:
        """The bytes of an OCTET STRING, whole or in pieces."""
        if not self.tag & _CONSTRUCTED:
            return self.content
        return b"".join(piece.octets for piece in self.children)


def read(data: bytes, begin: int, limit: int, depth: int = 0) -> Value:
    """The value at `begin`, which ends by `limit`; raises ProfileError if there is none."""
    if depth > _MOST_NESTING:
        raise ProfileError("the signature is nested too deeply")
    if begin + 2 > limit or data[begin] & _LONG_TAG == _LONG_TAG:
        raise ProfileError("the signature is cut off or is not BER")
    tag, first, start = data[begin], data[begin + 1], begin + 2
    if first == _LONG_LENGTH and tag & _CONSTRUCTED:
        stop = _end_of_contents(data, start, limit, depth)
        return Value(data, tag, begin, start, stop, stop + 2, depth)
    length = first
    if first >= _LONG_LENGTH:
        width = first - _LONG_LENGTH
        if not 1 <= width <= _LENGTH_OCTETS or start + width > limit:
            raise ProfileError("the signature has a length that is not BER")
        length, start = int.from_bytes(data[start : start + width]), start + width
    if start + length > limit:
        raise ProfileError("the signature is cut off")
    return Value(data, tag, begin, start, start + length, start + length, depth)


def _end_of_contents(data: bytes, position: int, limit: int, depth: int) -> int:
    while data[position : position + 2] != b"\0\0":
        if position >= limit:
            break
        position = read(data, position, limit, depth + 1).end
    if position + 2 > limit:
        raise ProfileError("the signature is cut off")
    return position
