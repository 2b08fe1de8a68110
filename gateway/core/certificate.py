"""A client certificate, read once: what the decision needs of it and nothing more.

Decides how the bytes are read; is not told whether the certificate is trusted (TLS did that).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID

from gateway.core.names import PrincipalName, Rfc822Name
from gateway.errors import CertificateError

UPN = x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3")
_UTF8STRING = 0x0C
_LONG_LENGTH = 0x80


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """The facts of one device certificate.

    Attributes:
        serial_number: positive or not, as the certificate has it (RFC 5280 section 4.1.2.2).
        issuer: the issuer name as DER.
        subject: RFC 4514 text, for people.
        authority_key_id: the AKI's key identifier, or None.
        subject_key_id: the SKI, or its SHA-1 stand-in (RFC 5280 section 4.2.1.2, method 1).
        fingerprint: SHA-256 of the DER.
        not_before, not_after: validity, UTC.
        is_authority: basicConstraints says CA.
        may_authenticate: the extended key usage, if present, holds clientAuth (RFC 5280 section
            4.2.1.12) and the key usage, if present, digitalSignature or keyAgreement.
        principal_names, rfc822_names: the SAN values in the certificate's order.
        distribution_points: the cRLDistributionPoints extension; its names serve matching only.
    """

    serial_number: int
    issuer: bytes
    subject: str
    authority_key_id: bytes | None
    subject_key_id: bytes
    fingerprint: bytes
    not_before: datetime
    not_after: datetime
    is_authority: bool
    may_authenticate: bool
    principal_names: tuple[PrincipalName, ...]
    rfc822_names: tuple[Rfc822Name, ...]
    distribution_points: tuple[x509.DistributionPoint, ...] = ()

    @classmethod
    def from_der(cls, der: bytes) -> "ClientCertificate":
        """Read a certificate; raises CertificateError when any part that is used cannot be read."""
        try:
            certificate = x509.load_der_x509_certificate(der)
            return cls.from_x509(certificate)
        except CertificateError:
            raise
        except (ValueError, TypeError, x509.DuplicateExtension) as error:
            raise CertificateError(f"the certificate cannot be read: {error}") from error

    @classmethod
    def from_x509(cls, certificate: x509.Certificate) -> "ClientCertificate":
        """Read a parsed certificate; raises CertificateError, ValueError or DuplicateExtension."""
        extensions = {extension.oid: extension.value for extension in certificate.extensions}
        principal_names, rfc822_names = _san_names(
            extensions.get(x509.SubjectAlternativeName.oid),
        )
        authority_key = extensions.get(x509.AuthorityKeyIdentifier.oid)
        constraints = extensions.get(x509.BasicConstraints.oid)
        points = extensions.get(x509.CRLDistributionPoints.oid)
        return cls(
            serial_number=certificate.serial_number,
            issuer=certificate.issuer.public_bytes(),
            subject=certificate.subject.rfc4514_string(),
            authority_key_id=(
                authority_key.key_identifier
                if isinstance(authority_key, x509.AuthorityKeyIdentifier)
                else None
            ),
            subject_key_id=subject_key_id(certificate),
            fingerprint=certificate.fingerprint(hashes.SHA256()),
            not_before=certificate.not_valid_before_utc,
            not_after=certificate.not_valid_after_utc,
            is_authority=isinstance(constraints, x509.BasicConstraints) and constraints.ca,
            may_authenticate=_may_authenticate(
                extensions.get(x509.ExtendedKeyUsage.oid), extensions.get(x509.KeyUsage.oid)
            ),
            principal_names=principal_names,
            rfc822_names=rfc822_names,
            distribution_points=(
                tuple(points) if isinstance(points, x509.CRLDistributionPoints) else ()
            ),
        )


def subject_key_id(certificate: x509.Certificate) -> bytes:
    """The SKI extension, or RFC 5280 method 1 (SHA-1 of the public key) where there is none."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    except x509.ExtensionNotFound:
        return x509.SubjectKeyIdentifier.from_public_key(certificate.public_key()).digest
    return found.value.digest


def _may_authenticate(eku: object, usage: object) -> bool:
    if isinstance(eku, x509.ExtendedKeyUsage) and ExtendedKeyUsageOID.CLIENT_AUTH not in eku:
        return False
    if isinstance(usage, x509.KeyUsage):
        return usage.digital_signature or usage.key_agreement
    return True


def _san_names(
    san: object,
) -> tuple[tuple[PrincipalName, ...], tuple[Rfc822Name, ...]]:
    if not isinstance(san, x509.SubjectAlternativeName):
        return (), ()
    return (
        tuple(_principal_names(san)),
        tuple(Rfc822Name(value) for value in san.get_values_for_type(x509.RFC822Name)),
    )


def _principal_names(san: x509.SubjectAlternativeName) -> Iterable[PrincipalName]:
    for name in san.get_values_for_type(x509.OtherName):
        if name.type_id == UPN:
            yield PrincipalName(_utf8_string(name.value))


def _utf8_string(der: bytes) -> str:
    """The text of exactly one DER UTF8String (X.690 section 8.23), as MS-WCCE has the UPN."""
    if len(der) < 2 or der[0] != _UTF8STRING:  # noqa: PLR2004 (a tag and a length)
        raise CertificateError("the SAN principal name is not a UTF8String")
    length, start = der[1], 2
    if length >= _LONG_LENGTH:
        width = length - _LONG_LENGTH
        length, start = int.from_bytes(der[2 : 2 + width]), 2 + width
    if len(der) != start + length:
        raise CertificateError("the SAN principal name's length does not fit its content")
    try:
        return der[start:].decode()
    except UnicodeDecodeError as error:
        raise CertificateError("the SAN principal name is not UTF-8") from error
