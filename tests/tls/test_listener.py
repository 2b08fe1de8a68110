"""A listener's contexts, its tickets and how long they are good."""

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.core.authority import Authority, AuthorityType
from gateway.core.decision import Session
from gateway.tls.context import ServerIdentity
from gateway.tls.listener import Listener
from gateway.tls.session import TlsSession
from tests.helpers import Pki, StoredCertificate, client_context
from tests.tls.pair import Device, authorities, device, gateway_context

NOW = datetime(2030, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Renewed:
    """A listener, a phone of the CA, the certificates of the CAs, and times before and now."""

    listener: Listener
    phone: StoredCertificate
    old: bytes
    new: bytes
    root: bytes
    before: datetime
    now: datetime


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
        found = listener.chain(pki.alice.der, NOW)
        assert found == (pki.alice.der, issuing, root)
        assert listener.chain(pki.alice.der, NOW) is found

    def test_a_stranger_has_none(self, pki: Pki) -> None:
        """Its signature is looked at, not its issuer's name alone."""
        listener = _listener(pki)
        der = pki.alice.der
        forged = der[:-1] + bytes((der[-1] ^ 1,))
        assert listener.chain(forged, NOW) == (forged,)
        assert listener.chain(pki.server.der, NOW)[0] == pki.server.der

    def test_who_has_expired_has_one(self, pki: Pki) -> None:
        """That is for the decision to say."""
        der = pki.stored("expired").der
        assert len(_listener(pki).chain(der, NOW)) == 3


class TestRenewedCa:
    """A CA with two certificates of one key, the older of which ran out yesterday."""

    @pytest.fixture
    def renewed(self, pki: Pki, tmp_path: Path) -> Renewed:
        """Both are records, and so is the root; the phone has been there for longer."""
        now, day = datetime.now(UTC), timedelta(days=1)
        old = pki.root.intermediate("Renewed CA", not_before=now - 9 * day, not_after=now - day)
        new = pki.root.intermediate("Renewed CA", not_before=now - 5 * day, key=old.key)
        phone = old.issue_device(upn="alice@example.test", not_before=now - 9 * day)
        (tmp_path / "phone.pem").write_bytes(phone.certificate_pem)
        (tmp_path / "phone.key").write_bytes(phone.key_pem)
        made = [old, new, pki.root]
        ders = [one.certificate.public_bytes(Encoding.DER) for one in made]
        kinds = [AuthorityType.INTERMEDIATE, AuthorityType.INTERMEDIATE, AuthorityType.ROOT]
        listener = Listener(
            ServerIdentity(pki.server.pem, pki.server.key),
            [
                Authority.from_der(der, authority_type=kind, crl_distribution_point=None)
                for der, kind in zip(ders, kinds, strict=True)
            ],
            minimum_version="1.2",
            born=Session(now, 7),
            ticket_lifetime=HOUR,
        )
        stored = StoredCertificate(tmp_path / "phone.pem", tmp_path / "phone.key")
        return Renewed(listener, stored, ders[0], ders[1], ders[2], now - 2 * day, now)

    def test_a_handshake_is_not_told_the_one_that_has_expired(
        self, pki: Pki, renewed: Renewed
    ) -> None:
        """Though the phone's chain had it, and was remembered, while it was valid."""
        listener, der = renewed.listener, renewed.phone.der
        assert listener.chain(der, renewed.before) == (der, renewed.old, renewed.root)
        client = device(pki, renewed.phone, context=listener.context(None))
        client.shake_hands()
        found = listener.verified_chain(client.session, renewed.now)
        assert found == (der, renewed.new, renewed.root)
        assert listener.verified_chain(client.session, renewed.now) is found

    def test_a_ticket_is_not_worth_less(self, renewed: Renewed) -> None:
        """A session that is resumed has the chain that a handshake would have now."""
        listener, der = renewed.listener, renewed.phone.der
        assert listener.chain(der, renewed.before) == (der, renewed.old, renewed.root)
        assert listener.chain(der, renewed.now) == (der, renewed.new, renewed.root)

    def test_who_is_remembered_shares_the_cas(self, pki: Pki, renewed: Renewed) -> None:
        """The chains of thousands of phones take the room of their own certificates."""
        other = Device(
            TlsSession(renewed.listener.context(None)), client_context(pki, renewed.phone)
        )
        other.shake_hands()
        found = renewed.listener.verified_chain(other.session, renewed.now)
        assert found[1] is renewed.new
        assert found[2] is renewed.root


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
