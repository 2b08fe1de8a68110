"""Authority records and CRLs for tests, also those that no library would make."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.core.authority import Authority, AuthorityType
from gateway.core.crl_der import encode
from gateway.pki.authority import CertificateAuthority

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
SKEW = timedelta(seconds=60)
BASE_URL = "http://127.0.0.1:9/base.crl"
DELTA_URL = "http://127.0.0.1:9/delta.crl"

_ECDSA_SHA256 = bytes.fromhex("300a06082a8648ce3d040302")
_RSA_SHA256 = bytes.fromhex("300d06092a864886f70d01010b0500")
REASON = "300c300a0603551d1504030a01"


def authority_of(
    ca: CertificateAuthority, url: str | None = BASE_URL, delta_url: str | None = None
) -> Authority:
    """The record of `ca`, whatever its place in a chain."""
    return Authority.from_der(
        ca.certificate.public_bytes(Encoding.DER),
        authority_type=AuthorityType.INTERMEDIATE,
        crl_distribution_point=url,
        delta_crl_distribution_point=delta_url,
    )


def crl_time(moment: datetime) -> bytes:
    """A Time as RFC 5280 section 4.1.2.5 has it: UTCTime through 2049."""
    if moment.year < 2050:
        return encode(0x17, moment.strftime("%y%m%d%H%M%SZ").encode())
    return encode(0x18, moment.strftime("%Y%m%d%H%M%SZ").encode())


def serial(content: bytes) -> bytes:
    """An INTEGER of these octets, right or wrong."""
    return encode(0x02, content)


def entry(serial_number: bytes, time: bytes, *extensions: bytes) -> bytes:
    """An entry of revokedCertificates of encoded parts."""
    rest = encode(0x30, b"".join(extensions)) if extensions else b""
    return encode(0x30, serial_number + time + rest)


def extension(oid: str, value: bytes, *, critical: bool = False) -> bytes:
    """An Extension, `value` being the content of its OCTET STRING."""
    encoded = encode(0x06, x509_oid(oid))
    return encode(0x30, encoded + (b"\x01\x01\xff" if critical else b"") + encode(0x04, value))


def x509_oid(dotted: str) -> bytes:
    """The content of an OBJECT IDENTIFIER."""
    first, second, *rest = map(int, dotted.split("."))
    return b"".join(_arcs((40 * first + second, *rest)))


def _arcs(arcs: Iterable[int]) -> Iterator[bytes]:
    for arc in arcs:
        octets = [arc & 0x7F]
        while arc := arc >> 7:
            octets.insert(0, arc & 0x7F | 0x80)
        yield bytes(octets)


def reason(code: int) -> bytes:
    """A reasonCode extension."""
    return extension("2.5.29.21", bytes((0x0A, 0x01, code)))


def signed(
    ca: CertificateAuthority,
    *,
    entries: bytes | None = None,
    extensions: bytes = b"",
    version: bytes = b"\x02\x01\x01",
    algorithm: bytes | None = None,
    issuer: x509.Name | None = None,
    next_update: datetime = NOW + timedelta(days=7),
) -> bytes:
    """A CRL of raw parts with a right signature; `algorithm` is the one inside the signed part."""
    rsa_key = isinstance(ca.key, rsa.RSAPrivateKey)
    outer = _RSA_SHA256 if rsa_key else _ECDSA_SHA256
    name = (issuer or ca.certificate.subject).public_bytes()
    tbs = version + (algorithm or outer) + name
    tbs += crl_time(NOW - timedelta(hours=1)) + crl_time(next_update)
    tbs += b"" if entries is None else encode(0x30, entries)
    tbs += encode(0xA0, encode(0x30, extensions)) if extensions else b""
    body = encode(0x30, tbs)
    if isinstance(ca.key, rsa.RSAPrivateKey):
        signature = ca.key.sign(body, padding.PKCS1v15(), hashes.SHA256())
    elif isinstance(ca.key, ec.EllipticCurvePrivateKey):
        signature = ca.key.sign(body, ec.ECDSA(hashes.SHA256()))
    else:
        raise NotImplementedError(type(ca.key))
    return encode(0x30, body + outer + encode(0x03, b"\x00" + signature))
