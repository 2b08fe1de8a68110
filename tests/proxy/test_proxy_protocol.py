"""Behind a load balancer the client is whom it names, and nobody else may connect."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from ipaddress import ip_network

import pytest

from tests.helpers import Pki, client_context
from tests.proxy.bed import Bed, bed, eventually, post
from tests.proxy.resuming import Resuming
from tests.tls.test_proxy_protocol import header


@pytest.fixture
async def plane(pki: Pki) -> AsyncIterator[Bed]:
    """A data plane that trusts load balancers on this machine."""
    async with bed(pki, proxies=(ip_network("127.0.0.0/8"),)) as one:
        yield one


def _alice(plane: Bed) -> Resuming:
    return Resuming(plane.pki, ssl.TLSVersion.TLSv1_3)


async def _rest(reader: asyncio.StreamReader) -> bytes:
    """What comes until the gateway ends the connection, or cuts it."""
    with contextlib.suppress(ConnectionError):
        return await reader.read()
    return b""


@pytest.mark.parametrize("step", [1, 1 << 20])
@pytest.mark.parametrize("source", ["192.0.2.7", "2001:db8::7"])
async def test_the_client_is_whom_it_names(plane: Bed, step: int, source: str) -> None:
    """On record and for the mail server, however the network cuts the header."""
    first = header(source, tlvs=b"\x04\0\x01\0")
    assert (await _alice(plane).ask(plane, post(), first=first, step=step)).status == 200
    assert plane.mail.requests[0].get("x-forwarded-for") == [source]
    assert [r["client_address"] for r in plane.audit()] == [source]


async def test_the_load_balancer_speaks_for_itself(plane: Bed) -> None:
    """LOCAL: its own address stands."""
    assert (await _alice(plane).ask(plane, post(), first=header(command=0x20))).status == 200
    assert plane.mail.requests[0].get("x-forwarded-for") == ["127.0.0.1"]


async def test_a_client_is_counted_by_its_own_address(pki: Pki) -> None:
    """Not by the load balancer's, which all of them share."""
    trusted = (ip_network("127.0.0.0/8"),)
    async with bed(pki, proxies=trusted, limits={"connections_address": 1}) as plane:
        reader, writer = await asyncio.open_connection("127.0.0.1", plane.port)
        writer.write(header("192.0.2.7") + _hello(plane))
        assert await reader.read(1)
        other, refused = await asyncio.open_connection("127.0.0.1", plane.port)
        refused.write(header("192.0.2.7") + _hello(plane))
        assert await _rest(other) == b""
        assert plane.counters.connections_refused["address"] == 1
        first = header("192.0.2.8")
        assert (await _alice(plane).ask(plane, post(), first=first)).status == 200
        writer.close()
        refused.close()


def _hello(plane: Bed) -> bytes:
    outgoing = ssl.MemoryBIO()
    context = client_context(plane.pki, plane.pki.alice)
    tls = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()


async def test_a_failed_handshake_is_the_clients(plane: Bed) -> None:
    """Its address is in the log."""
    reader, writer = await asyncio.open_connection("127.0.0.1", plane.port)
    writer.write(header("192.0.2.7") + b"GET / HTTP/1.1\r\n\r\n")
    await reader.read()
    (line,) = plane.log()
    assert (line["event"], line["client_address"]) == ("handshake.failed", "192.0.2.7")
    writer.close()


@pytest.mark.parametrize(
    ("first", "words"),
    [
        (b"PROXY TCP4 192.0.2.7 192.0.2.1 50000 443\r\n", "version 2"),
        (b"\x16\x03\x01\x02\x00", "does not begin with"),
    ],
)
async def test_another_beginning_is_refused(plane: Bed, first: bytes, words: str) -> None:
    """Version 1, or none: cut off, with a line that says what to change."""
    reader, writer = await asyncio.open_connection("127.0.0.1", plane.port)
    writer.write(first)
    assert await _rest(reader) == b""
    (line,) = plane.log()
    assert (line["event"], line["client_address"]) == ("connection.refused", "127.0.0.1")
    assert words in line["detail"]
    writer.close()
    await eventually(lambda: not plane.connections)


async def test_whoever_is_not_trusted_is_refused(pki: Pki) -> None:
    """Whatever it says of itself."""
    async with bed(pki, proxies=(ip_network("192.0.2.0/24"),)) as plane:
        with pytest.raises((ConnectionError, ssl.SSLError)):
            await _alice(plane).ask(plane, post(), first=header())
        (line,) = plane.log()
        assert line["event"] == "connection.refused"
        assert "listen.proxy_protocol_from" in line["detail"]
        assert plane.counters.handshakes["ok"] == 0


async def test_a_header_that_does_not_end_is_late(plane: Bed) -> None:
    """The handshake's time limit is the header's, too."""
    reader, writer = await asyncio.open_connection("127.0.0.1", plane.port)
    writer.write(header()[:20])
    await eventually(lambda: bool(plane.connections))
    plane.sweep(plane.handshake_timeout_seconds + 1)
    assert await _rest(reader) == b""
    assert plane.counters.handshakes["timeout"] == 1
    writer.close()


async def test_tls_without_a_header_is_none(pki: Pki) -> None:
    """Where phones connect themselves, a header is no TLS."""
    async with bed(pki) as plane:
        with pytest.raises((ConnectionError, ssl.SSLError)):
            await _alice(plane).ask(plane, post(), first=header())
        assert plane.counters.handshakes["not_tls"] == 1
