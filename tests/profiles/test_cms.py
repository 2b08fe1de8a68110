"""A signed profile is read in DER and BER, and its signature judged."""

import contextlib

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519, padding
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import ProfileError
from gateway.pki.authority import CertificateAuthority
from gateway.pki.identity import Identity, ec_key, rsa_key
from gateway.pki.names import tlv
from gateway.profiles.ber import read
from gateway.profiles.cms import unwrap
from gateway.profiles.signing import sign
from tests.profiles.samples import ISSUING, ROOT, SIGNER

CONTENT = b"<plist>" + b"x" * 300 + b"</plist>"
RSA_SIGNER = ISSUING.issue_server("rsa.example.test", key=rsa_key())
SIGNED = sign(CONTENT, SIGNER.certificate, SIGNER.key, SIGNER.chain)


def indefinite(der: bytes) -> bytes:
    """The same value as Apple's tools write it: no lengths, and strings in pieces."""
    value = read(der, 0, len(der))
    if value.tag == 0x04 and value.content == CONTENT:
        pieces = b"".join(tlv(0x04, CONTENT[at : at + 100]) for at in range(0, len(CONTENT), 100))
        return b"\x24\x80" + pieces + b"\0\0"
    # Certificates and signed attributes stay as they were signed.
    if not value.tag & 0x20 or value.depth > 6 or value.tag == 0x31 or is_certificate(der):
        return der
    inside = b"".join(indefinite(child.raw) for child in value.children)
    return bytes([value.tag, 0x80]) + inside + b"\0\0"


def is_certificate(der: bytes) -> bool:
    """Whether it is a whole certificate."""
    try:
        x509.load_der_x509_certificate(der)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("signer", [SIGNER, RSA_SIGNER], ids=["EC", "RSA"])
def test_signed(signer: Identity) -> None:
    """What was signed is inside, byte for byte; signer and chain are there; it holds."""
    content, signature = unwrap(
        sign(CONTENT, signer.certificate, signer.key, [*signer.chain, ROOT.certificate])
    )
    assert content == CONTENT
    assert signature.problem is None
    assert signature.signer == signer.certificate
    assert set(signature.certificates) == {
        signer.certificate,
        ISSUING.certificate,
        ROOT.certificate,
    }


def test_ber() -> None:
    """Indefinite lengths and a content in pieces are the same profile."""
    ber = indefinite(SIGNED)
    assert ber[1] == 0x80
    assert b"\x24\x80" in ber
    content, signature = unwrap(ber)
    assert (content, signature.problem) == (CONTENT, None)


def test_changed_content() -> None:
    """A byte changed in the profile breaks the signature."""
    content, signature = unwrap(SIGNED.replace(b"<plist>xx", b"<plist>xy"))
    assert content != CONTENT
    assert signature.problem == "the profile was changed after it was signed"


def test_changed_signature() -> None:
    """A signature of another key is none."""
    other = sign(CONTENT, SIGNER.certificate, SIGNER.key)
    (old,) = {SIGNED[-8:]}
    assert unwrap(SIGNED[:-8] + other[-8:])[1].problem == "it is not of the signer's key"
    assert old != other[-8:]


def test_unknown_algorithm() -> None:
    """What cannot be judged is neither said to hold nor said not to."""
    builder = pkcs7.PKCS7SignatureBuilder().set_data(CONTENT)
    pss = padding.PSS(padding.MGF1(SHA256()), padding.PSS.DIGEST_LENGTH)
    builder = builder.add_signer(RSA_SIGNER.certificate, RSA_SIGNER.key, SHA256(), rsa_padding=pss)
    _, signature = unwrap(builder.sign(Encoding.DER, [pkcs7.PKCS7Options.Binary]))
    assert (signature.problem, signature.doubt) == (None, "its algorithm is not known here")


def test_too_many_certificates() -> None:
    """A chain has an end."""
    chain = [CertificateAuthority.root(str(number)).certificate for number in range(64)]
    with pytest.raises(ProfileError, match="more than 64 certificates"):
        unwrap(sign(CONTENT, SIGNER.certificate, SIGNER.key, chain))


def test_signer_is_not_included() -> None:
    """Without the signer's certificate nothing can be said of it."""
    builder = pkcs7.PKCS7SignatureBuilder().set_data(CONTENT)
    builder = builder.add_signer(SIGNER.certificate, SIGNER.key, SHA256())
    options = [pkcs7.PKCS7Options.Binary, pkcs7.PKCS7Options.NoCerts]
    content, signature = unwrap(builder.sign(Encoding.DER, options))
    assert content == CONTENT
    assert (signature.signer, signature.certificates) == (None, ())
    assert signature.problem == "the signer's certificate is not included"


def test_detached() -> None:
    """A signature without the profile says how to sign instead."""
    builder = pkcs7.PKCS7SignatureBuilder().set_data(CONTENT)
    builder = builder.add_signer(SIGNER.certificate, SIGNER.key, SHA256())
    der = builder.sign(Encoding.DER, [pkcs7.PKCS7Options.DetachedSignature])
    with pytest.raises(ProfileError, match="detached: sign with the profile inside"):
        unwrap(der)


def test_encrypted() -> None:
    """What is encrypted for one device is said to be."""
    builder = pkcs7.PKCS7EnvelopeBuilder().set_data(CONTENT)
    der = builder.add_recipient(RSA_SIGNER.certificate).encrypt(Encoding.DER, [])
    with pytest.raises(ProfileError, match="encrypted for one device"):
        unwrap(der)


@pytest.mark.parametrize(
    "content",
    [b"", b"\x30", b"\x30\x80", b"\x30\x03\x06\x01", b"\x30\x00", b"\x30\x82\xff\xff", b"0" * 50],
)
def test_no_cms(content: bytes) -> None:
    """What is cut off or no CMS is an error with a sentence."""
    with pytest.raises(ProfileError):
        unwrap(content)


def test_nesting_has_an_end() -> None:
    """A value of a thousand values inside each other is refused, not followed."""
    with pytest.raises(ProfileError, match="nested too deeply"):
        unwrap(b"\x30\x80" * 1000)


@given(st.binary(max_size=200).map(lambda tail: b"\x30" + tail))
def test_any_bytes(content: bytes) -> None:
    """Any bytes are a profile with a signature, or a ProfileError."""
    with contextlib.suppress(ProfileError):
        unwrap(content)


@pytest.mark.filterwarnings("ignore")  # the library warns of numbers that are wrong
@given(st.integers(0, len(SIGNED) - 1), st.integers(0, 255), st.integers(0, 3))
def test_damaged(position: int, octet: int, cut: int) -> None:
    """A damaged file is an error, has a problem, or its content is the one that was signed."""
    damaged = SIGNED[:position] + bytes([octet]) + SIGNED[position + 1 : len(SIGNED) - cut]
    try:
        content, signature = unwrap(damaged)
    except ProfileError:
        return
    assert signature.problem or signature.doubt or content == CONTENT


class TestSign:
    """What cannot sign."""

    def test_key_of_another(self) -> None:
        """The key has to be the certificate's."""
        with pytest.raises(ProfileError, match="does not belong to the signer's certificate"):
            sign(CONTENT, SIGNER.certificate, ec_key())

    def test_kind_of_key(self) -> None:
        """Profiles are signed with RSA or EC."""
        with pytest.raises(ProfileError, match="neither RSA nor EC"):
            sign(CONTENT, SIGNER.certificate, ed25519.Ed25519PrivateKey.generate())
