"""The top of a document is the top of what all of it is read as."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.wbxml import HEADER, Child, Element, Limits, decode, element, encode
from gateway.core.wbxml_outline import outline
from gateway.errors import WbxmlError


def top(root: Element) -> Element:
    """What of a decoded document is its outline."""

    def bare(child: Child) -> Child:
        if not isinstance(child, Element):
            return child
        values = tuple(one for one in child.children if not isinstance(one, Element))
        return Element(child.page, child.token, values)

    return Element(root.page, root.token, tuple(bare(child) for child in root.children))


def check(octets: bytes) -> None:
    """The outline is the top of what the bytes decode to; where there is none, both refuse them."""
    try:
        root = decode(octets)
    except WbxmlError as error:
        # Of what is left out, little more than the tokens is read.
        if "UTF-8" not in str(error) and "nested" not in str(error):
            with pytest.raises(WbxmlError):
                outline(octets)
    else:
        assert outline(octets) == top(root)


def _elements(children: st.SearchStrategy[Child]) -> st.SearchStrategy[Element]:
    return st.builds(
        Element,
        page=st.integers(0, 0xFF),
        token=st.integers(0x05, 0x3F),
        children=st.lists(children, max_size=3).map(tuple),
    )


VALUES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=6)
LEAVES: st.SearchStrategy[Child] = VALUES | st.binary(max_size=200) | _elements(VALUES)
ROOTS = _elements(st.recursive(LEAVES, _elements, max_leaves=8))

MALFORMED = {
    "nothing": "",
    "header alone": "03016a00",
    "another header": "02016a00 05",
    "a string table": "03016a05 68656c6c6f 05",
    "an entity": "03016a00 45 02 20 01",
    "a literal": "03016a00 04 00",
    "attributes": "03016a00 85 01",
    "an extension": "03016a00 45 40 00 00 01",
    "a table string": "03016a00 45 83 00 01",
    "a value for a root": "03016a00 03 41 00",
    "an end for a root": "03016a00 01",
    "an unfinished element": "03016a00 45",
    "an unfinished page switch": "03016a00 00",
    "an unfinished string": "03016a00 45 03 41",
    "an unfinished opaque value": "03016a00 45 c3 05 41 01",
    "an endless length": "03016a00 45 c3 8080808080808001 01",
    "a string that is not UTF-8": "03016a00 45 03 ff 00 01",
    "an attribute far down": "03016a00 45 46 47 48 85 01 01 01 01 01",
    "an unfinished leaf far down": "03016a00 45 46 47 48 03 41",
    "a second root": "03016a00 05 05",
    "a trailing byte": "03016a00 45 01 00",
}


class TestOutline:
    """What is read, and what is refused."""

    def test_grandchildren_are_left_out(self) -> None:
        """Children and their values stay; what is inside them, of any depth, does not."""
        deep = element("AirSync:Collection", element("AirSync:Commands", element("Email:To", "x")))
        root = element(
            "AirSync:Sync",
            "text",
            element("AirSync:Collections", "a", deep, b"b", element("AirSync:Wait", "1")),
            b"opaque",
            element("AirSync:Wait", "5"),
            element("AirSync:Partial"),
        )
        assert outline(encode(root)) == element(
            "AirSync:Sync",
            "text",
            element("AirSync:Collections", "a", b"b"),
            b"opaque",
            element("AirSync:Wait", "5"),
            element("AirSync:Partial"),
        )

    @pytest.mark.parametrize("octets", MALFORMED.values(), ids=MALFORMED.keys())
    def test_malformed(self, octets: str) -> None:
        """What is no document has no outline."""
        with pytest.raises(WbxmlError):
            outline(bytes.fromhex(octets))

    def test_size(self) -> None:
        """The size is bounded, by 64 KiB where nothing else is said."""
        body = encode(element("AirSync:Sync", "x" * (1 << 16)))
        with pytest.raises(WbxmlError, match="more than 65536"):
            outline(body)
        assert outline(body, Limits()) == decode(body)

    @pytest.mark.parametrize("inside", ["c3 01 61", "00 02 05", "46 47 48 03 61 00 01 01 01"])
    def test_what_stands_among_many(self, inside: str) -> None:
        """Opaque values, page switches and deep elements among plain ones end nothing early."""
        plain = "4d 4b 03 61 00 01 0b 03 62 00 01"
        octets = bytes.fromhex(f"03016a00 45 5c {plain} 4f {plain} {inside} {plain} 01 {plain} 01")
        octets += bytes.fromhex("0000 64 03 35 00 01 01")
        assert outline(octets) == top(decode(octets))
        assert outline(octets).text_at("AirSync:Wait") == "5"

    def test_depth(self) -> None:
        """As deep as `decode` goes; soon after that, no deeper."""
        root = element("AirSync:Sync")
        for _ in range(31):
            root = element("AirSync:Sync", root)
        assert outline(encode(root)) == top(decode(encode(root)))
        with pytest.raises(WbxmlError, match="nested more"):
            outline(HEADER + b"\x45" * 35 + b"\1" * 35)

    @given(ROOTS)
    def test_every_document(self, root: Element) -> None:
        """The outline of what was written is its top."""
        assert outline(encode(root)) == top(root)

    @given(st.binary(max_size=64), st.sampled_from(["", "45", "4546", "454647", "45464748"]))
    def test_any_bytes(self, tail: bytes, start: str) -> None:
        """Any bytes have an outline or are refused, and a document has that of its elements."""
        check(HEADER + bytes.fromhex(start) + tail)

    @given(ROOTS, st.data())
    def test_changed(self, root: Element, data: st.DataObject) -> None:
        """A document with a byte changed has the outline of what it now is, or none."""
        octets = bytearray(encode(root))
        place = data.draw(st.integers(len(HEADER) - 1, len(octets) - 1))
        octets[place] = data.draw(st.sampled_from([0, 1, 3, 5, 0x45, 0xC3, 0xFF]))
        check(bytes(octets))

    @given(ROOTS, st.data())
    def test_cut_short(self, root: Element, data: st.DataObject) -> None:
        """No proper beginning of a document has an outline."""
        octets = encode(root)
        with pytest.raises(WbxmlError):
            outline(octets[: data.draw(st.integers(0, len(octets) - 1))])
