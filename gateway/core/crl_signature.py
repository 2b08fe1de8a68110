"""Whether a CRL is signed with the key of a certificate (RFC 5280 section 6.3.3 f and g).

Decides by that certificate alone; whether it is the right one, others find out.
"""

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import MD5, SHA1, HashAlgorithm

from gateway.core.crl_parts import CrlParts
from gateway.errors import CrlError


def require_signature(parts: CrlParts, certificate: x509.Certificate, name: str) -> None:
    """Raise CrlError, which calls the signer `name`, unless its key signed the CRL in `parts`."""
    _require_crl_sign(certificate, name)
    try:
        _verify(parts, certificate)
    except InvalidSignature as error:
        raise CrlError(f"the CRL is not signed by {name}, or was changed since") from error
    except (UnsupportedAlgorithm, ValueError, TypeError) as error:
        raise CrlError(f"the signature of the CRL cannot be verified: {error}") from error


def _require_crl_sign(certificate: x509.Certificate, name: str) -> None:
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return
    if not usage.crl_sign:
        raise CrlError(f"{name} may sign no CRL: its key usage lacks cRLSign")


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
