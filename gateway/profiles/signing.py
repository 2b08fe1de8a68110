"""A configuration profile signed as phones expect it: CMS SignedData with the profile inside."""

from collections.abc import Sequence

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from gateway.errors import ProfileError


def sign(
    profile: bytes,
    certificate: x509.Certificate,
    key: PrivateKeyTypes,
    chain: Sequence[x509.Certificate] = (),
) -> bytes:
    """The profile in SignedData (RFC 5652 section 5), DER, with the signer's chain.

    Raises ProfileError if `key` does not belong to `certificate` or cannot sign CMS.
    """
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise ProfileError("the signing key is neither RSA nor EC, which profiles are signed with")
    if key.public_key() != certificate.public_key():
        raise ProfileError("the signing key does not belong to the signer's certificate")
    builder = pkcs7.PKCS7SignatureBuilder().set_data(profile)
    builder = builder.add_signer(certificate, key, SHA256())
    for one in chain:
        builder = builder.add_certificate(one)
    try:
        return builder.sign(Encoding.DER, [pkcs7.PKCS7Options.Binary])
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ProfileError(f"the profile cannot be signed with this key: {error}") from error
