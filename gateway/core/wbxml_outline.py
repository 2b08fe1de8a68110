"""The top of a WBXML document, read in a fraction of the time that all of it takes.

What says how long a Ping or Sync is held stands right below the root, above folders and changes
that nobody here has to look at, and it is asked of every such request.
"""

import re
from typing import Final

from gateway.core.wbxml import HEADER, SMALL_LIMITS, Child, Element, Limits
from gateway.errors import WbxmlError

# The tokens that `gateway.core.wbxml` takes, by group: a new page, a string, the length of an
# opaque value, a tag; and without a group the end of an element.
_TOKEN: Final = re.compile(
    rb"\x01|\x00(.)|\x03([^\x00]*)\x00|\xc3([\x80-\xff]{0,4}[\x00-\x7f])|([\x05-\x3f\x45-\x7f])",
    re.DOTALL,
)
_PAGE, _STRING, _OPAQUE, _TAG = 1, 2, 3, 4

# Whole elements, one after the other, with strings and with elements of strings inside: most of
# what there is, in one step. What begins a token tells which one it is, so that going back finds
# nothing else, and no document takes more than a few times its size. (Possessive groups would say
# so, but Python before 3.11.5 matches them wrongly.)
_ELEMENTS: Final = re.compile(
    rb"""(?: [\x05-\x3f]
          | [\x45-\x7f] (?: \x03 [^\x00]*+ \x00
                         | [\x05-\x3f]
                         | [\x45-\x7f] (?: \x03 [^\x00]*+ \x00 )* \x01 )* \x01
         )*""",
    re.VERBOSE,
)

_HAS_CONTENT, _TOKEN_BITS = 0x40, 0x3F
_BELOW_ROOT: Final = 2


def outline(data: bytes, limits: Limits = SMALL_LIMITS) -> Element:
    """The root element, its children, and their values; the elements inside those are left out.

    For a document that `decode` reads, it is what `decode` gives without those elements. Of what
    is left out, only the tokens are checked, and the depth to within two elements.

    Raises:
        WbxmlError: the document is malformed, uses what ActiveSync does not, or exceeds the size or
            depth of `limits`.
    """
    if len(data) > limits.size:
        raise WbxmlError(f"the WBXML document has {len(data)} bytes, more than {limits.size}")
    if not data.startswith(HEADER):
        raise WbxmlError("the document does not open with the WBXML header of ActiveSync")
    return _Outline(data, limits.depth).root()


class _Outline:
    """One pass; `_open` has the root and a child of it while they are open, `_deeper` the rest."""

    def __init__(self, data: bytes, depth: int) -> None:
        self._data = data
        self._most_deeper = depth - _BELOW_ROOT
        self._at = len(HEADER)
        self._page = 0
        self._open: list[tuple[int, int, list[Child]]] = []
        self._deeper = 0

    def root(self) -> Element:
        found = None
        while found is None:
            found = self._next()
        if self._at != len(self._data):
            raise WbxmlError("the WBXML document goes on after its root element")
        return found

    def _next(self) -> Element | None:
        """The root when the next token completes it, None before."""
        if len(self._open) == _BELOW_ROOT and (whole := _ELEMENTS.match(self._data, self._at)):
            self._at = whole.end()
        token = _TOKEN.match(self._data, self._at)
        if token is None:
            raise WbxmlError("the WBXML document ends early or has a token of no use in ActiveSync")
        self._at = token.end()
        kind = token.lastindex
        if kind is None:
            return self._end()
        if kind == _TAG:
            return self._tag(token[_TAG][0])
        if kind == _PAGE:
            self._page = token[_PAGE][0]
        else:
            self._value(token[_STRING] if kind == _STRING else self._opaque(token[_OPAQUE]), kind)
        return None

    def _tag(self, byte: int) -> Element | None:
        inside = bool(byte & _HAS_CONTENT)
        if len(self._open) == _BELOW_ROOT:
            self._deeper += inside
            if self._deeper >= self._most_deeper:
                raise WbxmlError("the WBXML document is nested more than its limit deep")
            return None
        token = byte & _TOKEN_BITS
        if inside:
            self._open.append((self._page, token, []))
            return None
        return self._complete(Element(self._page, token))

    def _end(self) -> Element | None:
        if self._deeper:
            self._deeper -= 1
            return None
        if not self._open:
            raise WbxmlError("the WBXML document ends an element that was not begun")
        page, token, children = self._open.pop()
        return self._complete(Element(page, token, tuple(children)))

    def _complete(self, found: Element) -> Element | None:
        if not self._open:
            return found
        self._open[-1][2].append(found)
        return None

    def _value(self, raw: bytes, kind: int) -> None:
        if self._deeper:
            return
        if not self._open:
            raise WbxmlError("the WBXML document has a value where its root element belongs")
        try:
            self._open[-1][2].append(raw.decode() if kind == _STRING else raw)
        except UnicodeDecodeError as error:
            raise WbxmlError("a WBXML string is not UTF-8") from error

    def _opaque(self, octets: bytes) -> bytes:
        length = 0
        for octet in octets:
            length = length << 7 | octet & 0x7F
        self._at += length
        if self._at > len(self._data):
            raise WbxmlError("the WBXML document ends inside a value")
        return self._data[self._at - length : self._at]
