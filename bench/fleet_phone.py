"""One phone of a fleet: a TLS connection in memory buffers, and one request at a time on it.

Its certificate is its own; context and private key are those of all phones.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import cast

import httptools
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from OpenSSL import SSL, crypto

from bench.pki import SERVER_NAME
from gateway.pki.identity import PrivateKey

_RELEASE_BUFFERS = 0x10  # SSL_MODE_RELEASE_BUFFERS, which pyOpenSSL does not name
_MOST = 65536
_FULL = "full handshake"


class Answer:
    """What was answered to one request.

    Attributes:
        status: the HTTP status.
        retry_after: seconds; None where the header is missing.
        keeps: whether the connection stays.
        body: what was answered.
    """

    def __init__(self) -> None:
        self.status = 0
        self.retry_after: int | None = None
        self.keeps = True
        self.body = b""


class ClosedError(ConnectionError):
    """The connection ended; `begun` if a part of the answer had come."""

    def __init__(self, *, begun: bool) -> None:
        super().__init__("the server closed the connection")
        self.begun = begun


def client_context(trusted: str) -> SSL.Context:
    """A context for phones that trust the root CA in that file."""
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.load_verify_locations(trusted)
    context.set_verify(SSL.VERIFY_PEER, _verified)
    context.set_mode(_RELEASE_BUFFERS)
    return context


def read_key(file: str) -> PrivateKey:
    """The private key of all phones, PEM."""
    return cast("PrivateKey", load_pem_private_key(Path(file).read_bytes(), None))


def _verified(
    connection: SSL.Connection, _certificate: crypto.X509, _error: int, _depth: int, good: int
) -> bool:
    """Notes that there was a certificate to verify, which is so unless a session is resumed."""
    connection.set_app_data(_FULL)
    return good == 1


class Line(asyncio.Protocol):
    """The connection of a phone; its handshake begins when TCP is up."""

    def __init__(
        self,
        context: SSL.Context,
        certificate: x509.Certificate,
        key: PrivateKey,
        session: SSL.Session | None = None,
    ) -> None:
        loop = asyncio.get_running_loop()
        self.ready: asyncio.Future[None] = loop.create_future()
        self.closed: asyncio.Future[None] = loop.create_future()
        self._tls = SSL.Connection(context, None)
        self._tls.use_certificate(certificate)
        self._tls.use_privatekey(key)
        self._tls.set_tlsext_host_name(SERVER_NAME.encode())
        self._tls.set_connect_state()
        if session is not None:
            self._tls.set_session(session)
        self._transport: asyncio.Transport | None = None
        self._answered: asyncio.Future[Answer] | None = None
        self._begun = False

    @property
    def server_serial(self) -> int:
        """The serial number of the server's certificate, once the connection is ready."""
        certificate = self._tls.get_peer_certificate()
        return 0 if certificate is None else certificate.get_serial_number()

    @property
    def resumed(self) -> bool:
        """Whether the session that was given is resumed, once the connection is ready."""
        return self._tls.get_app_data() is not _FULL

    @property
    def session(self) -> SSL.Session | None:
        """What another connection may resume; TLS 1.3 has it from the first answer on."""
        return self._tls.get_session()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say hello."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's does not inherit it
        self._shake_hands()

    def data_received(self, data: bytes) -> None:
        """Take what came: a part of the handshake, or of an answer."""
        self._tls.bio_write(data)
        if not self.ready.done():
            self._shake_hands()
        if self.ready.done():
            self._read()

    def connection_lost(self, exc: Exception | None) -> None:
        """A request without a whole answer has failed."""
        del exc
        self._end()

    def ask(self, request: bytes) -> "asyncio.Future[Answer]":
        """Send a request; the future ends with its answer, or with `ClosedError`."""
        self._answered = asyncio.get_running_loop().create_future()
        if self.closed.done() or self._transport is None:
            self._answered.set_exception(ClosedError(begun=False))
            return self._answered
        self._begun = False
        self._answer = Answer()
        self._parser = httptools.HttpResponseParser(self)
        self._tls.send(request)
        self._flush()
        return self._answered

    def close(self) -> None:
        """End the connection."""
        if self._transport is not None:
            self._transport.close()

    def leave(self) -> None:
        """The network is gone, and with it what would be sent: the server is told nothing."""
        if self._answered is not None:
            self._answered.cancel()
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def drop(self) -> None:
        """Forget the connection; what the server sends to it is answered with a reset."""
        if self._transport is not None:
            self._transport.abort()

    def on_body(self, data: bytes) -> None:
        """A part of the answer's body, told by the parser."""
        self._answer.body += data

    def on_header(self, name: bytes, value: bytes) -> None:
        """A field of the answer, told by the parser."""
        if name.lower() == b"retry-after":
            self._answer.retry_after = int(value)

    def on_message_complete(self) -> None:
        """The answer is whole, told by the parser."""
        self._answer.status = self._parser.get_status_code()
        self._answer.keeps = self._parser.should_keep_alive()
        if self._answered is not None and not self._answered.done():
            self._answered.set_result(self._answer)

    def _shake_hands(self) -> None:
        try:
            self._tls.do_handshake()
        except SSL.WantReadError:
            self._flush()
            return
        except SSL.Error:
            self.close()
            return
        self._flush()
        if not self.ready.done():
            self.ready.set_result(None)

    def _read(self) -> None:
        try:
            while True:
                data = self._tls.recv(_MOST)
                self._begun = True
                self._parser.feed_data(data)
        except SSL.WantReadError:
            pass
        except SSL.Error:  # close_notify, or an alert: no more comes
            self._end()
            self.close()

    def _end(self) -> None:
        if not self.closed.done():
            self.closed.set_result(None)
        if not self.ready.done():
            self.ready.set_exception(ClosedError(begun=False))
        if self._answered is not None and not self._answered.done():
            self._answered.set_exception(ClosedError(begun=self._begun))

    def _flush(self) -> None:
        try:
            data = self._tls.bio_read(_MOST)
        except SSL.WantReadError:
            return
        if self._transport is not None:
            self._transport.write(data)


async def connect(make: Callable[[], Line], *, port: int, address: str) -> Line:
    """What `make` makes, connected from the local `address` to `port` of 127.0.0.1.

    Its handshake is done. Raises OSError if there is no connection.
    """
    loop = asyncio.get_running_loop()
    _, line = await loop.create_connection(make, "127.0.0.1", port, local_addr=(address, 0))
    try:
        await line.ready
    except BaseException:  # or the time for it is over
        line.drop()
        raise
    return line
