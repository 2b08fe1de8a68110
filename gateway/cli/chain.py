"""The chain of a device's certificate, built and judged as a handshake with the gateway would.

OpenSSL finds the chain among the same CAs; what else it checks in a handshake, at the security
level of the listener, is judged here one reason at a time.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from OpenSSL import crypto

from gateway.core.authority import Authority
from gateway.core.decision import Deny
from gateway.core.reasons import Reason
from gateway.core.unreadable import UNREADABLE
from gateway.errors import CertificateError
from gateway.limited_file import read_limited

FILE_LIMIT: Final = 1024 * 1024
"""The largest file of certificates that is read, in bytes; a certificate has a few thousand."""

_PEM_MARK = b"-----BEGIN"

# openssl/x509_vfy.h; pyOpenSSL names neither.
_NO_CHECK_TIME = 0x200000
_OUTSIDE_VALIDITY = frozenset({9, 10})

# What security level 2 of OpenSSL asks for, 112 bits: see SSL_CTX_set_security_level(3).
_RSA_BITS = 2048
_EC_BITS = 224
_DIGEST_BITS = 224


@dataclass(frozen=True, slots=True)
class Chain:
    """What became of a certificate and the CAs that were found above it.

    Attributes:
        certificates: the chain as DER, the device's first and the root last; the device's alone if
            no chain ends at a configured root.
        denial: why that is so; None if there is a chain.
        handshake: what else a handshake would refuse of the chain's CAs, keys and signatures.
    """

    certificates: tuple[bytes, ...]
    denial: Deny | None
    handshake: tuple[Deny, ...]


def read_certificates(path: Path) -> tuple[x509.Certificate, ...]:
    """The certificates in a PEM or DER file, at least one; raises CertificateError."""
    content = read_limited(path, FILE_LIMIT, CertificateError)
    try:
        if _PEM_MARK in content:
            return tuple(x509.load_pem_x509_certificates(content))
        return (x509.load_der_x509_certificate(content),)
    except UNREADABLE as error:
        raise CertificateError(f"{path}: holds no certificate, PEM or DER: {error}") from error


def build(
    leaf: x509.Certificate,
    sent: Sequence[x509.Certificate],
    authorities: Sequence[Authority],
    at: datetime,
) -> Chain:
    """The chain from `leaf` to a root among `authorities` at the time `at`.

    `sent` are the further certificates that a device sends: they help to find the chain and are
    trusted for nothing. Raises CertificateError if OpenSSL cannot read one of them all.
    """
    try:
        found = _verify(leaf, sent, authorities, at)
    except crypto.Error as error:
        words = "; ".join(part[-1] for part in error.args[0])
        raise CertificateError(f"a certificate cannot be read by OpenSSL: {words}") from error
    except crypto.X509StoreContextError as error:
        denial = Deny(Reason.UNTRUSTED_CHAIN, _refusal(error))
        alone = (leaf.public_bytes(Encoding.DER),)
        return Chain(alone, denial, tuple(_handshake((leaf,), at)))
    ders = tuple(certificate.public_bytes(Encoding.DER) for certificate in found)
    return Chain(ders, None, tuple(_handshake(found, at)))


def _verify(
    leaf: x509.Certificate,
    sent: Sequence[x509.Certificate],
    authorities: Sequence[Authority],
    at: datetime,
) -> tuple[x509.Certificate, ...]:
    """The verified chain; one that is only outside its validity is a chain all the same."""
    store = crypto.X509Store()
    for authority in authorities:
        store.add_cert(crypto.load_certificate(crypto.FILETYPE_ASN1, authority.certificate))
    store.set_time(at)
    device = crypto.X509.from_cryptography(leaf)
    others = [crypto.X509.from_cryptography(one) for one in sent]
    try:
        chain = crypto.X509StoreContext(store, device, others).get_verified_chain()
    except crypto.X509StoreContextError as error:
        if error.errors[0] not in _OUTSIDE_VALIDITY:
            raise
        store.set_flags(_NO_CHECK_TIME)
        chain = crypto.X509StoreContext(store, device, others).get_verified_chain()
    return tuple(certificate.to_cryptography() for certificate in chain)


def _refusal(error: crypto.X509StoreContextError) -> str:
    _, depth, message = error.errors
    name = _name(error.certificate.to_cryptography())
    return f"{name}, certificate {depth} of the chain: {message}"


def _handshake(chain: Sequence[x509.Certificate], at: datetime) -> Iterator[Deny]:
    for certificate in chain[1:]:
        yield from _judged(_ca_validity, certificate, at)
        yield from _judged(_ca_purpose, certificate, at)
    for certificate in chain:
        yield from _judged(_key, certificate, at)
    for certificate in chain[:-1] or chain:  # nobody relies on the signature of a root
        yield from _judged(_signature, certificate, at)


_Check = Callable[[x509.Certificate, datetime], Deny | None]


def _judged(check: _Check, certificate: x509.Certificate, at: datetime) -> Iterator[Deny]:
    try:
        denial = check(certificate, at)
    except UNREADABLE as error:
        denial = Deny(Reason.WEAK_KEY, f"{_name(certificate)}: cannot be judged: {error}")
    if denial is not None:
        yield denial


def _ca_validity(certificate: x509.Certificate, at: datetime) -> Deny | None:
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if begins <= at <= ends:
        return None
    span = f"valid from {begins.isoformat()} to {ends.isoformat()}, and it is {at.isoformat()}"
    return Deny(Reason.OUTSIDE_VALIDITY, f"the CA {_name(certificate)} is {span}")


def _ca_purpose(certificate: x509.Certificate, _at: datetime) -> Deny | None:
    """A CA's extended key usage, if there is one, limits what is below it."""
    try:
        usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return None
    if ExtendedKeyUsageOID.CLIENT_AUTH in usages:
        return None
    words = "may not issue client certificates: its extended key usage lacks clientAuth"
    return Deny(Reason.NOT_CLIENT_AUTH, f"the CA {_name(certificate)} {words}")


def _key(certificate: x509.Certificate, _at: datetime) -> Deny | None:
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey | dsa.DSAPublicKey):
        kind, least = "RSA" if isinstance(key, rsa.RSAPublicKey) else "DSA", _RSA_BITS
    elif isinstance(key, ec.EllipticCurvePublicKey):
        kind, least = "EC", _EC_BITS
    else:  # Ed25519 and Ed448 have one size
        return None
    if key.key_size >= least:
        return None
    words = f"has a key of {key.key_size} bits ({kind}); {least} are the least"
    return Deny(Reason.WEAK_KEY, f"{_name(certificate)} {words}")


def _signature(certificate: x509.Certificate, _at: datetime) -> Deny | None:
    digest = certificate.signature_hash_algorithm
    if digest is None or digest.digest_size * 8 >= _DIGEST_BITS:
        return None
    words = f"is signed with {digest.name.upper()}, which can be forged"
    return Deny(Reason.WEAK_KEY, f"{_name(certificate)} {words}")


def _name(certificate: x509.Certificate) -> str:
    try:
        return certificate.subject.rfc4514_string() or f"serial {certificate.serial_number:x}"
    except UNREADABLE:
        return f"serial {certificate.serial_number:x}"
