"""What the listener demands and offers."""

import ssl
from contextlib import suppress
from pathlib import Path

import pytest
from OpenSSL import SSL

from gateway.errors import CertificateError
from gateway.pki.identity import rsa_key
from gateway.tls.context import ServerIdentity, root_count, server_context
from gateway.tls.session import TlsSession
from tests.helpers import Pki, client_context
from tests.tls.pair import Device, authorities, device, gateway_context


class TestVersions:
    """TLS 1.2 and 1.3, nothing older."""

    @pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
    def test_taken(self, pki: Pki, version: ssl.TLSVersion) -> None:
        """A client of either version gets in with forward secrecy."""
        client = device(pki, version=version)
        client.shake_hands()
        assert client.session.established
        name = (client.tls.cipher() or ("",))[0]
        assert name.startswith(("ECDHE-", "TLS_AES_", "TLS_CHACHA20_"))

    def test_1_1_is_refused(self, pki: Pki) -> None:
        """RFC 8996: it is not spoken, and the alert says so."""
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        context.set_cipher_list(b"DEFAULT@SECLEVEL=0")
        context.set_min_proto_version(SSL.TLS1_1_VERSION)
        context.set_max_proto_version(SSL.TLS1_1_VERSION)
        client = SSL.Connection(context, None)
        client.set_connect_state()
        with pytest.raises(SSL.WantReadError):
            client.do_handshake()
        session = TlsSession(gateway_context(pki))
        session.feed(client.bio_read(4096))
        assert session.broken
        client.bio_write(session.output())
        with pytest.raises(SSL.Error, match="protocol version"):
            client.do_handshake()

    def test_1_2_is_refused_if_so_configured(self, pki: Pki) -> None:
        """tls.minimum_version is heeded."""
        client = device(
            pki,
            version=ssl.TLSVersion.TLSv1_2,
            context=gateway_context(pki, minimum_version="1.3"),
        )
        assert "PROTOCOL_VERSION" in client.refused()


class TestAlpn:
    """HTTP/1.1, or no ALPN at all."""

    @pytest.mark.parametrize(
        ("offered", "chosen"),
        [(["h2", "http/1.1"], "http/1.1"), (["h2"], None), ([], None)],
    )
    def test_the_choice(self, pki: Pki, offered: list[str], chosen: str | None) -> None:
        """RFC 7301 section 3.2; a client that offers h2 alone still gets in."""
        context = client_context(pki, pki.alice)
        if offered:
            context.set_alpn_protocols(offered)
        client = Device(TlsSession(gateway_context(pki)), context)
        client.shake_hands()
        assert client.session.established
        assert client.tls.selected_alpn_protocol() == chosen


def _openssl_client(pki: Pki, version: int) -> tuple[SSL.Connection, TlsSession]:
    """A client of pyOpenSSL, which shows more than the standard library's, in mid-air."""
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_max_proto_version(version)
    context.use_certificate_chain_file(str(pki.alice.pem))
    context.use_privatekey_file(str(pki.alice.key))
    client = SSL.Connection(context, None)
    client.set_connect_state()
    return client, TlsSession(gateway_context(pki))


def _run(client: SSL.Connection, session: TlsSession) -> None:
    for _ in range(6):
        with suppress(SSL.WantReadError):
            client.do_handshake()
        with suppress(SSL.WantReadError):
            session.feed(client.bio_read(65536))
        if data := session.output():
            client.bio_write(data)


class TestHints:
    """The certificate request."""

    @pytest.mark.parametrize("version", [SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION])
    def test_it_names_the_configured_cas(self, pki: Pki, version: int) -> None:
        """A phone with many certificates can pick the right one (RFC 8446 section 4.2.4)."""
        client, session = _openssl_client(pki, version)
        _run(client, session)
        assert session.established
        named = {crypto_name.der() for crypto_name in client.get_client_ca_list()}
        assert named == {a.subject for a in authorities(pki)}


class TestResumption:
    """Every session begins with a full handshake, so that the certificate is looked at."""

    @pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
    def test_a_session_cannot_be_resumed(self, pki: Pki, version: ssl.TLSVersion) -> None:
        """No ticket, no cache: a client that offers its old session gets a new one."""
        context = gateway_context(pki)
        first = device(pki, version=version, context=context)
        first.shake_hands()
        first.take(first.session.encrypt(b"x"))
        second = Device(TlsSession(context), first.tls.context)
        if first.tls.session is not None:
            second.tls.session = first.tls.session
        second.shake_hands()
        assert second.session.established
        assert not second.tls.session_reused

    def test_renegotiation_is_refused(self, pki: Pki) -> None:
        """A TLS 1.2 client cannot change who it is in the middle of a connection."""
        client, session = _openssl_client(pki, SSL.TLS1_2_VERSION)
        _run(client, session)
        assert session.established
        client.renegotiate()
        with pytest.raises(SSL.WantReadError):
            client.do_handshake()
        session.feed(client.bio_read(65536))
        client.bio_write(session.output())
        with pytest.raises(SSL.Error, match="no renegotiation"):
            client.do_handshake()


class TestServerIdentity:
    """The listener's own certificate."""

    def test_a_missing_file_is_named(self, pki: Pki, tmp_path: Path) -> None:
        """The error names the key of the configuration and, once, the file."""
        reason = "cannot be read: No such file or directory"
        with pytest.raises(CertificateError) as raised:
            ServerIdentity(tmp_path / "no.pem", pki.server.key)
        assert str(raised.value) == f"listen.certificate: {tmp_path / 'no.pem'}: {reason}"
        with pytest.raises(CertificateError) as raised:
            ServerIdentity(pki.server.pem, tmp_path / "no.key")
        assert str(raised.value) == f"listen.private_key: {tmp_path / 'no.key'}: {reason}"

    def test_the_key_of_another_certificate(self, pki: Pki) -> None:
        """Both files are named."""
        with pytest.raises(CertificateError, match=r"alice\.key is not the key of .*server\.pem"):
            ServerIdentity(pki.server.pem, pki.alice.key)

    def test_a_certificate_that_tls_cannot_use(self, pki: Pki, tmp_path: Path) -> None:
        """A key that is too weak for the listener is found when the context is made."""
        made = pki.issuing.issue_server("localhost", key=rsa_key(1024))
        (tmp_path / "weak.pem").write_bytes(made.certificate_pem)
        (tmp_path / "weak.key").write_bytes(made.key_pem)
        identity = ServerIdentity(tmp_path / "weak.pem", tmp_path / "weak.key")
        with pytest.raises(CertificateError, match=r"listen\.certificate: TLS cannot use it"):
            server_context(identity, authorities(pki), minimum_version="1.2")


def test_roots_are_counted(pki: Pki) -> None:
    """Without one no chain can end."""
    assert root_count(authorities(pki)) == 1
    assert root_count(authorities(pki)[1:]) == 0
