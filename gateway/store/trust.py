"""What a CA certificate must be to be worth a record, beyond being one.

Each refusal says why the record would never let a phone in.
"""

from collections.abc import Iterable
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.hazmat.primitives.hashes import MD5, SHA1

from gateway.core.authority import Authority, AuthorityType, CrlSource
from gateway.core.crl_names import canonical_name
from gateway.errors import CertificateError

# What TLS refuses at the security level of the listener: 112 bits (NIST SP 800-57 part 1, table 2).
_LEAST_RSA_BITS = 2048
_LEAST_EC_BITS = 224


def require_trust(authority: Authority, others: Iterable[Authority], now: datetime) -> None:
    """Raise CertificateError unless `authority` can be a record beside `others` at `now`."""
    name = authority.trusted_issuer
    if authority.not_after <= now:
        raise CertificateError(f"{name} expired at {authority.not_after.isoformat()}")
    if authority.not_before > now:
        raise CertificateError(f"{name} is not valid before {authority.not_before.isoformat()}")
    certificate = x509.load_der_x509_certificate(authority.certificate)
    _require_strength(certificate, name)
    if authority.authority_type is AuthorityType.ROOT:
        if not _is_issued_by(certificate, certificate):
            raise CertificateError(f"{name} is not a root: its own key did not sign it")
    else:
        _require_issuer(certificate, name, others)
    require_crls(authority)


def require_crls(authority: Authority) -> None:
    """Raise CertificateError if the CRLs of `authority` could never be used."""
    if authority.delta_crl_distribution_point and authority.crl_distribution_point is None:
        raise CertificateError(
            f"{authority.trusted_issuer} has a delta CRL URL but no CRL URL: there is no CRL that "
            "the delta CRL could change"
        )
    own = authority.crl_distribution_point is not None
    own = own or any(source.signer is None for source in authority.sources)
    if own and not _may_sign_crls(authority.certificate):
        raise CertificateError(
            f"{authority.trusted_issuer} may sign no CRL: its key usage lacks cRLSign; "
            "say who signs its CRL: --source URL --signer FILE in place of --crl URL"
        )


def require_source(source: CrlSource, authorities: Iterable[Authority], now: datetime) -> None:
    """Raise CertificateError unless the signer of `source` may sign CRLs and is one CA's.

    RFC 5280 section 6.3.3 f: who signs a CRL chains to the anchor of the certificates on it.
    """
    if source.signer is None:
        return
    try:
        signer = x509.load_der_x509_certificate(source.signer)
        name = signer.subject.rfc4514_string()
        issued = any(_is_issued_by(signer, _certificate(one)) for one in authorities)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise CertificateError(f"the CRL signer's certificate cannot be read: {error}") from error
    if not _may_sign_crls(source.signer):
        raise CertificateError(f"{name} may sign no CRL: its key usage lacks cRLSign")
    if signer.not_valid_after_utc <= now:
        raise CertificateError(f"{name} expired at {signer.not_valid_after_utc.isoformat()}")
    _require_strength(signer, name)
    if not issued:
        raise CertificateError(f"{name} was issued by none of the CAs, so its CRL is not believed")


def is_same_ca(one: Authority, other: Authority) -> bool:
    """Whether two certificates are of one CA: the same name and the same key."""
    names = canonical_name(one.subject) == canonical_name(other.subject)
    return names and _key(one) == _key(other)


def _key(authority: Authority) -> object:
    return _certificate(authority).public_key()


def _certificate(authority: Authority) -> x509.Certificate:
    return x509.load_der_x509_certificate(authority.certificate)


def _require_issuer(certificate: x509.Certificate, name: str, others: Iterable[Authority]) -> None:
    algorithm = certificate.signature_hash_algorithm
    if isinstance(algorithm, MD5 | SHA1):
        raise CertificateError(
            f"{name} is signed over {algorithm.name}, which TLS no longer takes; "
            "let its CA issue it again"
        )
    if not any(_is_issued_by(certificate, _certificate(one)) for one in others):
        issuer = certificate.issuer.rfc4514_string()
        raise CertificateError(
            f"{name} was issued by {issuer}, which is not among the CAs; add its root first"
        )


def _require_strength(certificate: x509.Certificate, name: str) -> None:
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey | dsa.DSAPublicKey) and key.key_size < _LEAST_RSA_BITS:
        raise CertificateError(
            f"{name} has a weak key: {key.key_size} bits; TLS takes {_LEAST_RSA_BITS} or more"
        )
    if isinstance(key, ec.EllipticCurvePublicKey) and key.key_size < _LEAST_EC_BITS:
        raise CertificateError(
            f"{name} has a weak key: {key.curve.name}; TLS takes {_LEAST_EC_BITS} bits or more"
        )


def _may_sign_crls(der: bytes) -> bool:
    extensions = x509.load_der_x509_certificate(der).extensions
    try:
        return extensions.get_extension_for_class(x509.KeyUsage).value.crl_sign
    except x509.ExtensionNotFound:
        return True


def _is_issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True
