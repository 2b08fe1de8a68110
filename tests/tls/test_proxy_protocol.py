"""PROXY protocol headers are read as section 2.2 of its specification has them."""

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.tls.proxy_protocol import ProxyHeader, ProxyProtocolError, read_header

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
TLVS = st.binary(max_size=40)


def header(
    source: str = "192.0.2.7", *, command: int = 0x21, family: int | None = None, tlvs: bytes = b""
) -> bytes:
    """As a load balancer sends it."""
    address = ip_address(source)
    ports = (50000).to_bytes(2) + (443).to_bytes(2)
    content = address.packed * 2 + ports + tlvs
    if family is None:
        family = 0x11 if address.version == 4 else 0x21
    return SIGNATURE + bytes((command, family)) + len(content).to_bytes(2) + content


ADDRESSES = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)).map(str)


@given(ADDRESSES, TLVS, st.binary(max_size=20))
def test_the_address_of_the_client(source: str, tlvs: bytes, behind: bytes) -> None:
    """Whatever TLVs follow it, and whatever comes behind the header."""
    data = header(source, tlvs=tlvs)
    assert read_header(data + behind) == ProxyHeader(len(data), source)
    assert all(read_header(data[:size]) is None for size in range(len(data)))


@pytest.mark.parametrize("command", [0x20, 0x21])
def test_nobody_is_named(command: int) -> None:
    """The load balancer speaks for itself, or does not know; the connection's address stands."""
    data = SIGNATURE + bytes((command, 0)) + (3).to_bytes(2) + b"tlv"
    assert read_header(data) == ProxyHeader(len(data), None)
    local = header(command=0x20)
    assert read_header(local) == ProxyHeader(len(local), None)


WRONG = {
    b"PROXY TCP4 192.0.2.7 192.0.2.1 50000 443\r\n": "version 1",
    b"PROXY U": "version 1",
    b"PROXX": "does not begin with",
    b"\x16\x03\x01\x02\x00": "does not begin with",
    b"\r\n\r\n\0\r\nQUIP": "does not begin with",
    header(command=0x11): "command 0x11",
    header(command=0x22): "command 0x22",
    header(family=0x12): "address family 0x12",
    header(family=0x31): "address family 0x31",
    SIGNATURE + b"\x21\x11\x00\x04abcd": "too short",
    SIGNATURE + b"\x21\x21\x00\x0c" + bytes(12): "too short",
    SIGNATURE + b"\x21\x11\x20\x00": "8192 octets",
}


@pytest.mark.parametrize(("data", "words"), WRONG.items())
def test_what_is_none_is_refused(data: bytes, words: str) -> None:
    """As soon as that is plain, with a sentence that says what to change."""
    with pytest.raises(ProxyProtocolError, match=words):
        read_header(data)


@given(st.binary(max_size=80))
def test_any_octets_are_read_or_refused(data: bytes) -> None:
    """And an address is one; a header is never longer than what is there."""
    for whole in (data, SIGNATURE + data):
        try:
            found = read_header(whole)
        except ProxyProtocolError:
            continue
        if found is not None:
            assert found.length <= len(whole)
            assert found.address is None or ip_address(found.address)
