"""Strict DER (X.690 section 10), as far as the walk over a CRL and its names needs it.

Decides where one value ends and the next begins; says nothing of what they mean.
"""

from collections.abc import Iterator
from typing import NamedTuple

from gateway.errors import CrlError

BOOLEAN = 0x01
INTEGER = 0x02
BIT_STRING = 0x03
OCTET_STRING = 0x04
OBJECT_IDENTIFIER = 0x06
ENUMERATED = 0x0A
UTC_TIME = 0x17
GENERALIZED_TIME = 0x18
SEQUENCE = 0x30
SET = 0x31

_LONG_FORM = 0x80
_MORE = 0x80  # set in each octet of an arc but the last
_LONGEST_LENGTH = 4  # octets; more than any download limit allows
_MULTI_BYTE_TAG = 0x1F


class Value(NamedTuple):
    """One DER value inside `data`: its tag, where it begins, and its content's start and stop."""

    tag: int
    begin: int
    start: int
    stop: int

    def content(self, data: bytes) -> bytes:
        """The value without its tag and length."""
        return data[self.start : self.stop]

    def encoded(self, data: bytes) -> bytes:
        """The value with its tag and length."""
        return data[self.begin : self.stop]


def read(data: bytes, begin: int, end: int) -> Value:
    """The value that begins at `begin`; raises CrlError if it is no DER or passes `end`."""
    if end - begin < 2:  # noqa: PLR2004 (a tag and a length)
        raise CrlError("the CRL is truncated: it ends where a value should begin")
    tag, length, start = data[begin], data[begin + 1], begin + 2
    if tag & _MULTI_BYTE_TAG == _MULTI_BYTE_TAG:
        raise CrlError(f"the CRL is not DER: no tag 0x{tag:02x} can stand at byte {begin}")
    if length >= _LONG_FORM:
        start += length - _LONG_FORM
        length = _long_length(data, begin + 2, start, end)
    stop = start + length
    if stop > end:
        raise CrlError(
            f"the CRL is truncated: a value at byte {begin} should reach byte {stop}, "
            f"but what holds it ends at {end}"
        )
    return Value(tag, begin, start, stop)


def _long_length(data: bytes, begin: int, start: int, end: int) -> int:
    if not 1 <= start - begin <= _LONGEST_LENGTH or start > end:
        raise CrlError(f"the CRL is not DER: the length at byte {begin - 1} cannot be read")
    length = int.from_bytes(data[begin:start])
    if data[begin] == 0 or length < _LONG_FORM:
        raise CrlError(f"the CRL is not DER: the length at byte {begin - 1} is not the shortest")
    return length


def expect(data: bytes, begin: int, end: int, tag: int, what: str) -> Value:
    """The value at `begin`, which must have `tag`; raises CrlError that names `what`."""
    value = read(data, begin, end)
    if value.tag != tag:
        raise CrlError(
            f"the CRL is not one: {what} has tag 0x{value.tag:02x} where 0x{tag:02x} belongs"
        )
    return value


def children(data: bytes, start: int, stop: int) -> Iterator[Value]:
    """The values between `start` and `stop`, one after the other; raises CrlError as `read`."""
    while start < stop:
        value = read(data, start, stop)
        yield value
        start = value.stop


def encode(tag: int, content: bytes) -> bytes:
    """The DER value of `content` under `tag`."""
    length = len(content)
    if length < _LONG_FORM:
        return bytes((tag, length)) + content
    octets = length.to_bytes((length.bit_length() + 7) // 8)
    return bytes((tag, _LONG_FORM | len(octets))) + octets + content


def integer(content: bytes, what: str) -> bytes:
    """`content` itself if it is an INTEGER's shortest form; raises CrlError that names `what`."""
    if not content:
        raise CrlError(f"the CRL is not DER: {what} is an empty INTEGER")
    if len(content) > 1 and (
        (content[0] == 0 and content[1] < _LONG_FORM)
        or (content[0] == 0xFF and content[1] >= _LONG_FORM)  # noqa: PLR2004 (all ones)
    ):
        raise CrlError(f"the CRL is not DER: {what} is not the shortest form of its INTEGER")
    return content


def object_identifier(encoded: bytes) -> bytes:
    """`encoded` itself if it is an OBJECT IDENTIFIER (X.690 section 8.19); raises CrlError."""
    content = encoded[2:]
    begins = (content[:1], *(content[i + 1 : i + 2] for i, o in enumerate(content) if o < _MORE))
    if not content or content[-1] >= _MORE or b"\x80" in begins:
        raise CrlError(f"the CRL is not DER: {encoded.hex()} is no object identifier")
    return encoded


def dotted(identifier: bytes) -> str:
    """The encoded OBJECT IDENTIFIER `identifier` in dotted decimal."""
    arcs, value = [], 0
    for octet in identifier[2:]:
        value = value << 7 | octet & 0x7F
        if octet < _MORE:
            arcs.append(value)
            value = 0
    first = min(arcs[0] // 40, 2)
    return ".".join(map(str, (first, arcs[0] - 40 * first, *arcs[1:])))


def shortest_integer(value: int) -> bytes:
    """The content of the INTEGER `value`, two's complement in its shortest form."""
    magnitude = ~value if value < 0 else value
    return value.to_bytes(magnitude.bit_length() // 8 + 1, signed=True)
