"""A client certificate, read once: what the decision needs of it and nothing more.

Decides how the bytes are read; is not told whether the certificate is trusted (TLS did that).
"""

from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from gateway.core.distinguished_name import Name, read_name
from gateway.core.names import PrincipalName, Rfc822Name
from gateway.core.security_identifier import SECURITY_EXTENSION, extension_sid, uri_sids
from gateway.core.unreadable import UNREADABLE
from gateway.errors import CertificateError

UPN = x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3")
_UTF8STRING = 0x0C
_VERSION = 0xA0  # [0] EXPLICIT
_LONG_LENGTH = 0x80


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """The facts of one device certificate.

    Attributes:
        serial_number: positive or not, as the certificate has it (RFC 5280 section 4.1.2.2).
        issuer: the issuer name as DER.
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
    authority_key_id: bytes | None
    subject_key_id: bytes
    fingerprint: bytes
    not_before: datetime
    not_after: datetime
    is_authority: bool
    may_authenticate: bool
    principal_names: tuple[PrincipalName, ...]
    rfc822_names: tuple[Rfc822Name, ...]
    distribution_points: tuple[x509.DistributionPoint, ...]
    _der: bytes = field(repr=False, compare=False)

    @classmethod
    def from_der(cls, der: bytes) -> "ClientCertificate":
        """Read a certificate; raises CertificateError when any part that is used cannot be read."""
        try:
            certificate = x509.load_der_x509_certificate(der)
            return cls._read(certificate, der)
        except CertificateError:
            raise
        except UNREADABLE as error:
            raise CertificateError(f"the certificate cannot be read: {error}") from error

    @classmethod
    def from_x509(cls, certificate: x509.Certificate) -> "ClientCertificate":
        """Read a parsed certificate; raises CertificateError or one of `UNREADABLE`."""
        return cls._read(certificate, certificate.public_bytes(Encoding.DER))

    @classmethod
    def _read(cls, certificate: x509.Certificate, der: bytes) -> "ClientCertificate":
        extensions = {extension.oid: extension.value for extension in certificate.extensions}
        principal_names, rfc822_names = _san_names(
            extensions.get(x509.SubjectAlternativeName.oid),
        )
        own_key = extensions.get(x509.SubjectKeyIdentifier.oid)
        authority_key = extensions.get(x509.AuthorityKeyIdentifier.oid)
        constraints = extensions.get(x509.BasicConstraints.oid)
        points = extensions.get(x509.CRLDistributionPoints.oid)
        return cls(
            serial_number=certificate.serial_number,
            issuer=_issuer(der),
            authority_key_id=(
                authority_key.key_identifier
                if isinstance(authority_key, x509.AuthorityKeyIdentifier)
                else None
            ),
            subject_key_id=(
                own_key.digest
                if isinstance(own_key, x509.SubjectKeyIdentifier)
                else subject_key_id(certificate)
            ),
            fingerprint=sha256(der).digest(),
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
            _der=der,
        )

    @property
    def subject(self) -> str:
        """RFC 4514 text, for people; made when asked for, as few handshakes need it."""
        try:
            return self._certificate.subject.rfc4514_string()
        except UNREADABLE:
            return f"serial number {self.serial_number:#x}"

    @property
    def issuer_text(self) -> str:
        """As `subject`, of the issuer; empty where it cannot be read."""
        try:
            return self._certificate.issuer.rfc4514_string()
        except UNREADABLE:
            return ""

    @property
    def _certificate(self) -> x509.Certificate:
        """Parsed anew: kept, it would keep all that was ever read of it, 2 KB a connection."""
        return x509.load_der_x509_certificate(self._der)

    # What follows serves username bindings that few configurations have, and is made when asked
    # for. Each raises CertificateError when it cannot be read.

    @property
    def names(self) -> tuple[Name, Name]:
        """Issuer and subject in the form in which they are compared."""
        try:
            return read_name(self._certificate.issuer), read_name(self._certificate.subject)
        except UNREADABLE as error:
            raise CertificateError(f"issuer or subject cannot be read: {error}") from error

    @property
    def key_identifier(self) -> bytes | None:
        """The SKI extension alone; None where the certificate has none."""
        extension = self._extension(x509.SubjectKeyIdentifier.oid)
        return extension.digest if isinstance(extension, x509.SubjectKeyIdentifier) else None

    @property
    def sha1_hashes(self) -> tuple[bytes, bytes]:
        """SHA-1 of the certificate, and of the subjectPublicKey's bits."""
        try:
            key = x509.SubjectKeyIdentifier.from_public_key(self._certificate.public_key())
        except UNREADABLE as error:
            raise CertificateError(f"the public key cannot be read: {error}") from error
        return self._certificate.fingerprint(SHA1()), key.digest  # noqa: S303 (Entra's choice)

    @property
    def serial_number_octets(self) -> bytes:
        """The content of the serial number's INTEGER (RFC 5280 section 4.1.2.2)."""
        width = self.serial_number.bit_length() // 8 + 1
        return self.serial_number.to_bytes(width, signed=True)

    @property
    def security_identifiers(self) -> tuple[str, ...]:
        """The SIDs of the security extension and of the SAN, each once."""
        extension = self._extension(SECURITY_EXTENSION)
        own = (
            (extension_sid(extension.value),)
            if isinstance(extension, x509.UnrecognizedExtension)
            else ()
        )
        san = self._extension(x509.SubjectAlternativeName.oid)
        uris = (
            san.get_values_for_type(x509.UniformResourceIdentifier)
            if isinstance(san, x509.SubjectAlternativeName)
            else []
        )
        return tuple(dict.fromkeys((*own, *uri_sids(uris))))

    def _extension(self, oid: x509.ObjectIdentifier) -> object:
        """The extension, or None: all of them were read once, so that none can fail here."""
        found = (one.value for one in self._certificate.extensions if one.oid == oid)
        return next(found, None)


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


def _issuer(der: bytes) -> bytes:
    """The issuer as it stands in the certificate, which has been parsed (RFC 5280 section 4.1).

    Cut out, because the library makes an object of every attribute before it gives the bytes.
    """
    position, _ = _value(der, 0)
    position, _ = _value(der, position)
    if der[position] == _VERSION:
        _, position = _value(der, position)
    for _before in ("serialNumber", "signature"):
        _, position = _value(der, position)
    _, end = _value(der, position)
    return der[position:end]


def _value(der: bytes, position: int) -> tuple[int, int]:
    """Where the content of the value at `position` begins and where it ends."""
    length, start = der[position + 1], position + 2
    if length >= _LONG_LENGTH:
        width = length - _LONG_LENGTH
        length, start = int.from_bytes(der[start : start + width]), start + width
    return start, start + length


def _san_names(
    san: object,
) -> tuple[tuple[PrincipalName, ...], tuple[Rfc822Name, ...]]:
    principal_names: list[PrincipalName] = []
    rfc822_names: list[Rfc822Name] = []
    if isinstance(san, x509.SubjectAlternativeName):
        for name in san:
            if isinstance(name, x509.RFC822Name):
                rfc822_names.append(Rfc822Name(name.value))
            elif isinstance(name, x509.OtherName) and name.type_id == UPN:
                principal_names.append(PrincipalName(_utf8_string(name.value)))
    return tuple(principal_names), tuple(rfc822_names)


def _utf8_string(der: bytes) -> str:
    """The text of exactly one DER UTF8String (X.690 section 8.23), as MS-WCCE has the UPN."""
    if len(der) < 2 or der[0] != _UTF8STRING:  # noqa: PLR2004 (a tag and a length)
        raise CertificateError("the SAN principal name is not a UTF8String")
    start, end = _value(der, 0)
    if len(der) != end:
        raise CertificateError("the SAN principal name's length does not fit its content")
    try:
        return der[start:].decode()
    except UnicodeDecodeError as error:
        raise CertificateError("the SAN principal name is not UTF-8") from error
