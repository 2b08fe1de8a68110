"""Subject alternative names are encoded as their standards say."""

import ipaddress

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import CertificateError
from gateway.pki.names import (
    device_names,
    host_name,
    host_names,
    principal_name,
    rfc822_name,
    tlv,
)
from tests.helpers import der_content_length, der_header_length


def test_principal_name_is_the_der_of_a_utf8_string() -> None:
    """A UPN is an OtherName of Microsoft's type that holds a UTF8String."""
    name = principal_name("ä@x.test")
    assert name.type_id.dotted_string == "1.3.6.1.4.1.311.20.2.3"
    assert name.value == b"\x0c\x09" + "ä@x.test".encode()


def test_principal_name_refuses_what_utf8_cannot_hold() -> None:
    """A lone surrogate, as undecodable bytes on a command line become, is refused."""
    with pytest.raises(CertificateError, match="not UTF-8"):
        principal_name("\udcff@example.test")


@pytest.mark.parametrize(
    ("size", "header"),
    [
        (0, b"\x0c\x00"),
        (127, b"\x0c\x7f"),
        (128, b"\x0c\x81\x80"),
        (255, b"\x0c\x81\xff"),
        (256, b"\x0c\x82\x01\x00"),
        (65536, b"\x0c\x83\x01\x00\x00"),
    ],
)
def test_tlv_uses_the_shortest_length(size: int, header: bytes) -> None:
    """DER allows only the shortest form of a length (X.690, 10.1)."""
    assert tlv(0x0C, bytes(size)) == header + bytes(size)


@given(st.text(st.characters(codec="utf-8"), max_size=300))
def test_any_principal_name_can_be_read_back(upn: str) -> None:
    """Whatever the UPN, a reader of DER finds its text, and nothing after it."""
    value = principal_name(upn).value
    start = der_header_length(value)
    assert value[start:].decode() == upn
    assert start + der_content_length(value) == len(value)


@pytest.mark.parametrize("address", ["", "Alice <alice@example.test>", "älice@example.test"])
def test_rfc822_name_refuses_what_is_no_plain_address(address: str) -> None:
    """A display name, non-ASCII text and nothing at all are refused with the value named."""
    with pytest.raises(CertificateError, match="RFC822 name"):
        rfc822_name(address)


def test_host_names_are_addresses_or_dns_names_once_each() -> None:
    """IP addresses become iPAddress names, the rest DNS names, duplicates vanish."""
    hosts = host_names(["localhost", "127.0.0.1", "::1", "*.example.test", "localhost"])
    assert list(hosts) == [
        x509.DNSName("localhost"),
        x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
        x509.IPAddress(ipaddress.ip_address("::1")),
        x509.DNSName("*.example.test"),
    ]


@pytest.mark.parametrize("host", ["", "a b", "https://x.test", "mün.test", ".x", "a..b", "a\n"])
def test_host_name_refuses_what_is_none(host: str) -> None:
    """A URL, a blank, an empty label and non-ASCII text are no host names."""
    with pytest.raises(CertificateError, match="is no host name"):
        host_name(host)


def test_device_without_names_has_no_san() -> None:
    """An empty SAN extension is forbidden (RFC 5280, 4.2.1.6), so there is none."""
    assert device_names(None, None) is None
