"""What a demo needs of the network: free ports, a place to publish CRLs, word that all is up."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

import aiohttp
from aiohttp import web

from gateway.cli.demo_folder import HOST, Ports
from gateway.errors import ConfigError

USUAL_PORT: Final = 8443
CRLS: Final = ("root.crl", "issuing.crl")
_READY_SECONDS: Final = 60.0
_POLL_SECONDS: Final = 0.05


def choose_ports(wanted: int | None) -> Ports:
    """Ports that are free now: `wanted`, or 8443 if it is free, and any others.

    Raises ConfigError if `wanted` cannot be had.
    """
    with ExitStack() as held:
        phones = _free(wanted or USUAL_PORT) or (None if wanted else _free(0))
        if phones is None:
            raise ConfigError(f"--port: {wanted} on {HOST} is in use or not allowed; name another")
        held.enter_context(phones)
        others = [held.enter_context(socket.create_server((HOST, 0))) for _ in range(2)]
        admin, mail = (one.getsockname()[1] for one in others)
        return Ports(phones.getsockname()[1], admin, mail)


def _free(port: int) -> socket.socket | None:
    try:
        return socket.create_server((HOST, port))
    except OSError:
        return None


@asynccontextmanager
async def publishing(pki: Path) -> AsyncIterator[str]:
    """The CRLs in `pki`, and nothing else there, can be had below the URL that this gives."""

    async def serve(request: web.Request) -> web.FileResponse:
        return web.FileResponse(pki / request.match_info["name"])

    application = web.Application()
    application.router.add_get(f"/{{name:{'|'.join(CRLS)}}}", serve)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        listening = socket.create_server((HOST, 0))
        await web.SockSite(runner, listening).start()
        yield f"http://{HOST}:{listening.getsockname()[1]}"
    finally:
        await runner.cleanup()


async def until_listening(port: int, ended: Callable[[], int | None]) -> None:
    """Return when something listens on the port; `ended` is the status of who should.

    Raises ConfigError if that process ends first or takes too long.
    """

    async def listens() -> bool:
        try:
            _, writer = await asyncio.open_connection(HOST, port)
        except OSError:
            return False
        writer.close()
        await writer.wait_closed()
        return True

    await _until(listens, ended, f"port {port}")


async def until_ready(admin_port: int, ended: Callable[[], int | None]) -> None:
    """Return when the gateway says that it can serve; raises ConfigError as `until_listening`."""
    async with aiohttp.ClientSession() as session:

        async def is_ready() -> bool:
            try:
                async with session.get(f"http://{HOST}:{admin_port}/readyz") as answer:
                    return answer.status == web.HTTPOk.status_code
            except aiohttp.ClientError:
                return False

        await _until(is_ready, ended, "/readyz")


async def _until(
    condition: Callable[[], Awaitable[bool]], ended: Callable[[], int | None], what: str
) -> None:
    try:
        async with asyncio.timeout(_READY_SECONDS):
            while not await condition():
                if (status := ended()) is not None:
                    raise ConfigError(f"the process ended with {status}; its log says why")
                await asyncio.sleep(_POLL_SECONDS)
    except TimeoutError as error:
        raise ConfigError(f"{what} does not answer after {_READY_SECONDS:g} s") from error
