"""A certificate together with its key and the CA certificates that are sent with it."""

from dataclasses import dataclass, field

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def ec_key(curve: ec.EllipticCurve | None = None) -> ec.EllipticCurvePrivateKey:
    """A new key on `curve`, P-256 unless told."""
    return ec.generate_private_key(curve or ec.SECP256R1())


def rsa_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    """A new RSA key of `bits` bits."""
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def key_pem(key: PrivateKey) -> bytes:
    """`key` as unencrypted PKCS#8 PEM."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def certificates_pem(*certificates: x509.Certificate) -> bytes:
    """`certificates` as one PEM text, in the order given."""
    return b"".join(one.public_bytes(Encoding.PEM) for one in certificates)


@dataclass(frozen=True)
class Identity:
    """A leaf certificate, its key, and `chain`: its issuers, nearest first, without the root."""

    certificate: x509.Certificate
    key: PrivateKey = field(repr=False)
    chain: tuple[x509.Certificate, ...] = ()

    @property
    def serial_number(self) -> int:
        """The serial number of the leaf."""
        return self.certificate.serial_number

    @property
    def certificate_der(self) -> bytes:
        """The leaf alone, DER."""
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def certificate_pem(self) -> bytes:
        """The leaf and then its chain, PEM: what a TLS peer sends."""
        return certificates_pem(self.certificate, *self.chain)

    @property
    def key_pem(self) -> bytes:
        """The key, unencrypted PKCS#8 PEM."""
        return key_pem(self.key)

    def pkcs12(self, *, name: str, password: bytes) -> bytes:
        """Leaf, key and chain as PKCS#12 (RFC 7292), encrypted with `password`."""
        encryption = BestAvailableEncryption(password)
        return pkcs12.serialize_key_and_certificates(
            name.encode(), self.key, self.certificate, self.chain, encryption
        )
