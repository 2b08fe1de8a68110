"""Endpoints that a probe is sent to: real sockets in threads of their own, so that it may block."""

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from aiohttp import web
from OpenSSL import SSL

from gateway.probe.demo_server import demo_application
from tests.probe.serving import naming, serve

_START_SECONDS = 30.0


@contextlib.contextmanager
def serving(
    make: Callable[[], web.Application], tls: ssl.SSLContext | None = None, *, port: int = 0
) -> Iterator[int]:
    """The port of a web server whose application `make` gives, in the loop that serves it."""

    @contextlib.asynccontextmanager
    async def running() -> AsyncIterator[int]:
        async with serve(make(), tls, port=port) as url:
            yield int(url.rpartition(":")[2])

    with _in_thread(running) as taken:
        yield taken


@contextlib.contextmanager
def _in_thread(running: Callable[[], AbstractAsyncContextManager[int]]) -> Iterator[int]:
    started, ports = threading.Event(), []
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    async def work() -> None:
        async with running() as port:
            ports.append(port)
            started.set()
            await stop.wait()

    def run() -> None:
        try:
            loop.run_until_complete(work())
        finally:
            started.set()
            loop.close()

    thread = threading.Thread(target=run, name="endpoint")
    thread.start()
    try:
        assert started.wait(_START_SECONDS)
        yield ports[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()


def mail_for(user: str) -> Callable[[], web.Application]:
    """The demo mail server as one that knows who its user is."""

    def make() -> web.Application:
        application = demo_application()
        application.middlewares.append(naming(user))
        return application

    return make


def answering(
    status: int, body: str = "", headers: Mapping[str, str] | None = None
) -> Callable[[], web.Application]:
    """A web server that answers everything alike."""

    async def answer(_request: web.Request) -> web.Response:
        return web.Response(status=status, text=body, headers=headers)

    def make() -> web.Application:
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", answer)
        return application

    return make


@contextlib.contextmanager
def greeting(line: bytes) -> Iterator[int]:
    """A port that says something as soon as it is reached, waits for a word, and hangs up."""

    def talk(connection: socket.socket) -> None:
        connection.sendall(line)
        connection.recv(1 << 16)

    with talking(talk) as port:
        yield port


@contextlib.contextmanager
def silent() -> Iterator[int]:
    """A port that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0), backlog=32) as listener:
        yield listener.getsockname()[1]


@contextlib.contextmanager
def closed_port() -> Iterator[int]:
    """A port on which nothing listens, kept from everybody who does not ask for it by number."""
    with socket.socket() as kept:
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        kept.bind(("127.0.0.1", 0))
        yield kept.getsockname()[1]


def tls_for(
    certificate: str, key: str, *, ca: str | None = None, demanded: bool = True
) -> ssl.SSLContext:
    """A TLS server with that certificate; with `ca` it asks for a client certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")  # weak keys, too
    context.load_cert_chain(certificate, key)
    if ca is not None:
        context.load_verify_locations(ca)
        context.verify_mode = ssl.CERT_REQUIRED if demanded else ssl.CERT_OPTIONAL
    return context


@contextlib.contextmanager
def accepting_anyone(certificate: Path, key: Path, answer: bytes) -> Iterator[int]:
    """A TLS server that asks for a client certificate and takes whatever it gets."""
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.use_certificate_chain_file(str(certificate))
    context.use_privatekey_file(str(key))
    context.set_verify(SSL.VERIFY_PEER, lambda *_: True)

    def talk(connection: socket.socket) -> None:
        connection.settimeout(None)  # pyOpenSSL knows no timeouts of sockets
        tls = SSL.Connection(context, connection)
        tls.set_accept_state()
        with contextlib.suppress(SSL.Error):
            tls.do_handshake()
            tls.recv(1 << 16)
            tls.sendall(answer)
            tls.shutdown()

    with talking(talk) as port:
        yield port


@contextlib.contextmanager
def talking(talk: Callable[[socket.socket], None]) -> Iterator[int]:
    """A port whose connections are handed to `talk`, one after another, and closed after it."""

    def work() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                connection.settimeout(_START_SECONDS)
                talk(connection)

    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=work, name="talking")
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()
