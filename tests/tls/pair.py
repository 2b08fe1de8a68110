"""A device and a `TlsSession`, joined in memory."""

import ssl
from collections.abc import Iterable
from typing import Literal

from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL

from gateway.core.authority import Authority, AuthorityType
from gateway.tls.context import ServerIdentity, server_context
from gateway.tls.session import TlsSession
from tests.helpers import Pki, StoredCertificate, client_context


def authorities(pki: Pki) -> list[Authority]:
    """The records of the PKI's two CAs."""
    return [
        Authority.from_der(
            ca.certificate.public_bytes(Encoding.DER),
            authority_type=kind,
            crl_distribution_point=None,
        )
        for ca, kind in (
            (pki.root, AuthorityType.ROOT),
            (pki.issuing, AuthorityType.INTERMEDIATE),
        )
    ]


def gateway_context(
    pki: Pki,
    *,
    minimum_version: Literal["1.2", "1.3"] = "1.2",
    records: Iterable[Authority] | None = None,
) -> SSL.Context:
    """The listener's context."""
    return server_context(
        ServerIdentity(pki.server.pem, pki.server.key),
        authorities(pki) if records is None else records,
        minimum_version=minimum_version,
    )


class Device:
    """The standard library's client; `step` is how many bytes the session is fed at once."""

    def __init__(
        self, session: TlsSession, context: ssl.SSLContext, *, step: int = 1 << 20
    ) -> None:
        self.session = session
        self.received = b""
        self._step = step
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname="localhost")

    def pump(self) -> None:
        """Carry what waits to the session and its answer back."""
        data = self._outgoing.read()
        for start in range(0, len(data), self._step):
            self.received += self.session.feed(data[start : start + self._step])
        self._incoming.write(self.session.output())

    def shake_hands(self) -> None:
        """Until both are done, or one has failed: raises ssl.SSLError for what the alert says."""
        for _ in range(6):
            try:
                self.tls.do_handshake()
            except ssl.SSLWantReadError:
                self.pump()
            else:
                break
        self.pump()

    def refused(self) -> str:
        """Shake hands, and read once: what the alert says; empty if there is none."""
        try:
            self.shake_hands()
            self.take(b"")
        except ssl.SSLError as error:
            return str(error)
        return ""

    def send(self, data: bytes) -> None:
        """Send plain text to the session."""
        self.tls.write(data)
        self.pump()

    def take(self, data: bytes) -> bytes:
        """What the device reads of what the session encrypted."""
        self._incoming.write(data)
        pieces = []
        try:
            while piece := self.tls.read(65536):
                pieces.append(piece)
        except ssl.SSLWantReadError:
            pass
        return b"".join(pieces)


def device(
    pki: Pki,
    shown: StoredCertificate | None = None,
    *,
    version: ssl.TLSVersion | None = None,
    context: SSL.Context | None = None,
    step: int = 1 << 20,
) -> Device:
    """Alice's device, unless another is given, before its handshake."""
    client = client_context(pki, shown or pki.alice)
    if version is not None:
        client.minimum_version = client.maximum_version = version
    return Device(TlsSession(context or gateway_context(pki)), client, step=step)
