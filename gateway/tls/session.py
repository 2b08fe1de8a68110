"""The server's side of one TLS connection, over memory: bytes in, bytes out, no sockets."""

from dataclasses import dataclass

from OpenSSL import SSL, crypto

from gateway.core.reasons import Reason
from gateway.tls.context import VERIFIED, VerificationFailure
from gateway.tls.records import RecordBoundary

_RECORD = 16384
_RECORD_OVERHEAD = (
    128  # header, tag, content type and padding: below this in every suite that is on
)

# X509_V_ERR_* numbers (openssl/x509_vfy.h) that have a reason of their own.
_VERIFY_REASONS = {
    9: Reason.OUTSIDE_VALIDITY,
    10: Reason.OUTSIDE_VALIDITY,
    26: Reason.NOT_CLIENT_AUTH,
    66: Reason.WEAK_KEY,
    67: Reason.WEAK_KEY,
    68: Reason.WEAK_KEY,
}
_VERIFY_TEXTS = {
    2: "its issuer is not among the configured CAs",
    7: "its signature is wrong",
    9: "it is not yet valid",
    10: "it has expired",
    18: "it is self-signed and no configured root",
    19: "the chain ends at a root that is not configured",
    20: "its issuer is not among the configured CAs",
    21: "its issuer is not among the configured CAs",
    24: "it is not a CA certificate",
    25: "the chain is longer than a CA of it allows",
    26: "it may not be used for client authentication",
    66: "its key is too weak",
    67: "a CA key is too weak",
    68: "a CA signature is too weak",
}
_OUTCOMES = {
    "peer did not return a certificate": "no_certificate",
    "wrong version number": "not_tls",
    "http request": "not_tls",
    "https proxy request": "not_tls",
    "unknown protocol": "not_tls",
    "packet length too long": "not_tls",
    "bad record type": "not_tls",
}


def verify_reason(error: int) -> Reason:
    """The row of the decision table for an OpenSSL verification error."""
    return _VERIFY_REASONS.get(error, Reason.UNTRUSTED_CHAIN)


@dataclass(frozen=True, slots=True)
class HandshakeFailure:
    """Why no session came to be: a metric label and a sentence for the log."""

    outcome: str
    detail: str


class TlsSession:
    """One TLS server session.

    `feed` takes what came from the network; `output` gives what must go there.
    """

    __slots__ = (
        "_bio_read",
        "_bio_write",
        "_boundary",
        "_connection",
        "_recv",
        "_send",
        "_server_name",
        "broken",
        "closed",
        "established",
        "failure",
    )

    def __init__(self, context: SSL.Context, server_name: str | None = None) -> None:
        """`server_name` is what `context` was chosen by, lower-case; None where by none."""
        self._server_name = server_name
        self._connection = SSL.Connection(context, None)
        self._connection.set_accept_state()
        # Looked up once: the class has a __getattr__, which makes every look-up slow.
        self._bio_read = self._connection.bio_read
        self._bio_write = self._connection.bio_write
        self._recv = self._connection.recv
        self._send = self._connection.send
        self._boundary = RecordBoundary()
        self.established = False
        self.closed = False  # the peer said that it sends no more
        self.broken = False  # the peer broke the protocol
        self.failure: HandshakeFailure | None = None

    def feed(self, data: bytes) -> bytes:
        """The plain text that `data` completes; empty while the handshake or a record goes on.

        Afterwards `closed` tells whether the peer has ended the session, `broken` whether it can
        go on no more, `failure` why the handshake failed if it did.
        """
        if not self.established or len(data) > _RECORD:
            return self._feed_pieces(data)
        self._bio_write(data)
        records = self._boundary.feed(data)
        try:
            if records == 1:
                return self._recv(_RECORD)
            return self._read_all() if records else b""
        except SSL.WantReadError:
            return b""
        except SSL.ZeroReturnError:
            self.closed = True
            return b""
        except SSL.Error:
            self.broken = True
            return b""

    def encrypt(self, data: bytes | memoryview) -> bytes:
        """The records that carry `data`, to be sent now."""
        size = len(data)
        if size > _RECORD:
            view = memoryview(data)
            return b"".join(self.encrypt(view[at : at + _RECORD]) for at in range(0, size, _RECORD))
        self._send(data)
        room = size + _RECORD_OVERHEAD
        out = self._bio_read(room)
        # Answers to key updates (RFC 8446 section 4.6.3) may wait there, too.
        return out if len(out) < room else out + self.output()

    def output(self) -> bytes:
        """What the session wants sent: handshake messages, alerts."""
        pieces: list[bytes] = []
        try:
            while True:
                piece = self._bio_read(_RECORD)
                if len(piece) < _RECORD:
                    # Nothing is behind it; a vain read would cost an exception.
                    return b"".join((*pieces, piece)) if pieces else piece
                pieces.append(piece)
        except SSL.WantReadError:
            return b"".join(pieces)

    def end(self) -> bytes:
        """The close_notify alert (RFC 8446 section 6.1), once; empty if there is none to send."""
        try:
            self._connection.shutdown()
        except SSL.Error:
            return b""
        return self.output()

    def certificate(self) -> bytes:
        """The device's certificate as DER, once the handshake is done."""
        return _der(self._connection.get_peer_certificate())

    @property
    def anonymous(self) -> bool:
        """Whether the device has no certificate, once the handshake is done."""
        return self._connection.get_peer_certificate() is None

    def verified_chain(self) -> tuple[bytes, ...]:
        """The chain that the handshake verified as DER, the device's certificate first, root last.

        Empty for a resumed session.
        """
        return tuple(map(_der, self._connection.get_verified_chain() or ()))

    @property
    def resumed(self) -> bool:
        """Whether a ticket took the place of the handshake's check of the certificate."""
        return self.established and self._connection.get_app_data() is not VERIFIED

    def server_name(self) -> str | None:
        """The SNI that the client asked for (RFC 6066 section 3), None where it named none."""
        if self._server_name is not None:
            return self._server_name
        name = self._connection.get_servername()
        return None if name is None else name.decode("ascii", "replace")

    def _feed_pieces(self, data: bytes) -> bytes:
        """As `feed`; the buffers beneath keep the size of the largest piece for good."""
        plain, records, at = [], self._boundary.feed(data), 0
        while at < len(data) and not self.broken:
            piece = data[at : at + _RECORD]
            at += len(piece)
            self._connection.bio_write(piece)
            if (self.established or self._shake_hands()) and records:
                plain.append(self._read_all())
        return b"".join(plain)

    def _read_all(self) -> bytes:
        pieces = []
        try:
            while True:
                pieces.append(self._connection.recv(_RECORD))
        except SSL.WantReadError:
            pass
        except SSL.ZeroReturnError:
            self.closed = True
        except SSL.Error:
            self.broken = True
        return b"".join(pieces)

    def _shake_hands(self) -> bool:
        try:
            self._connection.do_handshake()
        except SSL.WantReadError:
            return False
        except SSL.Error as error:
            self.broken = True
            self.failure = self._explain(error)
            return False
        self.established = self._is_for_its_name()
        return self.established

    def _is_for_its_name(self) -> bool:
        """Whether OpenSSL read the same name as who chose the context: tickets are bound to it.

        It tells none after TLS 1.2 has resumed a session.
        """
        name, expected = self._connection.get_servername(), self._server_name
        if expected is None or name is None or name.lower() == expected.encode():
            return True
        self.broken = True
        self.failure = HandshakeFailure("other", "the client changed the server name")
        return False

    def _explain(self, error: SSL.Error) -> HandshakeFailure:
        found = self._connection.get_app_data()
        if isinstance(found, VerificationFailure):
            number, depth = found.error, found.depth
            reason = verify_reason(number)
            text = _VERIFY_TEXTS.get(number, f"verification error {number}")
            return HandshakeFailure(reason.lower(), f"certificate {depth} of the chain: {text}")
        words = [part[-1] for part in error.args[0]] if error.args else []
        outcome = next((_OUTCOMES[word] for word in words if word in _OUTCOMES), "other")
        return HandshakeFailure(outcome, "; ".join(words) or "the connection was cut")


def _der(certificate: object) -> bytes:
    if not isinstance(certificate, crypto.X509):
        raise TypeError("the chain was asked for as X509 objects")
    return crypto.dump_certificate(crypto.FILETYPE_ASN1, certificate)
