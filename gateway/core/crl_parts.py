"""The parts of a CertificateList (RFC 5280 section 5.1).

Decides what of the bytes is what; says nothing of whether it is true. The entries are kept apart,
so that the library reads the rest without walking half a million of them.
"""

import binascii
import hashlib
import re
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from gateway.core import crl_der as der
from gateway.errors import CrlError

_PEM = re.compile(rb"-----BEGIN X509 CRL-----\s(.*?)-----END X509 CRL-----\s*", re.DOTALL)
_TIMES = (der.UTC_TIME, der.GENERALIZED_TIME)
_EXTENSIONS = 0xA0  # [0] EXPLICIT


@dataclass(frozen=True, slots=True)
class CrlParts:
    """One CRL in its parts, nothing of it verified.

    Attributes:
        tbs: tbsCertList, what is signed.
        issuer: the issuer name, DER.
        entries: the content of revokedCertificates, empty where there is none.
        has_extensions: crlExtensions is present.
        header: the CRL as the library reads it, without its entries.
        digest: SHA-256 of the DER.
        size: octets of the DER.
    """

    tbs: bytes
    issuer: bytes
    entries: bytes
    has_extensions: bool
    header: x509.CertificateRevocationList
    digest: bytes
    size: int


def dissect(data: bytes) -> CrlParts:
    """The parts of the CRL in `data`, DER or PEM; raises CrlError if it is none."""
    encoded = _to_der(data)
    outer = der.read(encoded, 0, len(encoded))
    if outer.tag != der.SEQUENCE:
        raise CrlError(f"this is no CRL: it begins with {encoded[:16]!r}")
    if outer.stop != len(encoded):
        raise CrlError(f"the CRL is followed by {len(encoded) - outer.stop} octets of something")
    parts = list(der.children(encoded, outer.start, outer.stop))
    if [part.tag for part in parts] != [der.SEQUENCE, der.SEQUENCE, der.BIT_STRING]:
        raise CrlError("this is no CRL: it is not a list, an algorithm and a signature")
    return _dissect(encoded, *parts)


def _to_der(data: bytes) -> bytes:
    begin = data[:512].lstrip().lower()
    if not begin:
        raise CrlError("the CRL is empty")
    if begin.startswith((b"<!doctype", b"<html", b"<?xml", b"<")):
        raise CrlError("this is no CRL but an HTML page; look at the URL with a browser")
    if not begin.startswith(b"-----begin"):
        return data
    found = _PEM.fullmatch(data.lstrip())
    if found is None:
        raise CrlError("this is no CRL: a PEM file must hold one X509 CRL, whole, and nothing else")
    try:
        return binascii.a2b_base64(found[1].translate(None, b" \t\r\n"), strict_mode=True)
    except binascii.Error as error:
        raise CrlError(f"the PEM of the CRL cannot be decoded: {error}") from error


def _dissect(
    encoded: bytes, tbs: der.Value, algorithm: der.Value, signature: der.Value
) -> CrlParts:
    fields = list(der.children(encoded, tbs.start, tbs.stop))
    at = 1 if fields and fields[0].tag == der.INTEGER else 0  # the version, or version 1
    tags = [field.tag for field in fields[at : at + 3]]
    if tags[:2] != [der.SEQUENCE, der.SEQUENCE] or tags[2:] not in ([one] for one in _TIMES):
        raise CrlError("this is no CRL: it is not an algorithm, an issuer and a time")
    inner, issuer = fields[at : at + 2]
    if inner.encoded(encoded) != algorithm.encoded(encoded):
        raise CrlError("the CRL names two different signature algorithms")
    has_extensions = fields[-1].tag == _EXTENSIONS
    if has_extensions and not at:
        raise CrlError("the CRL has extensions, but is of version 1")
    revoked = [field for field in fields[at + 3 :] if field.tag == der.SEQUENCE]
    entries = revoked[0] if revoked else None
    rest = b"".join(field.encoded(encoded) for field in fields if field is not entries)
    header = der.encode(der.SEQUENCE, rest) + encoded[algorithm.begin : signature.stop]
    return CrlParts(
        tbs=tbs.encoded(encoded),
        issuer=issuer.encoded(encoded),
        entries=b"" if entries is None else entries.content(encoded),
        has_extensions=has_extensions,
        header=_load(der.encode(der.SEQUENCE, header)),
        digest=hashlib.sha256(encoded).digest(),
        size=len(encoded),
    )


def _load(header: bytes) -> x509.CertificateRevocationList:
    try:
        return x509.load_der_x509_crl(header)
    except (ValueError, UnsupportedAlgorithm, x509.InvalidVersion) as error:
        raise CrlError(f"the CRL cannot be read: {error}") from error
