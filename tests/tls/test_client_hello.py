"""The server name is read before OpenSSL sees the ClientHello, and as OpenSSL reads it."""

import contextlib
import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.tls.client_hello import first_record, offers_ticket, server_name
from tests.helpers import Pki, client_context, server_context

VERSIONS = pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])


def _hello(name: str | None, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> bytes:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.minimum_version = context.maximum_version = version
    outgoing = ssl.MemoryBIO()
    tls = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()


HELLO = _hello("mail.example.test")


@VERSIONS
@pytest.mark.parametrize("name", ["localhost", "Mail.Example.Test", "x" * 60 + ".test"])
def test_the_name_that_a_client_asks_for(version: ssl.TLSVersion, name: str) -> None:
    """In lower case, as names are compared."""
    hello = _hello(name, version)
    assert first_record(hello)
    assert server_name(hello) == name.lower()


@pytest.mark.parametrize("name", [None, "192.0.2.1", "::1"])
def test_no_name(name: str | None) -> None:
    """A client that connects to an address asks for none."""
    assert server_name(_hello(name)) is None


def test_a_piece_is_not_enough() -> None:
    """Only the whole record tells."""
    assert not any(first_record(HELLO[:size]) for size in range(len(HELLO)))
    assert all(server_name(HELLO[:size]) is None for size in range(len(HELLO)))


def test_what_comes_behind_makes_no_difference() -> None:
    """The record has its own length."""
    assert server_name(HELLO + HELLO) == "mail.example.test"


@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\n", b"\x17\x03\x03", b"\x16\x03\x01\xff\xff"])
def test_other_protocols_need_no_waiting(data: bytes) -> None:
    """OpenSSL is to say what is wrong with them."""
    assert first_record(data)
    assert server_name(data) is None


def test_a_hello_in_two_records_names_nobody() -> None:
    """It is served, without tickets."""
    cut = 60
    pieces = HELLO[5:cut], HELLO[cut:]
    hello = b"".join(HELLO[:3] + len(one).to_bytes(2) + one for one in pieces)
    assert first_record(hello)
    assert server_name(hello) is None


@given(st.integers(0, len(HELLO) - 1), st.integers(0, 255))
def test_a_changed_octet_gives_a_name_or_none(position: int, octet: int) -> None:
    """Nothing else happens, and no name is longer than what is there."""
    name = server_name(HELLO[:position] + bytes((octet,)) + HELLO[position + 1 :])
    assert name is None or len(name) <= len(HELLO)


@given(st.binary(max_size=300))
def test_any_octets_give_a_name_or_none(data: bytes) -> None:
    """Behind a header that promises a ClientHello, too."""
    assert server_name(data) is None or first_record(data)
    header = b"\x16\x03\x01" + (len(data) + 4).to_bytes(2) + b"\x01" + len(data).to_bytes(3)
    name = server_name(header + data)
    assert name is None or name.encode() in data.lower()


@VERSIONS
def test_a_client_that_was_there_before_shows_its_ticket(pki: Pki, version: ssl.TLSVersion) -> None:
    """session_ticket with content, or pre_shared_key; a new client sends the first one empty."""
    server, client = server_context(pki), client_context(pki, pki.alice)
    client.minimum_version = client.maximum_version = version
    assert not offers_ticket(_first(client, None))
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    at_server = server.wrap_bio(to_server, to_client, server_side=True)
    at_client = client.wrap_bio(to_client, to_server, server_hostname="localhost")
    for side in (at_client, at_server, at_client, at_server, at_client):
        with contextlib.suppress(ssl.SSLWantReadError):
            side.do_handshake()
    at_server.write(b"x")
    assert at_client.read() == b"x"
    hello = _first(client, at_client.session)
    assert offers_ticket(hello)
    assert not any(offers_ticket(hello[:size]) for size in range(len(hello)))


def _first(client: ssl.SSLContext, session: ssl.SSLSession | None) -> bytes:
    outgoing = ssl.MemoryBIO()
    tls = client.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost", session=session)
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()


@given(st.integers(0, len(HELLO) - 1), st.integers(0, 255))
def test_any_hello_shows_a_ticket_or_none(position: int, octet: int) -> None:
    """Whatever is in it: nobody is asked to send another."""
    data = HELLO[:position] + bytes((octet,)) + HELLO[position + 1 :]
    assert offers_ticket(data) in {True, False}
