"""One connection to a server, plain or TLS, that remembers how the handshake went.

pyOpenSSL over memory buffers: the standard library tells neither which issuers a server asks for
nor whether it asks for a certificate at all. The server's certificate is not verified here but
judged afterwards, so that all that is wrong with it can be said; send nothing secret before that.
"""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Final

from cryptography import x509
from OpenSSL import SSL, crypto

from gateway.core.unreadable import UNREADABLE
from gateway.errors import CertificateError
from gateway.probe.outcome import ConnectionLost, Failure, HandshakeRefused, NoAnswer, NotConnected
from gateway.probe.target import ProbeIdentity

_CHUNK: Final = 1 << 16
_FIRST: Final = 64
_HTTP: Final = b"http/1.1"
_ALERT: Final = re.compile(r"(?:alert|tlsv1(?! alert)) ([a-z ]+)")  # OpenSSL words them both ways
_REQUEST_STATE: Final = b"read server certificate request"
_MOST_ISSUERS: Final = 1000
# Weak keys and old ciphers are let through, as what is weak shall be named and not only fail.
_CIPHERS: Final = b"DEFAULT:@SECLEVEL=0"


class ChannelError(Exception):
    """There is no connection any more, or there never was; `failure` says why."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(str(failure))
        self.failure = failure


@dataclass(slots=True)
class Handshake:
    """What a TLS handshake told, also one that failed.

    Attributes:
        version, cipher: what both agreed on; empty if they did not.
        chain: the server's certificates in the order in which it sent them.
        requested: it asked for a client certificate.
        issuers: the names of the CAs from which it wants one, DER; none means any.
        issuer_names: the same for people.
        first: the first bytes that came.
    """

    version: str = ""
    cipher: str = ""
    chain: tuple[x509.Certificate, ...] = ()
    requested: bool = False
    issuers: tuple[bytes, ...] = ()
    issuer_names: tuple[str, ...] = ()
    first: bytes = field(default=b"", repr=False)
    finished: bool = False


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to connect, and the name that TLS asks for; None connects without TLS."""

    address: str
    port: int
    server_name: str | None


def client_context(identity: ProbeIdentity | None) -> SSL.Context:
    """A TLS context that shows `identity`, if there is one; raises CertificateError."""
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_cipher_list(_CIPHERS)
    context.set_alpn_protos([_HTTP])
    if identity is not None:
        try:
            context.use_certificate(identity.certificate)
            context.use_privatekey(identity.key)  # type: ignore[arg-type]  # any kind TLS may lack
            for certificate in identity.chain:
                context.add_extra_chain_cert(certificate)
            context.check_privatekey()
        except (SSL.Error, TypeError, ValueError) as error:
            raise CertificateError(
                f"TLS cannot use certificate and key: {_words(error)}"
            ) from error
    return context


class Channel:
    """A connection; make it with `open_channel`."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        tls: SSL.Connection | None,
        seen: Handshake,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._tls = tls
        self.handshake = seen

    async def shake_hands(self) -> None:
        """The handshake has ended well on this side; raises ChannelError."""
        tls = self._tls
        if tls is None:
            return
        try:
            while True:
                try:
                    tls.do_handshake()
                    break
                except SSL.WantReadError:
                    await self._flush()
                    if not await self._fill():
                        detail = "the server closed the connection in the handshake"
                        raise ChannelError(HandshakeRefused(None, detail)) from None
            await self._flush()
            self.handshake.finished = True
        except SSL.Error as error:
            with contextlib.suppress(ChannelError):
                await self._flush()  # our alert, for the server's log
            raise ChannelError(HandshakeRefused(alert_of(error), _words(error))) from error
        finally:
            self._note(tls)

    def _note(self, tls: SSL.Connection) -> None:
        seen = self.handshake
        if tls.get_cipher_name() is not None:
            seen.version, seen.cipher = tls.get_protocol_version_name(), tls.get_cipher_name() or ""
        with contextlib.suppress(*UNREADABLE):
            seen.chain = tuple(one.to_cryptography() for one in tls.get_peer_cert_chain() or ())
        if seen.requested:
            names = tls.get_client_ca_list()[:_MOST_ISSUERS]
            seen.issuers = tuple(name.der() for name in names)
            seen.issuer_names = tuple(_name_words(name) for name in names)

    async def send(self, data: bytes) -> None:
        """All of it is on its way; raises ChannelError."""
        if self._tls is None:
            await self._write(data)
            return
        try:
            self._tls.sendall(data)
        except SSL.Error as error:
            raise _ended(error) from error
        await self._flush()

    async def receive(self) -> bytes:
        """Some bytes; none once the server has ended. Raises ChannelError."""
        if self._tls is None:
            return await self._read()
        while True:
            try:
                return self._tls.recv(_CHUNK)
            except SSL.WantReadError:
                await self._flush()
                if not await self._fill():
                    return b""
            except SSL.ZeroReturnError:
                return b""
            except SSL.Error as error:
                raise _ended(error) from error

    async def _fill(self) -> bool:
        data = await self._read()
        if data and self._tls is not None:
            self._tls.bio_write(data)
        return bool(data)

    async def _flush(self) -> None:
        while self._tls is not None:
            try:
                data = self._tls.bio_read(_CHUNK)
            except SSL.WantReadError:
                return
            await self._write(data)

    async def _read(self) -> bytes:
        try:
            data = await self._reader.read(_CHUNK)
        except OSError as error:
            raise self._cut(error) from error
        if len(self.handshake.first) < _FIRST:
            self.handshake.first += data[: _FIRST - len(self.handshake.first)]
        return data

    async def _write(self, data: bytes) -> None:
        try:
            self._writer.write(data)
            await self._writer.drain()
        except OSError as error:
            raise self._cut(error) from error

    def _cut(self, error: OSError) -> ChannelError:
        detail = f"the connection was cut: {error.strerror or error}"
        if self._tls is not None and not self.handshake.finished:
            return ChannelError(HandshakeRefused(None, detail))
        return ChannelError(ConnectionLost(detail))

    async def close(self) -> None:
        """The connection is closed on this side."""
        self._writer.close()
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(1):
                await self._writer.wait_closed()


@contextlib.asynccontextmanager
async def open_channel(
    endpoint: Endpoint, identity: ProbeIdentity | None, seconds: float
) -> AsyncIterator[Channel]:
    """A connection, its handshake not yet begun, closed at the end.

    Raises ChannelError if there is no connection within `seconds`.
    """
    tls, seen = None, Handshake()
    if endpoint.server_name is not None:
        tls = _client(client_context(identity), endpoint.server_name, seen)
    try:
        async with asyncio.timeout(seconds):
            reader, writer = await asyncio.open_connection(endpoint.address, endpoint.port)
    except TimeoutError as error:
        raise ChannelError(NoAnswer(seconds)) from error
    except OSError as error:
        raise ChannelError(NotConnected(error.strerror or str(error))) from error
    channel = Channel(reader, writer, tls, seen)
    try:
        yield channel
    finally:
        await channel.close()


def _client(context: SSL.Context, server_name: str, seen: Handshake) -> SSL.Connection:
    def watch(connection: SSL.Connection, _where: int, _value: int) -> None:
        if _REQUEST_STATE in connection.get_state_string():
            seen.requested = True

    context.set_info_callback(watch)
    tls = SSL.Connection(context, None)
    tls.set_connect_state()
    if not is_address(server_name):  # RFC 6066 section 3: no addresses
        tls.set_tlsext_host_name(server_name.encode("idna"))
    return tls


def is_address(host: str) -> bool:
    """Whether it is an IP address and no name."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def alert_of(error: BaseException) -> str | None:
    """The alert that the server sent, as RFC 8446 section 6 names it; None if it is none."""
    found = _ALERT.search(_words(error))
    return found[1].strip().replace(" ", "_") if found else None


def _ended(error: SSL.Error) -> ChannelError:
    alert = alert_of(error)
    if alert is not None:
        return ChannelError(HandshakeRefused(alert, _words(error)))
    return ChannelError(ConnectionLost(_words(error)))


def _name_words(name: crypto.X509Name) -> str:
    """In the order of RFC 4514: the most specific part first."""
    parts = reversed(name.get_components())
    return ",".join(f"{key.decode()}={value.decode('utf-8', 'replace')}" for key, value in parts)


def _words(error: BaseException) -> str:
    if isinstance(error, SSL.Error | crypto.Error) and error.args:
        parts = error.args[0]
        if isinstance(parts, list):
            return "; ".join(part[-1] for part in parts if part) or "an unknown TLS error"
    return str(error) or type(error).__name__
