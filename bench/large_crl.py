"""A CRL as large as one of a big CA, made quickly: DER by hand, a real signature."""

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from gateway.core.crl_der import INTEGER, SEQUENCE, UTC_TIME, encode
from gateway.pki.authority import CertificateAuthority

_RSA_SHA256 = bytes.fromhex("300d06092a864886f70d01010b0500")
_REASON = bytes.fromhex("300c300a0603551d1504030a01")
_AKI, _NUMBER = bytes.fromhex("0603551d23"), bytes.fromhex("0603551d14")
_OCTETS, _BITS, _EXTENSIONS, _KEY_ID = 0x04, 0x03, 0xA0, 0x80
_FIRST = datetime(2024, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Shape:
    """How many entries a CRL has, and whether each has a reasonCode."""

    entries: int
    reasons: bool

    @property
    def name(self) -> str:
        """For the table."""
        return f"{self.entries:,} entries{', each with reasonCode' if self.reasons else ''}"


def large_crl(
    ca: CertificateAuthority, shape: Shape, *, number: int = 1, also: int | None = None
) -> bytes:
    """A CRL of `ca`, whose key is RSA, with serial numbers of 128 bits, and `also` if given.

    The serial numbers are the same every time, in no order.
    """
    serials = [_serial(n) for n in range(shape.entries)]
    if also is not None:
        serials[shape.entries // 2] = also
    chance = random.Random(1)
    entries = b"".join(_entry(one, chance, reasons=shape.reasons) for one in serials)
    now = datetime.now(UTC)
    key_id = encode(SEQUENCE, encode(_KEY_ID, ca.key_identifier))
    extensions = _extension(_AKI, key_id) + _extension(_NUMBER, _integer(number))
    body = encode(
        SEQUENCE,
        _integer(1)
        + _RSA_SHA256
        + ca.certificate.subject.public_bytes()
        + _time(now - timedelta(hours=1))
        + _time(now + timedelta(days=30))
        + encode(SEQUENCE, entries)
        + encode(_EXTENSIONS, encode(SEQUENCE, extensions)),
    )
    if not isinstance(ca.key, rsa.RSAPrivateKey):
        raise TypeError("the CA's key must be RSA")
    signature = ca.key.sign(body, padding.PKCS1v15(), SHA256())
    return encode(SEQUENCE, body + _RSA_SHA256 + encode(_BITS, b"\0" + signature))


def _serial(n: int) -> int:
    return int.from_bytes(sha256(n.to_bytes(8)).digest()[:16])


def _entry(serial: int, chance: random.Random, *, reasons: bool) -> bytes:
    moment = _FIRST + timedelta(seconds=chance.randrange(900 * 86400))
    extensions = _REASON + bytes((chance.choice((1, 3, 4, 5)),)) if reasons else b""
    return encode(SEQUENCE, _integer(serial) + _time(moment) + extensions)


def _extension(oid: bytes, value: bytes) -> bytes:
    return encode(SEQUENCE, oid + encode(_OCTETS, value))


def _integer(number: int) -> bytes:
    return encode(INTEGER, number.to_bytes(number.bit_length() // 8 + 1))


def _time(moment: datetime) -> bytes:
    return encode(UTC_TIME, moment.strftime("%y%m%d%H%M%SZ").encode())
