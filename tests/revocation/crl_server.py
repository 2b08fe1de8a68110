"""A web server on loopback whose CRLs a test changes while it runs."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class CrlServer:
    """Serves `files` by path, with an ETag; `handlers` answer their paths instead.

    `requests` holds the path of every request, `not_modified` how many were answered 304.
    """

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    handlers: dict[str, Handler] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    not_modified: int = 0

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """What stands for the request's path now."""
        self.requests.append(request.path)
        if request.path in self.handlers:
            return await self.handlers[request.path](request)
        if request.path not in self.files:
            raise web.HTTPNotFound
        body = self.files[request.path]
        etag = f'"{hash(body):x}"'
        if request.headers.get("If-None-Match") == etag:
            self.not_modified += 1
            return web.Response(status=304, headers={"ETag": etag})
        return web.Response(
            body=body, headers={"ETag": etag, "Last-Modified": "Tue, 24 Nov 2026 12:00:00 GMT"}
        )


@asynccontextmanager
async def crl_server() -> AsyncIterator[CrlServer]:
    """A server that is up, and down again afterwards."""
    server = CrlServer()
    runner = web.ServerRunner(
        web.Server(server.answer),  # type: ignore[arg-type]  # it says less than it takes
        shutdown_timeout=0.01,
    )
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    server.url = f"http://{host}:{port}"
    try:
        yield server
    finally:
        await runner.cleanup()


async def hang(request: web.Request) -> web.StreamResponse:
    """An answer that never ends: a few octets, and then nothing."""
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(b"\x30")
    await asyncio.Event().wait()
    return response
