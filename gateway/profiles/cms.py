"""Signed configuration profiles: what is inside, who signed it, and whether it is still that.

Whom a phone trusts as a signer is the phone's affair and is not judged here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, SHA384, SHA512, Hash, HashAlgorithm

from gateway.core.certificate import subject_key_id
from gateway.core.unreadable import UNREADABLE
from gateway.errors import ProfileError
from gateway.profiles.ber import OCTET_STRING, OID, SEQUENCE, SET, Value, read

# Object identifiers as the content of their DER.
_SIGNED_DATA: Final = bytes.fromhex("2a864886f70d010702")
_ENVELOPED_DATA: Final = bytes.fromhex("2a864886f70d010703")
_MESSAGE_DIGEST: Final = bytes.fromhex("2a864886f70d010904")
_PSS: Final = bytes.fromhex("2a864886f70d01010a")
_DIGESTS: Final[Mapping[bytes, HashAlgorithm]] = MappingProxyType(
    {
        bytes.fromhex("2b0e03021a"): SHA1(),  # noqa: S303 (named, so that it can be reported)
        bytes.fromhex("608648016503040201"): SHA256(),
        bytes.fromhex("608648016503040202"): SHA384(),
        bytes.fromhex("608648016503040203"): SHA512(),
    }
)
_CONTEXT_0: Final = 0xA0
_SUBJECT_KEY_ID: Final = 0x80
_CERTIFICATES: Final = 64  # of a chain; a hundred thousand would take minutes to read


@dataclass(frozen=True, slots=True)
class Signature:
    """The signature round a profile.

    Attributes:
        signer: the signer's certificate; None where it is not included.
        certificates: all that are included.
        problem: why the signature does not hold, as a clause; None if it does.
        doubt: why that could not be found out, as a clause; None if it could.
    """

    signer: x509.Certificate | None
    certificates: tuple[x509.Certificate, ...]
    problem: str | None
    doubt: str | None = None


@dataclass(frozen=True, slots=True)
class _SignerInfo:
    """RFC 5652 section 5.3; `attributes` is None where the content itself is signed."""

    identifier: Value
    digest: HashAlgorithm | None
    attributes: Value | None
    algorithm: bytes
    signature: bytes


def unwrap(content: bytes) -> tuple[bytes, Signature]:
    """The profile inside SignedData (RFC 5652 section 5.1), BER or DER, and its signature.

    Raises ProfileError if `content` is no SignedData with the profile inside.
    """
    kind, wrapped = _pair(_sequence(read(content, 0, len(content))))
    if kind.content == _ENVELOPED_DATA:
        raise ProfileError("the profile is encrypted for one device, so that nobody else reads it")
    if kind.content != _SIGNED_DATA:
        raise ProfileError("the file is CMS, but no SignedData, which a signed profile is")
    parts = _sequence(_only(wrapped))
    if len(parts) < 4:  # noqa: PLR2004 (version, digestAlgorithms, encapContentInfo, signerInfos)
        raise ProfileError("the signed profile is no whole SignedData")
    inner = _sequence(parts[2])
    if len(inner) < 2:  # noqa: PLR2004 (its type and the content)
        raise ProfileError("the signature is detached: sign with the profile inside (-nodetach)")
    profile = _only(inner[1]).octets
    certificates = _certificates(parts[3:])
    return profile, _signature(profile, certificates, parts[-1])


def _signature(
    profile: bytes, certificates: tuple[x509.Certificate, ...], infos: Value
) -> Signature:
    signers = list(infos.children) if infos.tag == SET else []
    if not signers:
        return Signature(None, certificates, "it has no signer")
    info = _signer_info(signers[0])
    signer = next((one for one in certificates if _is_signer(one, info.identifier)), None)
    if signer is None:
        return Signature(None, certificates, "the signer's certificate is not included")
    if info.digest is None or info.algorithm == _PSS:
        return Signature(signer, certificates, None, "its algorithm is not known here")
    key = signer.public_key()
    if not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
        return Signature(signer, certificates, None, "the signer's key is neither RSA nor EC")
    return Signature(signer, certificates, _problem(profile, key, info.digest, info))


def _problem(
    profile: bytes,
    key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey,
    digest: HashAlgorithm,
    info: _SignerInfo,
) -> str | None:
    signed = profile
    if info.attributes is not None:
        if _message_digest(info.attributes) != _hash(digest, profile):
            return "the profile was changed after it was signed"
        # RFC 5652 section 5.4: signed is the SET, not the [0] that stands in the file.
        signed = bytes([SET]) + info.attributes.raw[1:]
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(info.signature, signed, padding.PKCS1v15(), digest)
        else:
            key.verify(info.signature, signed, ec.ECDSA(digest))
    except InvalidSignature:
        return "it is not of the signer's key"
    except UNREADABLE as error:
        return f"the signer's key cannot be used: {error}"
    return None


def _signer_info(value: Value) -> _SignerInfo:
    parts = _sequence(value)
    if len(parts) < 5:  # noqa: PLR2004 (version, sid, digest, signatureAlgorithm, signature)
        raise ProfileError("the signed profile has no whole SignerInfo")
    attributes = parts[3] if parts[3].tag == _CONTEXT_0 else None
    rest = parts[4:] if attributes is not None else parts[3:]
    if len(rest) < 2:  # noqa: PLR2004 (algorithm and signature)
        raise ProfileError("the signed profile has no whole SignerInfo")
    digest = _DIGESTS.get(_algorithm(parts[2]))
    return _SignerInfo(parts[1], digest, attributes, _algorithm(rest[0]), rest[1].octets)


def _is_signer(certificate: x509.Certificate, identifier: Value) -> bool:
    """RFC 5652 section 5.3: issuerAndSerialNumber, or [0] with the subject key identifier."""
    try:
        if identifier.tag == _SUBJECT_KEY_ID:
            return subject_key_id(certificate) == identifier.content
        issuer, serial_number = _pair(_sequence(identifier))
        return (
            certificate.issuer.public_bytes() == issuer.raw
            and certificate.serial_number == int.from_bytes(serial_number.content, signed=True)
        )
    except UNREADABLE:
        return False


def _message_digest(attributes: Value) -> bytes | None:
    for attribute in attributes.children:
        kind, values = _pair(_sequence(attribute))
        if kind.content == _MESSAGE_DIGEST:
            return next((one.octets for one in values.children if one.tag == OCTET_STRING), None)
    return None


def _certificates(parts: Sequence[Value]) -> tuple[x509.Certificate, ...]:
    found: list[x509.Certificate] = []
    for value in (one for part in parts if part.tag == _CONTEXT_0 for one in part.children):
        if len(found) == _CERTIFICATES:
            raise ProfileError(f"the signature brings more than {_CERTIFICATES} certificates")
        try:
            found.append(_certificate(value.raw))
        except UNREADABLE as error:
            raise ProfileError(f"a certificate of the signature cannot be read: {error}") from error
    return tuple(found)


def _certificate(der: bytes) -> x509.Certificate:
    """A certificate whose names and validity can be read; raises one of `UNREADABLE`."""
    certificate = x509.load_der_x509_certificate(der)
    # The library parses when asked: what is wrong with it is to be found here.
    for name in (certificate.subject, certificate.issuer):
        name.rfc4514_string()
    certificate.public_key()
    if certificate.not_valid_before_utc > certificate.not_valid_after_utc:
        raise ValueError("it ends before it begins")
    return certificate


def _hash(algorithm: HashAlgorithm, content: bytes) -> bytes:
    digest = Hash(algorithm)
    digest.update(content)
    return digest.finalize()


def _algorithm(value: Value) -> bytes:
    parts = _sequence(value)
    if not parts or parts[0].tag != OID:
        raise ProfileError("the signed profile names no algorithm")
    return parts[0].content


def _sequence(value: Value) -> list[Value]:
    if value.tag != SEQUENCE:
        raise ProfileError("the file begins like CMS and is none")
    return list(value.children)


def _pair(values: Sequence[Value]) -> tuple[Value, Value]:
    if len(values) != 2:  # noqa: PLR2004 (a pair)
        raise ProfileError("the file begins like CMS and is none")
    return values[0], values[1]


def _only(value: Value) -> Value:
    inside = list(value.children)
    if len(inside) != 1:
        raise ProfileError("the file begins like CMS and is none")
    return inside[0]
