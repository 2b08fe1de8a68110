"""BER values are found where they are, and bytes that are none are refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import ProfileError
from gateway.pki.names import tlv
from gateway.profiles.ber import read


@given(st.binary(max_size=600), st.binary(max_size=5))
def test_definite(content: bytes, rest: bytes) -> None:
    """Lengths of one and of more octets; what follows is not part of the value."""
    der = tlv(0x04, content)
    value = read(der + rest, 0, len(der + rest))
    assert (value.octets, value.raw, value.end) == (content, der, len(der))


@given(st.lists(st.binary(max_size=20), max_size=5))
def test_pieces(pieces: list[bytes]) -> None:
    """A string in pieces is the pieces together, with and without lengths."""
    inside = b"".join(tlv(0x04, piece) for piece in pieces)
    for ber in (tlv(0x24, inside), b"\x24\x80" + inside + b"\0\0"):
        value = read(ber, 0, len(ber))
        assert value.octets == b"".join(pieces)
        assert value.end == len(ber)


@pytest.mark.parametrize(
    "ber",
    [
        b"\x04",
        b"\x04\x05abc",
        b"\x1f\x81\x01\x00",
        b"\x04\x80\0\0",
        b"\x24\x80\x04\x01a",
        b"\x04\x85",
    ],
)
def test_no_value(ber: bytes) -> None:
    """Cut off, with a long tag, primitive without a length, without its end, or too long."""
    with pytest.raises(ProfileError):
        read(ber, 0, len(ber))


def test_a_child_stays_inside() -> None:
    """A value that is longer than what is round it is refused."""
    value = read(b"\x30\x03\x04\x05abcde", 0, 9)
    with pytest.raises(ProfileError, match="cut off"):
        list(value.children)
