"""A listener's contexts, its tickets and how long they are good."""

import ssl
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.core.decision import Session
from gateway.tls.context import ServerIdentity
from gateway.tls.listener import Listener
from gateway.tls.session import TlsSession
from tests.helpers import Pki, client_context
from tests.tls.pair import Device, authorities, gateway_context

NOW = datetime(2030, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def _listener(
    pki: Pki, *, lifetime: timedelta = HOUR, names: frozenset[str] | None = None
) -> Listener:
    identity = ServerIdentity(pki.server.pem, pki.server.key)
    if names is not None:
        identity._names = names
    return Listener(
        identity,
        authorities(pki),
        minimum_version="1.2",
        born=Session(NOW, 7),
        ticket_lifetime=lifetime,
    )


class TestContext:
    """Which context a client gets."""

    def test_each_name_has_its_own(self, pki: Pki) -> None:
        """Always the same; nobody else's tickets are good there."""
        listener = _listener(pki)
        first, second = listener.context("localhost"), listener.context("gateway.example.test")
        assert first is listener.context("localhost")
        assert first is not second
        assert listener.has_tickets(first)
        assert listener.has_tickets(second)

    @pytest.mark.parametrize("name", [None, "elsewhere.test", ""])
    def test_others_get_no_tickets(self, pki: Pki, name: str | None) -> None:
        """Who asks for no name of the certificate."""
        listener = _listener(pki)
        assert not listener.has_tickets(listener.context(name))

    def test_no_lifetime_no_tickets(self, pki: Pki) -> None:
        """The administrator does not want any."""
        listener = _listener(pki, lifetime=timedelta(0))
        assert not listener.has_tickets(listener.context("localhost"))

    def test_a_wildcard_makes_no_more_names_than_can_be_kept(self, pki: Pki) -> None:
        """Whoever asks for thousands of them gets no contexts made."""
        listener = _listener(pki, names=frozenset(("*.example.test",)))
        found = [listener.has_tickets(listener.context(f"{i}.example.test")) for i in range(20)]
        assert found == [True] * 8 + [False] * 12
        assert listener.has_tickets(listener.context("0.example.test"))
        assert not listener.has_tickets(listener.context("example.test"))


class TestAge:
    """When another listener takes its place."""

    def test_after_a_tickets_lifetime(self, pki: Pki) -> None:
        """And not before."""
        listener = _listener(pki)
        assert not listener.is_old(NOW + HOUR)
        assert listener.is_old(NOW + HOUR + timedelta(seconds=1))

    def test_never_without_tickets(self, pki: Pki) -> None:
        """There is nothing to make anew."""
        listener = _listener(pki, lifetime=timedelta(0))
        listener.outdate(NOW)
        assert not listener.is_old(NOW + 100 * HOUR)

    def test_after_a_token_valid_from(self, pki: Pki) -> None:
        """From the moment on in which the next one is younger than that."""
        listener = _listener(pki)
        second = timedelta(seconds=1)
        listener.outdate(NOW - second)
        assert not listener.is_old(NOW + second)
        listener.outdate(NOW + second)
        listener.outdate(NOW)
        assert not listener.is_old(NOW + second)
        assert listener.is_old(NOW + 2 * second)


class TestChain:
    """The chain of a resumed session."""

    def test_is_found_among_the_cas(self, pki: Pki) -> None:
        """As a handshake verifies it; the second time from memory."""
        listener = _listener(pki)
        issuing, root = (c.certificate.public_bytes(Encoding.DER) for c in (pki.issuing, pki.root))
        found = listener.chain(pki.alice.der)
        assert found == (pki.alice.der, issuing, root)
        assert listener.chain(pki.alice.der) is found

    def test_a_stranger_has_none(self, pki: Pki) -> None:
        """Its signature is looked at, not its issuer's name alone."""
        listener = _listener(pki)
        der = pki.alice.der
        forged = der[:-1] + bytes((der[-1] ^ 1,))
        assert listener.chain(forged) == (forged,)
        assert listener.chain(pki.server.der)[0] == pki.server.der

    def test_who_has_expired_has_one(self, pki: Pki) -> None:
        """That is for the decision to say."""
        der = pki.stored("expired").der
        assert len(_listener(pki).chain(der)) == 3


class TestSession:
    """A session of a context that was chosen by name."""

    def test_another_name_ends_it(self, pki: Pki) -> None:
        """A client that tells OpenSSL another name than the first record had is no client."""
        client = Device(
            TlsSession(gateway_context(pki), "other.test"), client_context(pki, pki.alice)
        )
        client.shake_hands()
        assert client.session.broken
        assert not client.session.established
        assert client.session.failure is not None
        assert "server name" in client.session.failure.detail

    @pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
    def test_a_full_handshake_is_not_resumed(self, pki: Pki, version: ssl.TLSVersion) -> None:
        """It has a verified chain."""
        context = client_context(pki, pki.alice)
        context.maximum_version = version
        client = Device(TlsSession(_listener(pki).context("localhost"), "localhost"), context)
        client.shake_hands()
        assert client.session.established
        assert not client.session.resumed
        assert len(client.session.verified_chain()) == 3
