"""An identity is handed out in the forms that programs read."""

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key, pkcs12

from gateway.pki.identity import ec_key, rsa_key
from tests.helpers import Pki


def test_pem_holds_the_leaf_and_then_its_issuer(pki: Pki) -> None:
    """The PEM is what a TLS peer sends: the leaf, the issuing CA, no root."""
    device = pki.issuing.issue_device(upn="x@example.test")
    assert x509.load_pem_x509_certificates(device.certificate_pem) == [
        device.certificate,
        pki.issuing.certificate,
    ]
    assert x509.load_der_x509_certificate(device.certificate_der) == device.certificate


def test_key_pem_is_the_certificates_key(pki: Pki) -> None:
    """The key file opens without a password and belongs to the leaf."""
    device = pki.issuing.issue_device(upn="x@example.test")
    key = load_pem_private_key(device.key_pem, None)
    assert key.public_key() == device.certificate.public_key()


def test_pkcs12_opens_with_its_password(pki: Pki) -> None:
    """A PKCS#12 file brings the key, the leaf with its name, and the issuing CA."""
    device = pki.issuing.issue_device(upn="x@example.test")
    opened = pkcs12.load_pkcs12(device.pkcs12(name="phone", password=b"secret"), b"secret")
    assert opened.cert is not None
    assert (opened.cert.certificate, opened.cert.friendly_name) == (device.certificate, b"phone")
    assert [one.certificate for one in opened.additional_certs] == [pki.issuing.certificate]


def test_keys_never_show_in_a_repr(pki: Pki) -> None:
    """A log line with an identity or an authority in it names no key object."""
    device = pki.issuing.issue_device(upn="x@example.test")
    assert "key=" not in repr(device)
    assert "key=" not in repr(pki.issuing)


def test_keys_are_of_the_size_asked_for() -> None:
    """P-256 and 2048 bits are the defaults, others can be had."""
    assert isinstance(ec_key().curve, ec.SECP256R1)
    assert isinstance(ec_key(ec.SECP384R1()).curve, ec.SECP384R1)
    key = rsa_key(1024)
    assert isinstance(key, rsa.RSAPrivateKey)
    assert key.key_size == 1024
