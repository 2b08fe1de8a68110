"""Key and certificate of a phone as PKCS#12 (RFC 7292), packed for phones and opened again."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    PrivateFormat,
    pkcs12,
)

from gateway.core.unreadable import UNREADABLE
from gateway.errors import ProfileError

_ROUNDS = 20_000


@dataclass(frozen=True, slots=True)
class Opened:
    """What a PKCS#12 file holds.

    Attributes:
        certificate: that the key belongs to.
        chain: the other certificates, in the order of the file.
        key: the key.
    """

    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...]
    key: PrivateKeyTypes | None = field(repr=False)

    @property
    def has_key(self) -> bool:
        """Whether there is one: nobody can sign in with a certificate alone."""
        return self.key is not None


def pack(
    certificate: x509.Certificate,
    key: PrivateKeyTypes,
    chain: Sequence[x509.Certificate],
    password: str,
    *,
    modern: bool = False,
) -> bytes:
    """The identity under `password`.

    Encrypted with 3DES and SHA-1, which every release of iOS opens, or, if `modern`, with AES-256
    and SHA-256. Raises ProfileError if the key is not one for a phone or not the certificate's.
    """
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise ProfileError("the key is neither RSA nor EC, so that phones do not take it")
    if key.public_key() != certificate.public_key():
        raise ProfileError("the key does not belong to the certificate")
    secret = password.encode()
    compatible = (
        PrivateFormat.PKCS12.encryption_builder()
        .kdf_rounds(_ROUNDS)
        .key_cert_algorithm(pkcs12.PBES.PBESv1SHA1And3KeyTripleDESCBC)
        .hmac_hash(SHA1())  # noqa: S303 (the integrity of a file whose secrecy is the password)
        .build(secret)
    )
    return pkcs12.serialize_key_and_certificates(
        b"identity",
        key,
        certificate,
        chain,
        BestAvailableEncryption(secret) if modern else compatible,
    )


def unpack(content: bytes, password: str | None) -> Opened:
    """What is in a PKCS#12 file; raises ProfileError if the password does not open it."""
    try:
        found = pkcs12.load_pkcs12(content, None if password is None else password.encode())
        others = tuple(one.certificate for one in found.additional_certs)
    except UNREADABLE as error:
        raise ProfileError(f"no PKCS#12 that this password opens: {error}") from error
    if found.cert is None:
        if not others:
            raise ProfileError("a PKCS#12 without a certificate")
        return Opened(others[0], others[1:], found.key)
    return Opened(found.cert.certificate, others, found.key)
