"""The certificate authority: its certificates hold in real handshakes and say what was asked."""

import ssl

import pytest

from tests.helpers import Pki, client_context, handshake, server_context


@pytest.mark.parametrize("name", ["alice", "bob", "upn-only", "email-only", "no-san"])
def test_device_certificate_passes_a_handshake(pki: Pki, name: str) -> None:
    """A right device certificate passes TLS whatever its names are."""
    device = pki.stored(name)
    shown = handshake(server_context(pki), client_context(pki, device))
    assert shown == device.der


@pytest.mark.parametrize("name", ["wrong-eku", "expired", "not-yet-valid", "foreign"])
def test_wrong_device_certificate_fails_the_handshake(pki: Pki, name: str) -> None:
    """TLS itself refuses a wrong purpose, a wrong time and a CA that is not configured."""
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(server_context(pki), client_context(pki, pki.stored(name)))
