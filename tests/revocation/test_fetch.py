"""Fetching over real sockets, within the limits."""

import asyncio
import re

import pytest
from aiohttp import web

from gateway.errors import CrlError
from gateway.revocation.fetch import Fetched, FetchLimits, NotModified, Validators, fetch
from tests.revocation.crl_server import CrlServer, Handler, hang

LIMIT = 100_000
UNCONDITIONAL = Validators()


async def get(
    url: str, validators: Validators = UNCONDITIONAL, seconds: float = 5
) -> Fetched | NotModified:
    """What is at `url`, within small limits."""
    return await fetch(url, FetchLimits(LIMIT, seconds), validators=validators)


def answering(
    status: int, headers: dict[str, str] | None = None, body: bytes | None = None
) -> Handler:
    """A handler that always gives one answer."""

    async def handler(request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, headers=headers, body=body)

    return handler


def redirecting(location: str | None) -> Handler:
    """A handler that sends the client on."""
    return answering(302, {"Location": location} if location else {})


async def test_the_octets_come_with_their_validators(server: CrlServer) -> None:
    """What was fetched can be asked for conditionally, and is then not sent again."""
    server.files["/a.crl"] = bytes(range(256)) * 300
    first = await get(f"{server.url}/a.crl")
    assert isinstance(first, Fetched)
    assert first.data == server.files["/a.crl"]
    assert first.validators.last_modified == "Tue, 24 Nov 2026 12:00:00 GMT"
    assert await get(f"{server.url}/a.crl", first.validators) == NotModified()
    server.files["/a.crl"] = b"other"
    second = await get(f"{server.url}/a.crl", first.validators)
    assert isinstance(second, Fetched)
    assert second.data == b"other"


async def test_exactly_the_limit_is_within_it(server: CrlServer) -> None:
    """One octet more is not."""
    server.files["/a.crl"] = bytes(LIMIT)
    assert isinstance(await get(f"{server.url}/a.crl"), Fetched)
    server.files["/a.crl"] = bytes(LIMIT + 1)
    with pytest.raises(CrlError, match=rf"a.crl: is 100001 octets long; the limit is {LIMIT}"):
        await get(f"{server.url}/a.crl")


async def test_the_limit_holds_where_no_length_is_announced(server: CrlServer) -> None:
    """A body that goes on is cut off as soon as it passes the limit."""

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(bytes(10_000))

    server.handlers["/a.crl"] = endless
    with pytest.raises(CrlError, match=r"a.crl: is longer than the limit of 100000 octets"):
        await get(f"{server.url}/a.crl")


async def test_the_time_limit_is_for_the_whole_download(server: CrlServer) -> None:
    """A server that sends a little and then nothing is given up."""
    server.handlers["/a.crl"] = hang
    with pytest.raises(CrlError, match=r"a.crl: did not arrive within 0.2 s"):
        await get(f"{server.url}/a.crl", seconds=0.2)


async def test_a_redirect_is_followed(server: CrlServer) -> None:
    """Relative and absolute, on the same scheme."""
    server.files["/c.crl"] = b"crl"
    server.handlers["/a.crl"] = redirecting(f"{server.url}/b.crl")
    server.handlers["/b.crl"] = redirecting("c.crl")
    found = await get(f"{server.url}/a.crl")
    assert isinstance(found, Fetched)
    assert found.data == b"crl"
    assert server.requests == ["/a.crl", "/b.crl", "/c.crl"]


@pytest.mark.parametrize(
    ("handler", "sentence"),
    [
        (redirecting("/a.crl"), "redirects more than 5 times"),
        (redirecting(None), "redirects without saying where to"),
        (redirecting("https://127.0.0.1/a.crl"), "redirects to https://127.0.0.1/a.crl, another"),
        (redirecting("file:///etc/passwd"), "another scheme"),
        (answering(404), "answers 404 Not Found"),
        (answering(500), "answers 500 Internal Server Error"),
        (answering(204), "answers 204"),
        (answering(304), "answers 304"),
        (
            answering(200, {"Content-Encoding": "gzip"}, b"x"),
            "Content-Encoding gzip",
        ),
    ],
)
async def test_an_answer_that_brings_no_crl_is_an_error(
    server: CrlServer, handler: Handler, sentence: str
) -> None:
    """The error names the URL and what was wrong."""
    server.handlers["/a.crl"] = handler
    with pytest.raises(CrlError, match=f"^{re.escape(server.url)}/a.crl: .*{sentence}"):
        await get(f"{server.url}/a.crl")


async def test_a_body_cut_short_is_an_error(server: CrlServer) -> None:
    """Less than the announced length is not taken for the whole."""

    async def short(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "10"})
        await response.prepare(request)
        await response.write(b"12345")
        assert request.transport is not None
        request.transport.close()
        return response

    server.handlers["/a.crl"] = short
    with pytest.raises(CrlError, match=r"a.crl: cannot be fetched"):
        await get(f"{server.url}/a.crl")


@pytest.mark.parametrize(
    "url",
    ["ldap://127.0.0.1/cn=ca", "ftp://127.0.0.1/a", "file:///etc/passwd", "http:///a", "a.crl", ""],
)
async def test_only_http_urls_are_fetched(url: str) -> None:
    """No other scheme reaches the network or the disk."""
    with pytest.raises(CrlError, match=f"^{re.escape(url)}: only http:// and https://"):
        await get(url)


async def test_what_is_no_url_is_an_error() -> None:
    """A port that is none, say."""
    with pytest.raises(CrlError, match=r"^http://127.0.0.1:99999/a: "):
        await get("http://127.0.0.1:99999/a")


async def test_a_server_that_is_down_is_an_error(server: CrlServer) -> None:
    """The sentence says that nothing listens."""
    closed = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    port = closed.sockets[0].getsockname()[1]
    closed.close()
    await closed.wait_closed()
    with pytest.raises(CrlError, match=rf"^http://127.0.0.1:{port}/a: cannot be fetched"):
        await get(f"http://127.0.0.1:{port}/a")


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254",
        "[fe80::1]",
        "[::ffff:169.254.169.254]",
        "[fd00:ec2::254]",
        "[64:ff9b::a9fe:a9fe]",
        "[2002:a9fe:a9fe::]",
        "100.100.100.200",
        "0xa9fea9fe",  # which the system's resolver reads as an address
    ],
)
async def test_link_local_and_metadata_addresses_are_refused(host: str) -> None:
    """However the address is written; nothing is sent to it."""
    with pytest.raises(CrlError, match=r"/a: is at .*link-local .*revocation\.allow_link_local"):
        await get(f"http://{host}/a")


async def test_a_redirect_to_a_refused_address_is_not_followed(server: CrlServer) -> None:
    """A web server cannot make the gateway ask a cloud for its secrets."""
    server.handlers["/a.crl"] = redirecting("http://169.254.169.254/latest/meta-data/")
    with pytest.raises(CrlError, match=r"is at 169\.254\.169\.254, a link-local"):
        await get(f"{server.url}/a.crl")


async def test_link_local_addresses_can_be_allowed() -> None:
    """Then it is the system that says what is wrong: which interface is not said."""
    limits = FetchLimits(LIMIT, 5, allow_link_local=True)
    with pytest.raises(CrlError, match="cannot be fetched"):
        await fetch("http://[fe80::1]:9/a", limits)


async def test_a_name_is_resolved_and_asked(server: CrlServer) -> None:
    """An ordinary name goes through the same resolver."""
    server.files["/a.crl"] = b"crl"
    found = await get(server.url.replace("127.0.0.1", "localhost") + "/a.crl")
    assert isinstance(found, Fetched)


async def test_progress_is_told_as_octets_come(server: CrlServer) -> None:
    """With the length that the server announced; the last report is of the whole."""
    server.files["/a.crl"] = bytes(LIMIT)
    told: list[tuple[str, int, int | None]] = []
    url = f"{server.url}/a.crl"
    await fetch(url, FetchLimits(LIMIT, 5), progress=lambda *report: told.append(report))
    assert told[-1] == (url, LIMIT, LIMIT)
    assert [octets for _, octets, _ in told] == sorted(octets for _, octets, _ in told)
