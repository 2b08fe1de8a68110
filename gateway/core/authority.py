"""A certificate authority record, with Entra's fields.

Decides whether a certificate can be such a record; is not told what it has signed.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from hashlib import sha256

from cryptography import x509

from gateway.core.certificate import subject_key_id
from gateway.core.unreadable import UNREADABLE
from gateway.errors import CertificateError

_KEY_ID_LIMIT = 64  # octets: SHA-512 is the longest hash that CAs make one of (RFC 7093)


class AuthorityType(IntEnum):
    """Entra's authorityType."""

    ROOT = 0
    INTERMEDIATE = 1


@dataclass(frozen=True, slots=True)
class CrlSource:
    """A further CRL of an authority, beside the base and the delta CRL that Entra knows.

    Attributes:
        url: where the CRL is.
        signer: the certificate of who signs it, DER; None if the authority does so itself.
    """

    url: str
    signer: bytes | None = None

    @property
    def name(self) -> str:
        """What its files and reports are called: the same for the same URL, and short."""
        return "source-" + sha256(self.url.encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class Authority:
    """One certificate of the trust store (Entra's CertificateAuthorityInformation).

    A CA is a name with a key. It may have several certificates, as after a renewal with the same
    key or a cross-signing: they share the id and all that concerns CRLs.

    Attributes:
        id: identifies the CA: trustedIssuerSKI, lower-case hexadecimal; another CA with the same
            SKI has "-2" behind it.
        authority_type: root or intermediate.
        certificate: trustedCertificate, DER.
        crl_distribution_point: the URL of the base CRL; None leaves the CA without one, and its
            certificates are refused.
        delta_crl_distribution_point: the URL of the delta CRL, or None.
        backdating: what this CA subtracts from thisUpdate and notBefore.
        trusted_issuer: the subject as RFC 4514 text.
        subject: the subject name as DER.
        not_before, not_after: the CA certificate's own validity, UTC.
        delta_required: a delta CRL that is configured must be there and valid (Entra's rule).
        exempt: no CRL is consulted about what this CA issued.
        sources: further CRLs.
    """

    id: str
    authority_type: AuthorityType
    certificate: bytes
    crl_distribution_point: str | None
    delta_crl_distribution_point: str | None
    backdating: timedelta
    trusted_issuer: str
    subject: bytes
    not_before: datetime
    not_after: datetime
    delta_required: bool = True
    exempt: bool = False
    sources: tuple[CrlSource, ...] = ()

    @property
    def key_id(self) -> str:
        """trustedIssuerSKI, lower-case hexadecimal."""
        return self.id.partition("-")[0]

    @property
    def has_crl(self) -> bool:
        """Whether a CRL of this CA is configured anywhere."""
        return self.crl_distribution_point is not None or bool(self.sources)

    @property
    def urls(self) -> tuple[str, ...]:
        """Every URL that is asked for this CA."""
        own = (self.crl_distribution_point, self.delta_crl_distribution_point)
        return (*(url for url in own if url is not None), *(one.url for one in self.sources))

    @classmethod
    def from_der(
        cls,
        der: bytes,
        *,
        authority_type: AuthorityType,
        crl_distribution_point: str | None,
        delta_crl_distribution_point: str | None = None,
        backdating: timedelta = timedelta(0),
    ) -> "Authority":
        """The record of a CA certificate; raises CertificateError if it is not one."""
        try:
            certificate = x509.load_der_x509_certificate(der)
            _require_authority(certificate, authority_type)
            key_id = _record_id(certificate)
        except UNREADABLE as error:
            raise CertificateError(f"the CA certificate cannot be read: {error}") from error
        return cls(
            id=key_id,
            authority_type=authority_type,
            certificate=der,
            crl_distribution_point=crl_distribution_point,
            delta_crl_distribution_point=delta_crl_distribution_point,
            backdating=backdating,
            trusted_issuer=certificate.subject.rfc4514_string(),
            subject=certificate.subject.public_bytes(),
            not_before=certificate.not_valid_before_utc,
            not_after=certificate.not_valid_after_utc,
        )


def _record_id(certificate: x509.Certificate) -> str:
    """The SKI in hexadecimal; it names files, so that it must be there and not be long."""
    key_id = subject_key_id(certificate)
    if not 0 < len(key_id) <= _KEY_ID_LIMIT:
        raise CertificateError(
            f"{certificate.subject.rfc4514_string()} cannot be a record: its subject key "
            f"identifier has {len(key_id)} octets; 1 to {_KEY_ID_LIMIT} are read"
        )
    return key_id.hex()


def _require_authority(certificate: x509.Certificate, authority_type: AuthorityType) -> None:
    """RFC 5280 sections 4.2.1.3 and 4.2.1.9: what a CA certificate must say of itself."""
    name = certificate.subject.rfc4514_string()
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        constraints = x509.BasicConstraints(ca=False, path_length=None)
    if not constraints.ca:
        raise CertificateError(f"{name} is not a CA certificate: basicConstraints does not say CA")
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        usage = None
    if usage is not None and not usage.key_cert_sign:
        raise CertificateError(f"{name} may not sign certificates: its key usage lacks keyCertSign")
    if authority_type is AuthorityType.ROOT and certificate.subject != certificate.issuer:
        raise CertificateError(
            f"{name} is not a root: its issuer is another; add it as intermediate"
        )
