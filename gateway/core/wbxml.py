"""The binary XML of Exchange ActiveSync, both ways (MS-ASWBXML 2.1).

ActiveSync uses a small part of WBXML 1.3: code pages, tags with content, inline strings and opaque
bytes. Everything else (attributes, entities, literals, string tables, processing instructions,
extensions) is refused, so that a document has one meaning or none.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from gateway.core.wbxml_pages import NAMES, TOKENS
from gateway.errors import WbxmlError

HEADER: Final = b"\x03\x01\x6a\x00"
"""WBXML 1.3, no public identifier, UTF-8, no string table."""

_SWITCH_PAGE, _END, _STR_I, _OPAQUE = 0x00, 0x01, 0x03, 0xC3
_HAS_CONTENT, _HAS_ATTRIBUTES, _TOKEN = 0x40, 0x80, 0x3F
_FIRST_TOKEN = 0x05
_LAST_PAGE = 0xFF
_MORE = 0x80
_MB_U_INT_BYTES = 5


@dataclass(frozen=True, slots=True)
class Limits:
    """What a document may cost; the defaults hold for every command but those that carry mail.

    Attributes:
        size: bytes of the whole document.
        value: bytes of one string or opaque value.
        depth: elements inside each other, the root included.
        items: elements and values altogether.
    """

    size: int = 1 << 20
    value: int = 1 << 20
    depth: int = 32
    items: int = 10_000


DEFAULT_LIMITS: Final = Limits()
SMALL_LIMITS: Final = Limits(size=1 << 16)
"""For requests that the gateway reads itself; those that carry no mail have a few hundred bytes."""


@dataclass(frozen=True, slots=True)
class Element:
    """One tag: its code page, its token (0x05 to 0x3F) and its content in order.

    A `str` child is an inline string, a `bytes` child an opaque value.
    """

    page: int
    token: int
    children: "tuple[Child, ...]" = ()

    @property
    def tag(self) -> str:
        """The name as "Page:Tag", or "page:0xNN" in numbers for a tag that has no known name."""
        return NAMES.get((self.page, self.token)) or f"{self.page}:0x{self.token:02X}"

    @property
    def text(self) -> str:
        """The strings directly inside, joined; empty if there are none."""
        return "".join(child for child in self.children if isinstance(child, str))

    @property
    def opaque(self) -> bytes:
        """The opaque values directly inside, joined; empty if there are none."""
        return b"".join(child for child in self.children if isinstance(child, bytes))

    def all(self, tag: str) -> Iterator["Element"]:
        """Yield the elements named `tag` directly inside, in order."""
        for child in self.children:
            if isinstance(child, Element) and child.tag == tag:
                yield child

    def find(self, *path: str) -> "Element | None":
        """The first element reached by following `path` downwards, or None."""
        found: Element | None = self
        for tag in path:
            found = next(found.all(tag), None) if found is not None else None
        return found

    def text_at(self, *path: str) -> str | None:
        """The text of the element at `path`, or None if there is no such element."""
        found = self.find(*path)
        return None if found is None else found.text


Child: TypeAlias = Element | str | bytes


def element(tag: str, *children: Child) -> Element:
    """The element named "Page:Tag" with these children.

    Raises:
        WbxmlError: no code page here has that tag.
    """
    if tag not in TOKENS:
        raise WbxmlError(f"{tag!r} is no tag of a known ActiveSync code page")
    return Element(*TOKENS[tag], children)


def decode(data: bytes, limits: Limits = DEFAULT_LIMITS) -> Element:
    """The root element of a document.

    Raises:
        WbxmlError: the document is malformed, uses what ActiveSync does not, or exceeds `limits`.
    """
    if len(data) > limits.size:
        raise WbxmlError(f"the WBXML document has {len(data)} bytes, more than {limits.size}")
    if not data.startswith(HEADER):
        raise WbxmlError("the document does not open with the WBXML header of ActiveSync")
    return _Reader(data, limits).document()


def encode(root: Element, limits: Limits = DEFAULT_LIMITS) -> bytes:
    """The document whose root is `root`; `decode` gives an equal element back.

    Raises:
        WbxmlError: a page, token or string has no encoding, or the document exceeds `limits`.
    """
    writer = _Writer(limits)
    writer.write(root, depth=1)
    return bytes(writer.out)


class _Writer:
    """A document that grows; switches the code page only where it changes."""

    def __init__(self, limits: Limits) -> None:
        self.out = bytearray(HEADER)
        self._limits = limits
        self._page = 0
        self._items = 0

    def write(self, item: Child, *, depth: int) -> None:
        self._items += 1
        if isinstance(item, Element):
            # The recursion ends where the limit does.
            if depth > self._limits.depth:
                raise WbxmlError(f"the WBXML element is nested more than {self._limits.depth} deep")
            self._tag(item)
            for child in item.children:
                self.write(child, depth=depth + 1)
            if item.children:
                self.out.append(_END)
        else:
            self._value(item)
        if self._items > self._limits.items or len(self.out) > self._limits.size:
            raise WbxmlError("the WBXML document would exceed its limits")

    def _tag(self, item: Element) -> None:
        if not (0 <= item.page <= _LAST_PAGE and _FIRST_TOKEN <= item.token <= _TOKEN):
            raise WbxmlError(f"page {item.page} token {item.token} has no WBXML encoding")
        if item.page != self._page:
            self.out += bytes((_SWITCH_PAGE, item.page))
            self._page = item.page
        self.out.append(item.token | (_HAS_CONTENT if item.children else 0))

    def _value(self, item: str | bytes) -> None:
        if isinstance(item, bytes):
            raw = item
            framed = bytes((_OPAQUE,)) + _mb_u_int(len(raw)) + raw
        else:
            raw = _utf8(item)
            framed = bytes((_STR_I,)) + raw + b"\0"
        if len(raw) > self._limits.value:
            raise WbxmlError(f"a WBXML value has {len(raw)} bytes, more than {self._limits.value}")
        self.out += framed


def _utf8(text: str) -> bytes:
    try:
        raw = text.encode()
    except UnicodeEncodeError as error:
        raise WbxmlError("a WBXML string has a character without UTF-8 encoding") from error
    if 0 in raw:
        raise WbxmlError("a WBXML string cannot hold a NUL")
    return raw


def _mb_u_int(number: int) -> bytes:
    octets = [number & 0x7F]
    while number := number >> 7:
        octets.append(number & 0x7F | 0x80)
    return bytes(reversed(octets))


class _Reader:
    """One pass over a document, with a stack of open elements instead of recursion."""

    def __init__(self, data: bytes, limits: Limits) -> None:
        self._data = data
        self._limits = limits
        self._at = len(HEADER)
        self._page = 0
        self._items = 0

    def document(self) -> Element:
        stack: list[tuple[int, int, list[Child]]] = []
        while True:
            item = self._next(stack)
            if item is None:
                continue
            if not stack:
                break
            stack[-1][2].append(item)
        if not isinstance(item, Element):
            raise WbxmlError("the WBXML document has a value where its root element belongs")
        if self._at != len(self._data):
            raise WbxmlError("the WBXML document goes on after its root element")
        return item

    def _next(self, stack: list[tuple[int, int, list[Child]]]) -> Child | None:
        """The item that is complete after one more token, or None if none is."""
        byte = self._byte()
        if byte == _SWITCH_PAGE:
            self._page = self._byte()
            return None
        if byte == _END:
            if not stack:
                raise WbxmlError("the WBXML document ends an element that was not begun")
            page, token, children = stack.pop()
            return Element(page, token, tuple(children))
        self._count()
        if byte == _STR_I:
            return self._string()
        if byte == _OPAQUE:
            return self._take(self._length())
        token = byte & _TOKEN
        if byte & _HAS_ATTRIBUTES or token < _FIRST_TOKEN:
            raise WbxmlError(f"the WBXML token 0x{byte:02X} has no use in ActiveSync")
        if len(stack) >= self._limits.depth:
            raise WbxmlError(f"the WBXML document is nested more than {self._limits.depth} deep")
        if byte & _HAS_CONTENT:
            stack.append((self._page, token, []))
            return None
        return Element(self._page, token)

    def _count(self) -> None:
        self._items += 1
        if self._items > self._limits.items:
            raise WbxmlError(f"the WBXML document has more than {self._limits.items} items")

    def _byte(self) -> int:
        if self._at >= len(self._data):
            raise WbxmlError("the WBXML document ends before its root element does")
        self._at += 1
        return self._data[self._at - 1]

    def _string(self) -> str:
        end = self._data.find(0, self._at)
        if end < 0:
            raise WbxmlError("the WBXML document ends inside a string")
        raw = self._take(end - self._at)
        self._at += 1
        try:
            return raw.decode()
        except UnicodeDecodeError as error:
            raise WbxmlError("a WBXML string is not UTF-8") from error

    def _take(self, length: int) -> bytes:
        if length > self._limits.value:
            raise WbxmlError(f"a WBXML value has more than {self._limits.value} bytes")
        if length > len(self._data) - self._at:
            raise WbxmlError("the WBXML document ends inside a value")
        self._at += length
        return self._data[self._at - length : self._at]

    def _length(self) -> int:
        length = 0
        for _ in range(_MB_U_INT_BYTES):
            byte = self._byte()
            length = length << 7 | byte & 0x7F
            if byte < _MORE:
                return length
        raise WbxmlError(f"a WBXML length takes more than {_MB_U_INT_BYTES} bytes")
