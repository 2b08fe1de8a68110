"""What tests share: the session's PKI, wrong CRLs, and TLS without sockets."""

import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.pki.authority import CertificateAuthority
from gateway.pki.crl import AnyExtension, extension
from gateway.pki.folder import PkiFolder, read_certificates
from gateway.pki.names import tlv


@dataclass(frozen=True)
class StoredCertificate:
    """A certificate of the PKI folder by its PEM paths (`pem`: leaf and issuing CA)."""

    pem: Path
    key: Path

    @property
    def certificate(self) -> x509.Certificate:
        """The leaf."""
        return read_certificates(self.pem)[0]

    @property
    def der(self) -> bytes:
        """The leaf, DER."""
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def serial_number(self) -> int:
        """The leaf's serial number."""
        return self.certificate.serial_number


@dataclass(frozen=True)
class Pki:
    """A PKI made by `PkiFolder.create`, shared by all tests of a session: do not change it.

    The CAs can sign whatever a test needs; their serial numbers are random, so nothing collides.
    """

    directory: Path
    root: CertificateAuthority
    issuing: CertificateAuthority

    @property
    def root_pem(self) -> Path:
        """The trust anchor."""
        return self.directory / "root.pem"

    @property
    def issuing_pem(self) -> Path:
        """The certificate of the issuing CA."""
        return self.directory / "issuing.pem"

    @property
    def server(self) -> StoredCertificate:
        """The server certificate: localhost, 127.0.0.1, ::1 and gateway.example.test."""
        return self.stored("server")

    @property
    def alice(self) -> StoredCertificate:
        """The device of alice@example.test, UPN and RFC822 name."""
        return self.stored("alice")

    @property
    def bob(self) -> StoredCertificate:
        """The device of bob@example.test, UPN and RFC822 name."""
        return self.stored("bob")

    def stored(self, name: str) -> StoredCertificate:
        """Another one: upn-only, email-only, no-san, wrong-eku, expired, not-yet-valid, foreign."""
        return StoredCertificate(self.directory / f"{name}.pem", self.directory / f"{name}.key")


def make_pki(directory: Path) -> Pki:
    """A new PKI in `directory`."""
    folder = PkiFolder.create(directory, hosts=["gateway.example.test"])
    return Pki(directory, folder.root, folder.issuing)


def unknown_extension(*, critical: bool) -> AnyExtension:
    """An extension that no one implements, for certificates, CRLs and CRL entries."""
    oid = x509.ObjectIdentifier("1.3.6.1.4.1.55555.1")
    return extension(x509.UnrecognizedExtension(oid, b"\x05\x00"), critical=critical)


def san_extension(*names: tuple[int, bytes]) -> AnyExtension:
    """A subject alternative name of raw (tag, content) pairs, right or wrong.

    An RFC822 name has tag 0x81, a DNS name 0x82, an OtherName 0xA0.
    """
    value = tlv(0x30, b"".join(tlv(tag, content) for tag, content in names))
    return extension(x509.UnrecognizedExtension(x509.SubjectAlternativeName.oid, value))


def crl_without_next_update(authority: CertificateAuthority) -> bytes:
    """An empty CRL, DER, with a right signature and no nextUpdate, which the library cannot make.

    The key of `authority` must be an EC key.
    """
    assert isinstance(authority.key, ec.EllipticCurvePrivateKey)
    body, algorithm, _ = _children(authority.sign_crl().public_bytes(Encoding.DER))
    # version, signature, issuer, thisUpdate, nextUpdate, then the extensions (RFC 5280, 5.1)
    fields = list(_children(body))
    del fields[4]
    body = tlv(0x30, b"".join(fields))
    signature = authority.key.sign(body, ec.ECDSA(SHA256()))
    return tlv(0x30, body + algorithm + tlv(0x03, b"\x00" + signature))


def _children(der: bytes) -> Iterator[bytes]:
    content = der[der_header_length(der) :]
    while content:
        size = der_header_length(content) + der_content_length(content)
        yield content[:size]
        content = content[size:]


def der_header_length(der: bytes) -> int:
    """How many bytes the tag and the length take at the start of `der`."""
    return 2 if der[1] < 0x80 else 2 + der[1] - 0x80


def der_content_length(der: bytes) -> int:
    """How many bytes the first value of `der` says it has."""
    return der[1] if der[1] < 0x80 else int.from_bytes(der[2 : der_header_length(der)])


def server_context(pki: Pki) -> ssl.SSLContext:
    """A TLS server of the standard library that demands a client certificate below the root."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=pki.root_pem)
    context.load_cert_chain(pki.server.pem, pki.server.key)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def client_context(pki: Pki, device: StoredCertificate | None) -> ssl.SSLContext:
    """A TLS client of the standard library that shows `device`, or nothing."""
    context = ssl.create_default_context(cafile=pki.root_pem)
    if device is not None:
        context.load_cert_chain(device.pem, device.key)
    return context


def handshake(
    server: ssl.SSLContext, client: ssl.SSLContext, *, hostname: str = "localhost"
) -> bytes:
    """Shake hands in memory and pass a byte each way; the answer is the client's certificate, DER.

    Raises:
        ssl.SSLError: what either side found wrong.
    """
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    at_server = server.wrap_bio(to_server, to_client, server_side=True)
    at_client = client.wrap_bio(to_client, to_server, server_hostname=hostname)
    unfinished = [at_client, at_server]
    for _ in range(10):
        for side in tuple(unfinished):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            unfinished.remove(side)
        if not unfinished:
            break
    at_client.write(b"c")
    at_server.write(b"s")
    assert (at_server.read(), at_client.read()) == (b"c", b"s")
    return at_server.getpeercert(binary_form=True) or b""
