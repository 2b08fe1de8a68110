"""Whether a CRL is signed by its authority (RFC 5280 section 6.3.3 f and g).

Decides by the authority's certificate alone; which authority that is, others find out.
"""

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import MD5, SHA1, HashAlgorithm

from gateway.core.authority import Authority
from gateway.core.crl_parts import CrlParts
from gateway.errors import CrlError


def require_signature(parts: CrlParts, authority: Authority) -> None:
    """Raise CrlError unless the CRL in `parts` is signed with the authority's key."""
    certificate = x509.load_der_x509_certificate(authority.certificate)
    _require_crl_sign(certificate, authority)
    try:
        _verify(parts, certificate)
    except InvalidSignature as error:
        raise CrlError(
            f"the CRL is not signed by {authority.trusted_issuer}, or was changed since"
        ) from error
    except (UnsupportedAlgorithm, ValueError, TypeError) as error:
        raise CrlError(f"the signature of the CRL cannot be verified: {error}") from error


def _require_crl_sign(certificate: x509.Certificate, authority: Authority) -> None:
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return
    if not usage.crl_sign:
        raise CrlError(f"{authority.trusted_issuer} may sign no CRL: its key usage lacks cRLSign")


def _verify(parts: CrlParts, certificate: x509.Certificate) -> None:
    header, key = parts.header, certificate.public_key()
    algorithm = header.signature_hash_algorithm
    if isinstance(algorithm, MD5 | SHA1):
        raise CrlError(f"the CRL is signed over {algorithm.name}, which no longer proves anything")
    parameters = header.signature_algorithm_parameters
    match key, parameters, algorithm:
        case rsa.RSAPublicKey(), padding.PKCS1v15() | padding.PSS(), HashAlgorithm():
            key.verify(header.signature, parts.tbs, parameters, algorithm)
        case ec.EllipticCurvePublicKey(), ec.ECDSA(), _:
            key.verify(header.signature, parts.tbs, parameters)
        case ed25519.Ed25519PublicKey() | ed448.Ed448PublicKey(), None, None:
            key.verify(header.signature, parts.tbs)
        case _:
            raise CrlError("the CRL is signed with an algorithm that is not one of its CA's key")
