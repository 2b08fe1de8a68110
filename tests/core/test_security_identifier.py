"""SIDs in certificates."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.security_identifier import extension_sid, sid_problem, uri_sids
from gateway.errors import CertificateError
from gateway.pki.names import tlv

SID = "S-1-5-21-1004336348-1177238915-682003330-512"
OBJECT_SID = tlv(0x06, bytes.fromhex("2b060104018237190201"))
OTHER_TYPE = tlv(0x06, bytes.fromhex("2b060104018237190202"))


def other_name(text: bytes, kind: bytes = OBJECT_SID, *, tag: int = 0x04) -> bytes:
    """One name of the extension."""
    return tlv(0xA0, kind + tlv(0xA0, tlv(tag, text)))


def extension(*names: bytes) -> bytes:
    """The extension's content."""
    return tlv(0x30, b"".join(names))


class TestText:
    """`sid_problem`."""

    @pytest.mark.parametrize("text", [SID, "S-1-0-0", "S-1-281474976710655-4294967295"])
    def test_a_sid(self, text: str) -> None:
        """Up to 48 bits of authority and 32 of each number after it."""
        assert sid_problem(text) is None

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "S-1",
            "S-1-5",
            "s-1-5-21",
            "S-2-5-21",
            "S-1-5-021",
            f"{SID} ",
            f"{SID}\n",
            "S-1-5-\u0661",
            "S-1-5" + 16 * "-1",
            "S-1-281474976710656-1",
            "S-1-5-4294967296",
        ],
    )
    def test_no_sid(self, text: str) -> None:
        """Two spellings of one SID would be two SIDs: only one is taken."""
        assert "is not a SID" in (sid_problem(text) or "")


class TestExtension:
    """`extension_sid`."""

    def test_a_sid(self) -> None:
        """The octets as a Microsoft CA writes them."""
        assert extension_sid(extension(other_name(SID.encode()))) == SID

    def test_names_of_other_types_are_passed_over(self) -> None:
        """The extension may hold more than the SID."""
        names = (other_name(b"x", OTHER_TYPE), other_name(SID.encode()))
        assert extension_sid(extension(*names)) == SID

    @pytest.mark.parametrize(
        "content",
        [
            b"",
            extension(other_name(SID.encode()))[:-1],
            extension(other_name(SID.encode())) + b"\0",
            extension(other_name(b"\xc3\xa4")),
            extension(other_name(SID.encode(), tag=0x0C)),
            extension(tlv(0xA0, OBJECT_SID + tlv(0xA0, tlv(0x04, b"") + tlv(0x04, b"")))),
            extension(tlv(0x04, b"")),
        ],
    )
    def test_what_cannot_be_read(self, content: bytes) -> None:
        """Truncated, with something behind it, not ASCII, of another type."""
        with pytest.raises(CertificateError, match="SID extension cannot be read"):
            extension_sid(content)

    @pytest.mark.parametrize(
        ("names", "count"), [((), 0), ((other_name(SID.encode()), other_name(b"S-1-5-1")), 2)]
    )
    def test_none_or_two(self, names: tuple[bytes, ...], count: int) -> None:
        """There has to be one, as nobody could say which of two is meant."""
        with pytest.raises(CertificateError, match=f"has {count} SIDs"):
            extension_sid(extension(*names))

    def test_an_other_tag_is_not_the_sid(self) -> None:
        """The type alone does not make an OtherName."""
        name = tlv(0xA1, OBJECT_SID + tlv(0xA0, tlv(0x04, SID.encode())))
        with pytest.raises(CertificateError, match="has 0 SIDs"):
            extension_sid(extension(name))

    def test_no_sid_inside(self) -> None:
        """What stands there has to be a SID."""
        with pytest.raises(CertificateError, match="'alice' is not a SID"):
            extension_sid(extension(other_name(b"alice")))

    @given(st.binary(max_size=80))
    def test_any_bytes(self, content: bytes) -> None:
        """They are a SID or refused, in either place."""
        for octets in (content, extension(content), extension(other_name(content))):
            try:
                found = extension_sid(octets)
            except CertificateError:
                continue
            assert sid_problem(found) is None

    @given(st.integers(0, 2**48 - 1), st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=15))
    def test_any_sid(self, authority: int, numbers: list[int]) -> None:
        """Whatever is written is read."""
        sid = "-".join(["S-1", str(authority), *map(str, numbers)])
        assert extension_sid(extension(other_name(sid.encode()))) == sid


class TestUri:
    """`uri_sids`."""

    def test_among_others(self) -> None:
        """Other URIs are nobody's SID."""
        tag = "tag:microsoft.com,2022-09-14:sid:"
        assert uri_sids(["http://x.test/", tag + SID]) == (SID,)
        assert uri_sids(["tag:microsoft.com,2030-01-01:sid:" + SID]) == ()

    def test_no_sid_inside(self) -> None:
        """A template that was not filled in is refused rather than passed over."""
        with pytest.raises(CertificateError, match="is not a SID"):
            uri_sids(["tag:microsoft.com,2022-09-14:sid:{{OnPremisesSecurityIdentifier}}"])
