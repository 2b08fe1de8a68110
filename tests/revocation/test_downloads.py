"""One round of downloads."""

import asyncio

import pytest
from aiohttp import web

from gateway.config import Revocation
from gateway.errors import CrlError
from gateway.revocation.downloads import Downloads
from gateway.revocation.fetch import Fetched, NotModified, Validators
from tests.revocation.crl_server import CrlServer, hang

SETTINGS = Revocation(download_timeout_seconds=5)


async def test_a_url_is_asked_once_a_round(server: CrlServer) -> None:
    """Whoever asks at the same time or later in the round gets the same answer."""
    server.files["/a.crl"] = b"crl"
    url = f"{server.url}/a.crl"
    async with Downloads(SETTINGS) as downloads:
        together = await asyncio.gather(*(downloads.get(url, Validators()) for _ in range(3)))
        later = await downloads.get(url, Validators())
    assert all(one is later for one in together)
    assert server.requests == ["/a.crl"]


async def test_who_has_another_version_asks_for_himself(server: CrlServer) -> None:
    """Not modified is true for those alone who have what the validators came from."""
    server.files["/a.crl"] = b"crl"
    url = f"{server.url}/a.crl"
    async with Downloads(SETTINGS) as downloads:
        fetched = await downloads.get(url, Validators())
        assert isinstance(fetched, Fetched)
        assert await downloads.get(url, fetched.validators) == NotModified()


async def test_a_failure_is_everybodys(server: CrlServer) -> None:
    """And is not tried again in the same round."""
    async with Downloads(SETTINGS) as downloads:
        for _ in range(2):
            with pytest.raises(CrlError, match="answers 404"):
                await downloads.get(f"{server.url}/none.crl", Validators())
    assert server.requests == ["/none.crl"]


async def test_the_end_of_a_round_ends_its_downloads(server: CrlServer) -> None:
    """Who still waits is cancelled rather than left waiting."""
    asked = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        asked.set()
        return await hang(request)

    server.handlers["/a.crl"] = handler
    async with Downloads(SETTINGS) as downloads:
        waiting = asyncio.gather(downloads.get(f"{server.url}/a.crl", Validators()))
        await asked.wait()
    with pytest.raises(asyncio.CancelledError):
        await waiting
