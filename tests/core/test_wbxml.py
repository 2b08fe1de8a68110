"""The WBXML codec: the specification's examples, limits, and bytes of any kind."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.wbxml import HEADER, Child, Element, Limits, decode, element, encode
from gateway.core.wbxml_pages import NAMES, TOKENS
from gateway.errors import WbxmlError

POLICY = (
    "03016a00 000e 45 4b 03 31 00 01 46 47 48 03"
    + b"MS-EAS-Provisioning-WBXML".hex()
    + "00 01 4b 03 31 00 01 49 03"
    + b"1307199584".hex()
    + "00 01 4a 4d 4e 03 31 00 01 01 01 01 01 01"
)


EXAMPLES = {
    "FolderSync refused with 140": (
        "03 01 6a 00 00 07 56 4c 03 31 34 30 00 01 01",
        element("FolderHierarchy:FolderSync", element("FolderHierarchy:Status", "140")),
    ),
    "Sync refused": (
        "03016a00 45 4e 03 31 32 36 00 01 01",
        element("AirSync:Sync", element("AirSync:Status", "126")),
    ),
    "MoveItems refused": (
        "03016a00 0005 45 4a 4b 03 31 32 39 00 01 01 01",
        element("Move:MoveItems", element("Move:Response", element("Move:Status", "129"))),
    ),
    "GetItemEstimate refused": (
        "03016a00 0006 45 4e 03 31 00 01 01",
        element("GetItemEstimate:GetItemEstimate", element("GetItemEstimate:Status", "1")),
    ),
    "MeetingResponse refused": (
        "03016a00 0008 47 4a 4b 03 31 00 01 01 01",
        element(
            "MeetingResponse:MeetingResponse",
            element("MeetingResponse:Result", element("MeetingResponse:Status", "1")),
        ),
    ),
    "ResolveRecipients refused": (
        "03016a00 000a 45 47 03 31 00 01 01",
        element("ResolveRecipients:ResolveRecipients", element("ResolveRecipients:Status", "1")),
    ),
    "ValidateCert refused": (
        "03016a00 000b 45 4a 03 31 00 01 01",
        element("ValidateCert:ValidateCert", element("ValidateCert:Status", "1")),
    ),
    "Ping refused": (
        "03016a00 000d 45 47 03 31 00 01 01",
        element("Ping:Ping", element("Ping:Status", "1")),
    ),
    "Search refused": (
        "03016a00 000f 45 4c 03 31 00 01 01",
        element("Search:Search", element("Search:Status", "1")),
    ),
    "Settings refused": (
        "03016a00 0012 45 46 03 31 00 01 01",
        element("Settings:Settings", element("Settings:Status", "1")),
    ),
    "ItemOperations refused": (
        "03016a00 0014 45 4d 03 31 00 01 01",
        element("ItemOperations:ItemOperations", element("ItemOperations:Status", "1")),
    ),
    "SmartReply refused": (
        "03016a00 0015 47 52 03 31 00 01 01",
        element("ComposeMail:SmartReply", element("ComposeMail:Status", "1")),
    ),
    "Find refused": (
        "03016a00 0019 45 4a 03 31 00 01 01",
        element("Find:Find", element("Find:Status", "1")),
    ),
    "remote wipe": (
        "03016a00 000e 45 4b 03 31 00 01 0c 01",
        element(
            "Provision:Provision",
            element("Provision:Status", "1"),
            element("Provision:RemoteWipe"),
        ),
    ),
    "account wipe": (
        "03016a00 000e 45 4b 03 31 00 01 3b 01",
        element(
            "Provision:Provision",
            element("Provision:Status", "1"),
            element("Provision:AccountOnlyRemoteWipe"),
        ),
    ),
    "wipe acknowledged": (
        "03016a00 000e 45 4c 4b 03 31 00 01 01 01",
        element(
            "Provision:Provision",
            element("Provision:RemoteWipe", element("Provision:Status", "1")),
        ),
    ),
    "empty Provision": ("03016a00 000e 05", element("Provision:Provision")),
    "policy": (
        POLICY,
        element(
            "Provision:Provision",
            element("Provision:Status", "1"),
            element(
                "Provision:Policies",
                element(
                    "Provision:Policy",
                    element("Provision:PolicyType", "MS-EAS-Provisioning-WBXML"),
                    element("Provision:Status", "1"),
                    element("Provision:PolicyKey", "1307199584"),
                    element(
                        "Provision:Data",
                        element(
                            "Provision:EASProvisionDoc",
                            element("Provision:DevicePasswordEnabled", "1"),
                        ),
                    ),
                ),
            ),
        ),
    ),
}


class TestExamples:
    """Bytes that other implementations read the same way."""

    @pytest.mark.parametrize(("octets", "root"), EXAMPLES.values(), ids=EXAMPLES.keys())
    def test_decoded(self, octets: str, root: Element) -> None:
        """Each example is read as the elements it stands for."""
        assert decode(bytes.fromhex(octets)) == root

    @pytest.mark.parametrize(("octets", "root"), EXAMPLES.values(), ids=EXAMPLES.keys())
    def test_encoded(self, octets: str, root: Element) -> None:
        """Each example is written byte for byte."""
        assert encode(root) == bytes.fromhex(octets)

    def test_opaque_length_takes_two_bytes_from_128_on(self) -> None:
        """A length is a big-endian number of seven bits a byte."""
        mail = element("ComposeMail:SendMail", element("ComposeMail:Mime", b"x" * 300))
        octets = HEADER + bytes.fromhex("0015 45 50 c3 822c") + b"x" * 300 + b"\x01\x01"
        assert encode(mail) == octets
        assert decode(octets) == mail

    def test_unknown_token_keeps_its_number(self) -> None:
        """A tag of no known name is read as numbers and written back as it came."""
        octets = HEADER + bytes.fromhex("00c8 7f 03 41 00 2a 01")
        root = decode(octets)
        assert (root.page, root.token, root.tag) == (200, 0x3F, "200:0x3F")
        assert encode(root) == octets

    def test_page_returns_after_a_child_of_another(self) -> None:
        """The code page is switched back for a sibling of the first page."""
        root = element(
            "AirSync:Sync", element("Email:To", "a"), element("AirSync:Status", "1"), "\u00fc"
        )
        octets = HEADER + bytes.fromhex("45 0002 56 03 61 00 01 0000 4e 03 31 00 01 03 c3bc 00 01")
        assert encode(root) == octets
        assert decode(octets) == root


class TestReading:
    """Walking a decoded document."""

    ROOT = element(
        "Ping:Ping",
        element("Ping:Status", "2"),
        element("Ping:Folders", element("Ping:Folder", "1"), element("Ping:Folder", "5")),
    )

    def test_paths(self) -> None:
        """A path leads to the first element, and to None where there is none."""
        assert self.ROOT.text_at("Ping:Status") == "2"
        assert self.ROOT.text_at("Ping:Folders", "Ping:Folder") == "1"
        assert self.ROOT.text_at("Ping:MaxFolders") is None
        assert self.ROOT.find("Ping:Class", "Ping:Folder") is None

    def test_all(self) -> None:
        """Every element of a name comes, in order."""
        folders = self.ROOT.find("Ping:Folders")
        assert folders is not None
        assert [folder.text for folder in folders.all("Ping:Folder")] == ["1", "5"]

    def test_values(self) -> None:
        """Strings and opaque values inside an element are told apart."""
        mixed = element("ComposeMail:Mime", "a", b"b", "c", b"d")
        assert (mixed.text, mixed.opaque) == ("ac", b"bd")

    def test_names_are_unique_and_in_range(self) -> None:
        """No two tags share a name, and every token is one that a tag may have."""
        assert len(NAMES) == len(TOKENS)
        assert all(0 <= page <= 0xFF and 0x05 <= token <= 0x3F for page, token in NAMES)

    def test_unknown_name(self) -> None:
        """A misspelt name is refused by its name."""
        with pytest.raises(WbxmlError, match="Ping:Pong"):
            element("Ping:Pong")


MALFORMED = {
    "nothing": "",
    "header alone": "03016a00",
    "another version": "02016a00 05",
    "another character set": "03010400 05",
    "a string table": "03016a05 68656c6c6f 05",
    "an entity": "03016a00 45 02 20 01",
    "a literal": "03016a00 04 00",
    "a literal with content": "03016a00 44 00 01",
    "attributes": "03016a00 85 01",
    "attributes and content": "03016a00 c5 01 01",
    "a processing instruction": "03016a00 43 05 01",
    "an extension": "03016a00 45 40 00 00 01",
    "a table string": "03016a00 45 83 00 01",
    "a value for a root": "03016a00 03 41 00",
    "an end for a root": "03016a00 01",
    "an unfinished element": "03016a00 45",
    "an unfinished page switch": "03016a00 00",
    "an unfinished string": "03016a00 45 03 41",
    "an unfinished opaque value": "03016a00 45 c3 05 41 01",
    "an unfinished length": "03016a00 45 c3 ff",
    "an endless length": "03016a00 45 c3 8080808080808001 01",
    "a string that is not UTF-8": "03016a00 45 03 ff 00 01",
    "a second root": "03016a00 05 05",
    "a trailing byte": "03016a00 05 00",
}


class TestMalformed:
    """What is refused, and that nothing but WbxmlError comes of it."""

    @pytest.mark.parametrize("octets", MALFORMED.values(), ids=MALFORMED.keys())
    def test_refused(self, octets: str) -> None:
        """Each of these documents is refused."""
        with pytest.raises(WbxmlError):
            decode(bytes.fromhex(octets))

    @pytest.mark.parametrize(
        "limits",
        [Limits(size=20), Limits(value=3), Limits(depth=2), Limits(items=3)],
        ids=["size", "value", "depth", "items"],
    )
    def test_limits_hold_both_ways(self, limits: Limits) -> None:
        """A document beyond one limit is neither read nor written."""
        root = element(
            "AirSync:Sync",
            element("AirSync:Collections", element("AirSync:Collection", "four", b"five!")),
        )
        octets = encode(root)
        assert decode(octets) == root
        with pytest.raises(WbxmlError):
            decode(octets, limits)
        with pytest.raises(WbxmlError):
            encode(root, limits)

    def test_depth_counts_elements(self) -> None:
        """The deepest element that is allowed is both written and read."""
        root = element("AirSync:Sync", element("AirSync:Collections", element("AirSync:Wait")))
        assert decode(encode(root, Limits(depth=3)), Limits(depth=3)) == root
        with pytest.raises(WbxmlError):
            decode(encode(root), Limits(depth=2))

    @pytest.mark.parametrize(
        "root",
        [Element(256, 5), Element(-1, 5), Element(0, 4), Element(0, 0x40)],
    )
    def test_numbers_out_of_range(self, root: Element) -> None:
        """A page or token that no byte can carry is not written."""
        with pytest.raises(WbxmlError):
            encode(root)

    @pytest.mark.parametrize("text", ["a\0b", "\ud800"])
    def test_unwritable_text(self, text: str) -> None:
        """A NUL would end the string early, a surrogate has no UTF-8: both are refused."""
        with pytest.raises(WbxmlError):
            encode(element("AirSync:Status", text))


TEXT = st.text(
    st.characters(exclude_characters="\0", exclude_categories=["Cs"]),
    max_size=12,
)


def _elements(children: st.SearchStrategy[Child]) -> st.SearchStrategy[Element]:
    return st.builds(
        Element,
        page=st.integers(0, 0xFF),
        token=st.integers(0x05, 0x3F),
        children=st.lists(children, max_size=3).map(tuple),
    )


LEAVES: st.SearchStrategy[Child] = TEXT | st.binary(max_size=200) | _elements(TEXT)
ROOTS = _elements(st.recursive(LEAVES, _elements, max_leaves=5))


class TestProperties:
    """What holds for every element and every byte string."""

    @given(ROOTS)
    def test_round_trip(self, root: Element) -> None:
        """What was written is read back equal, whatever its tags."""
        assert decode(encode(root)) == root

    @given(st.binary(max_size=64))
    def test_any_bytes(self, tail: bytes) -> None:
        """Any bytes are an element or a WbxmlError; an element is written and read again."""
        for octets in (tail, HEADER + tail):
            try:
                root = decode(octets)
            except WbxmlError:
                continue
            assert decode(encode(root)) == root

    @given(ROOTS, st.data())
    def test_cut_short(self, root: Element, data: st.DataObject) -> None:
        """No proper beginning of a document is a document."""
        octets = encode(root)
        cut = data.draw(st.integers(0, len(octets) - 1))
        with pytest.raises(WbxmlError):
            decode(octets[:cut])
