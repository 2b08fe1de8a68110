"""Comparing distinguished names as RFC 5280 section 7.1 has it.

Decides when two names are one; is not told where they come from.
"""

import unicodedata

from gateway.core import crl_der as der
from gateway.errors import CrlError

# The string types of DirectoryString (RFC 5280 section 4.1.2.4) and IA5String, by their tags.
_ENCODINGS = {
    0x0C: "utf-8",
    0x13: "ascii",  # PrintableString
    0x14: "latin-1",  # TeletexString, as everybody fills it
    0x16: "ascii",  # IA5String
    0x1C: "utf-32-be",  # UniversalString
    0x1E: "utf-16-be",  # BMPString
}
_FOLDED = 0x0C


def canonical_name(name: bytes) -> bytes:
    """The DER `name` with its strings folded: two names are the same if this is.

    Case, the width of blanks and the string type do not count, the order of the RDNs does; the
    order inside one RDN does not. Raises CrlError when `name` is no Name.
    """
    outer = der.expect(name, 0, len(name), der.SEQUENCE, "a name")
    if outer.stop != len(name):
        raise CrlError("a name is followed by something else")
    rdns = []
    for rdn in der.children(name, outer.start, outer.stop):
        if rdn.tag != der.SET:
            raise CrlError("a name holds something that is no relative distinguished name")
        attributes = [_attribute(name, one) for one in der.children(name, rdn.start, rdn.stop)]
        rdns.append(der.encode(der.SET, b"".join(sorted(attributes))))
    return der.encode(der.SEQUENCE, b"".join(rdns))


def same_name(one: bytes, other: bytes) -> bool:
    """Whether two DER names are the same; what is no Name is the same as itself alone."""
    try:
        return one == other or canonical_name(one) == canonical_name(other)
    except CrlError:
        return False


def _attribute(name: bytes, attribute: der.Value) -> bytes:
    if attribute.tag != der.SEQUENCE:
        raise CrlError("a name holds something that is no attribute")
    kind = der.expect(name, attribute.start, attribute.stop, der.OBJECT_IDENTIFIER, "an attribute")
    value = der.read(name, kind.stop, attribute.stop)
    if value.stop != attribute.stop:
        raise CrlError("an attribute of a name has more than one value")
    return der.encode(der.SEQUENCE, kind.encoded(name) + _folded(name, value))


def _folded(name: bytes, value: der.Value) -> bytes:
    encoding = _ENCODINGS.get(value.tag)
    if encoding is None:
        return value.encoded(name)
    try:
        text = value.content(name).decode(encoding)
    except UnicodeDecodeError:
        return value.encoded(name)
    text = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    return der.encode(_FOLDED, text.encode("utf-8", "surrogatepass"))
