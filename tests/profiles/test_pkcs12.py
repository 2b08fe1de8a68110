"""Identities are packed for phones and opened again."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import ProfileError
from gateway.pki.identity import ec_key
from gateway.profiles.pkcs12 import pack, unpack
from tests.profiles.samples import ALICE, ISSUING

# pbeWithSHAAnd3-KeyTripleDES-CBC and PBES2, as content of their DER.
TRIPLE_DES, PBES2 = bytes.fromhex("2a864886f70d010c0103"), bytes.fromhex("2a864886f70d01050d")


@pytest.mark.parametrize(
    ("modern", "used", "unused"), [(False, TRIPLE_DES, PBES2), (True, PBES2, TRIPLE_DES)]
)
def test_both_ways(modern: bool, used: bytes, unused: bytes) -> None:  # noqa: FBT001 (a parameter of the test)
    """Key, certificate and chain come out again; the encryption is the one asked for."""
    content = pack(ALICE.certificate, ALICE.key, ALICE.chain, "pässword", modern=modern)
    assert used in content
    assert unused not in content
    opened = unpack(content, "pässword")
    assert (opened.certificate, opened.has_key) == (ALICE.certificate, True)
    assert opened.chain == (ISSUING.certificate,)


def test_wrong_password() -> None:
    """Another password, and none, is said not to open it."""
    content = pack(ALICE.certificate, ALICE.key, (), "right")
    for password in ("wrong", None):
        with pytest.raises(ProfileError, match="no PKCS#12 that this password opens"):
            unpack(content, password)


def test_without_key() -> None:
    """A file of certificates alone has no key."""
    content = pkcs12.serialize_key_and_certificates(
        None, None, ALICE.certificate, None, BestAvailableEncryption(b"x")
    )
    assert not unpack(content, "x").has_key
    others = pkcs12.serialize_key_and_certificates(
        None, None, None, [ISSUING.certificate], BestAvailableEncryption(b"x")
    )
    assert unpack(others, "x").certificate == ISSUING.certificate


def test_key_of_another() -> None:
    """The key has to be the certificate's, and of a kind that phones take."""
    with pytest.raises(ProfileError, match="does not belong to the certificate"):
        pack(ALICE.certificate, ec_key(), (), "x")
    with pytest.raises(ProfileError, match="neither RSA nor EC"):
        pack(ALICE.certificate, ed25519.Ed25519PrivateKey.generate(), (), "x")


@given(st.binary(max_size=200), st.none() | st.text(max_size=5))
def test_any_bytes(content: bytes, password: str | None) -> None:
    """Any bytes are no PKCS#12, and that is what is said."""
    with pytest.raises(ProfileError):
        unpack(content, password)
