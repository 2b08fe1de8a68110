"""The server's side of TLS, over memory."""

import ssl
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.core.reasons import Reason
from gateway.pki.identity import rsa_key
from gateway.tls.session import TlsSession, verify_reason
from tests.helpers import Pki, StoredCertificate
from tests.tls.pair import Device, authorities, device, gateway_context

VERSIONS = pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])


class TestData:
    """Plain text in both directions."""

    @VERSIONS
    @pytest.mark.parametrize("step", [1, 7, 5000, 1 << 20])
    def test_pieces_make_no_difference(self, pki: Pki, version: ssl.TLSVersion, step: int) -> None:
        """The same bytes come out however the network cuts them."""
        client = device(pki, version=version, step=step)
        client.shake_hands()
        sent = bytes(range(256)) * 160
        client.send(b"first")
        client.send(sent)
        client.send(b"")
        client.send(b"last")
        assert client.received == b"first" + sent + b"last"

    @VERSIONS
    @pytest.mark.parametrize("size", [1, 16_384, 16_385, 3_000_000])
    def test_what_is_encrypted_arrives(self, pki: Pki, version: ssl.TLSVersion, size: int) -> None:
        """Any size, in one call, and nothing waits behind."""
        client = device(pki, version=version)
        client.shake_hands()
        data = (bytes(range(251)) * (size // 251 + 1))[:size]
        assert client.take(client.session.encrypt(data)) == data
        assert client.session.output() == b""

    def test_goodbyes(self, pki: Pki) -> None:
        """close_notify of the device is noticed, and ours reaches it."""
        client = device(pki)
        client.shake_hands()
        with pytest.raises(ssl.SSLWantReadError):
            client.tls.unwrap()
        client.pump()
        assert client.session.closed
        assert client.session.end()
        assert client.session.end() == b""

    def test_an_end_before_the_handshake_says_nothing(self, pki: Pki) -> None:
        """There is no session to say goodbye on."""
        assert TlsSession(gateway_context(pki)).end() == b""

    @pytest.mark.parametrize("extra", [b"", b"\x17\x03\x03\x00\x10" + bytes(16)])
    def test_a_broken_record(self, pki: Pki, extra: bytes) -> None:
        """A record that was changed on its way breaks the session, alone or among others."""
        client = device(pki)
        client.shake_hands()
        client.session.feed(b"\x17\x03\x03\x00\x20" + bytes(32) + extra)
        assert client.session.broken

    def test_many_goodbyes_at_once(self, pki: Pki) -> None:
        """Data and close_notify in one piece give the data, and then the end."""
        client = device(pki)
        client.shake_hands()
        client.tls.write(b"data")
        with pytest.raises(ssl.SSLWantReadError):
            client.tls.unwrap()
        client.pump()
        assert (client.received, client.session.closed) == (b"data", True)


class TestIdentity:
    """Whom the handshake has shown."""

    def test_the_chain_ends_at_the_root(self, pki: Pki) -> None:
        """Device, issuing CA, root, as verified."""
        client = device(pki)
        client.shake_hands()
        root, issuing = (
            ca.certificate.public_bytes(Encoding.DER) for ca in (pki.root, pki.issuing)
        )
        assert client.session.verified_chain() == (pki.alice.der, issuing, root)

    def test_the_device_need_not_send_its_issuer(self, pki: Pki, tmp_path: Path) -> None:
        """A configured intermediate completes the chain."""
        leaf = tmp_path / "leaf.pem"
        leaf.write_bytes(pki.alice.certificate.public_bytes(Encoding.PEM))
        client = device(pki, StoredCertificate(leaf, pki.alice.key))
        client.shake_hands()
        assert len(client.session.verified_chain()) == 3

    def test_an_intermediate_is_no_anchor(self, pki: Pki) -> None:
        """Without the root the chain does not end."""
        client = device(pki, context=gateway_context(pki, records=authorities(pki)[1:]))
        assert "UNKNOWN_CA" in client.refused()
        assert client.session.failure is not None
        assert client.session.failure.outcome == "untrusted_chain"

    def test_the_server_name(self, pki: Pki) -> None:
        """As the client asked for it; None where it named none."""
        client = device(pki)
        client.shake_hands()
        assert client.session.server_name() == "localhost"
        assert TlsSession(gateway_context(pki)).server_name() is None

    def test_no_chain_before_the_handshake(self, pki: Pki) -> None:
        """There is nobody yet."""
        assert TlsSession(gateway_context(pki)).verified_chain() == ()


class TestFailure:
    """Why no session came to be."""

    @VERSIONS
    @pytest.mark.parametrize(
        ("name", "outcome", "said"),
        [
            ("foreign", "untrusted_chain", "not among the configured CAs|not configured"),
            ("expired", "outside_validity", "has expired"),
            ("not-yet-valid", "outside_validity", "not yet valid"),
            ("wrong-eku", "not_client_auth", "client authentication"),
        ],
    )
    def test_is_told_for_the_log(
        self, pki: Pki, version: ssl.TLSVersion, name: str, outcome: str, said: str
    ) -> None:
        """A label for the metric and a sentence that says which certificate."""
        client = device(pki, pki.stored(name), version=version)
        assert "ALERT" in client.refused()
        failure = client.session.failure
        assert failure is not None
        assert failure.outcome == outcome
        assert any(part in failure.detail for part in said.split("|")), failure.detail

    @VERSIONS
    def test_a_weak_key(self, pki: Pki, tmp_path: Path, version: ssl.TLSVersion) -> None:
        """RSA below 2048 bits is refused by name."""
        made = pki.issuing.issue_device(upn="alice@example.test", key=rsa_key(1024))
        (tmp_path / "weak.pem").write_bytes(made.certificate_pem)
        (tmp_path / "weak.key").write_bytes(made.key_pem)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.set_ciphers("DEFAULT@SECLEVEL=0")
        context.load_verify_locations(pki.root_pem)
        context.load_cert_chain(tmp_path / "weak.pem", tmp_path / "weak.key")
        context.minimum_version = context.maximum_version = version
        client = Device(TlsSession(gateway_context(pki)), context)
        assert "ALERT" in client.refused()
        assert client.session.failure is not None
        assert client.session.failure.outcome == "weak_key"

    def test_an_unknown_number_is_untrusted(self) -> None:
        """Whatever OpenSSL finds wrong beyond the named rows refuses the chain."""
        assert verify_reason(9999) is Reason.UNTRUSTED_CHAIN
        assert verify_reason(10) is Reason.OUTSIDE_VALIDITY


class TestKeyUpdate:
    """RFC 8446 section 4.6.3."""

    def test_answers_to_key_updates_hold_nothing_back(self, pki: Pki) -> None:
        """What waits to be sent leaves whole, with what is encrypted next."""
        client = device(pki, version=ssl.TLSVersion.TLSv1_3)
        client.shake_hands()
        # Small records stand in for the answers, which this client cannot ask for.
        for _ in range(20):
            client.session._connection.send(b"b" * 10)
        assert client.take(client.session.encrypt(b"c")) == b"b" * 200 + b"c"
