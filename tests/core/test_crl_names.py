"""Names that are the same in another spelling."""

import contextlib

import pytest
from cryptography import x509
from cryptography.x509.name import _ASN1Type
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.crl_der import encode
from gateway.core.crl_names import canonical_name
from gateway.errors import CrlError

CN = b"\x06\x03\x55\x04\x03"


def name(text: str, kind: _ASN1Type = _ASN1Type.UTF8String) -> bytes:
    """A name of one common name."""
    attribute = x509.NameAttribute(x509.NameOID.COMMON_NAME, text, kind)
    return x509.Name([attribute]).public_bytes()


def rdn(*attributes: bytes) -> bytes:
    """A relative distinguished name of encoded attributes."""
    return encode(0x31, b"".join(attributes))


@pytest.mark.parametrize(
    "other",
    [
        name("issuing ca"),
        name("  Issuing   CA "),
        name("Issuing CA", _ASN1Type.PrintableString),
        name("Issuing CA", _ASN1Type.BMPString),
        name("Issuing CA", _ASN1Type.T61String),
    ],
)
def test_case_blanks_and_string_type_do_not_count(other: bytes) -> None:
    """RFC 5280 section 7.1."""
    assert canonical_name(other) == canonical_name(name("Issuing CA"))


def test_the_order_of_rdns_counts_and_that_inside_one_does_not() -> None:
    """An RDN is a set, a name a sequence of them."""
    one, two = (encode(0x30, CN + encode(0x0C, text)) for text in (b"a", b"b"))
    apart = canonical_name(encode(0x30, rdn(one) + rdn(two)))
    assert apart != canonical_name(encode(0x30, rdn(two) + rdn(one)))
    together = canonical_name(encode(0x30, rdn(one, two)))
    assert together == canonical_name(encode(0x30, rdn(two, one)))
    assert together != apart


@pytest.mark.parametrize("value", [b"\x02\x01\x05", b"\x0c\x01\xff"])
def test_a_value_that_is_no_text_is_compared_as_it_is(value: bytes) -> None:
    """What cannot be folded equals itself alone."""
    encoded = encode(0x30, rdn(encode(0x30, CN + value)))
    assert value in canonical_name(encoded)


@pytest.mark.parametrize(
    ("encoded", "sentence"),
    [
        (b"\x31\x00", "a name has tag 0x31"),
        (b"\x30\x00\x00", "followed by something else"),
        (b"\x30\x02\x30\x00", "no relative distinguished name"),
        (encode(0x30, rdn(b"\x0c\x00")), "no attribute"),
        (encode(0x30, rdn(encode(0x30, b"\x0c\x00"))), "an attribute has tag 0x0c"),
        (encode(0x30, rdn(encode(0x30, CN + b"\x0c\x00\x0c\x00"))), "more than one value"),
    ],
)
def test_what_is_no_name_is_refused(encoded: bytes, sentence: str) -> None:
    """The sentence says what stands where it should not."""
    with pytest.raises(CrlError, match=sentence):
        canonical_name(encoded)


@given(st.text(max_size=20))
def test_folding_twice_is_folding_once(text: str) -> None:
    """The canonical form of a canonical form is itself."""
    with contextlib.suppress(ValueError):
        once = canonical_name(name(text or " "))
        assert canonical_name(once) == once


@given(st.binary(max_size=60))
def test_any_octets_are_a_name_or_a_crl_error(encoded: bytes) -> None:
    """No input raises anything but CrlError."""
    with contextlib.suppress(CrlError):
        canonical_name(encoded)
