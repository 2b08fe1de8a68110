"""Real servers on loopback for the tests of the device and of the demo mail server."""

import socket
import ssl
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from multidict import CIMultiDict

from gateway.probe.device import Device


@asynccontextmanager
async def serve(
    app: web.Application, tls: ssl.SSLContext | None = None, *, port: int = 0
) -> AsyncIterator[str]:
    """Serve `app` on a port of 127.0.0.1, a free one unless given, and give its URL."""
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=5)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port, ssl_context=tls)
    await site.start()
    try:
        scheme = "http" if tls is None else "https"
        yield f"{scheme}://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@contextmanager
def handshake_only(tls: ssl.SSLContext) -> Iterator[str]:
    """A TLS server that takes one connection, and ends it when the handshake failed.

    The TLS of asyncio closes without the alert then; here it is sent. What the client still sends
    is read, lest a reset overtake the alert.
    """

    def serve_one() -> None:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        server = tls.wrap_bio(incoming, outgoing, server_side=True)
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(5)
            try:
                while not _done(server):
                    connection.sendall(outgoing.read())
                    incoming.write(connection.recv(1 << 16))
            except ssl.SSLError:
                connection.sendall(outgoing.read())
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(1 << 16):
                pass

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(5)
        thread = threading.Thread(target=serve_one)
        thread.start()
        try:
            yield f"https://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            thread.join()


def _done(server: ssl.SSLObject) -> bool:
    try:
        server.do_handshake()
    except ssl.SSLWantReadError:
        return False
    return True


def naming(user: str, header: str = "X-Remote-User") -> Middleware:
    """What the gateway does before a mail server: say who the user is."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        headers = CIMultiDict(request.headers)
        headers[header] = user
        return await handler(request.clone(headers=headers))

    return middleware


def phone(url: str, **options: object) -> Device:
    """A device of alice's at that URL."""
    settings: dict[str, object] = {"user": "alice@example.test", "device_id": "PHONE1"}
    return Device(url=url, **{**settings, **options})  # type: ignore[arg-type]  # fields vary by test
