"""What new connections are served with: TLS contexts, and the session tickets that they issue.

A ticket spares a phone most of the next handshake. It never spares a decision: a resumed session
is judged like any other, and counts as authenticated when the listener that issued the ticket came
to be, which is no later than its handshake was. A ticket is good for one listener alone: with the
next one its key is gone, and the phone shakes hands in full. So it is in every other worker, whose
keys are its own. Tickets hold all of a session, and nothing of it is kept here.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal

from OpenSSL import SSL, crypto

from gateway.core.authority import Authority
from gateway.core.decision import Session
from gateway.tls.context import ClientCertificates, ServerIdentity, server_context
from gateway.tls.session import TlsSession

_MOST_NAMES = 8
"""Each name costs a context; who is asked for by more names issues no tickets under the rest."""

_MOST_CHAINS = 4096
_NO_END = datetime.max.replace(tzinfo=UTC)
_NO_CHAIN: tuple[None, datetime] = (None, _NO_END)
_NO_CHECK_TIME = 0x200000  # X509_V_FLAG_NO_CHECK_TIME; pyOpenSSL does not name it


class Listener:
    """The contexts of one set of CAs; replaced whole when these change or it is old.

    Attributes:
        born: since when its tickets exist: the moment, and the last change known then.
    """

    def __init__(  # noqa: PLR0913 (what a context is made of; all but two by name)
        self,
        identity: ServerIdentity,
        authorities: Sequence[Authority],
        *,
        minimum_version: Literal["1.2", "1.3"],
        born: Session,
        ticket_lifetime: timedelta,
        client_certificate: ClientCertificates = "require",
    ) -> None:
        """Raises CertificateError; a `ticket_lifetime` of zero issues no tickets.

        `client_certificate` is as in `server_context`.
        """
        self._client_certificate = client_certificate
        self.born = born
        self._identity = identity
        self._authorities = authorities
        self._trusted = {one.certificate: one for one in authorities}
        self._minimum_version = minimum_version
        self._lifetime = ticket_lifetime
        self._plain = self._context(timedelta(0))
        self._named: dict[str, SSL.Context] = {}
        self._chains: dict[bytes, tuple[tuple[bytes, ...], datetime]] = {}
        self._parsed: list[crypto.X509] | None = None
        self._void_until = datetime.min.replace(tzinfo=UTC)

    def context(self, server_name: str | None) -> SSL.Context:
        """For a client that asks for this name, lower-case.

        Tickets are issued under the names of the server certificate alone, and a ticket issued
        under one is worth nothing under another (RFC 8446 section 4.6.1, RFC 6066 section 3).
        """
        if server_name is None or not self._lifetime:
            return self._plain
        known = self._named.get(server_name)
        if known is None:
            if len(self._named) >= _MOST_NAMES or not self._identity.is_for(server_name):
                return self._plain
            known = self._named[server_name] = self._context(self._lifetime)
        return known

    def has_tickets(self, context: SSL.Context) -> bool:
        """Whether sessions of this context of the listener can be resumed."""
        return context is not self._plain

    def chain(self, leaf: bytes, now: datetime) -> tuple[bytes, ...]:
        """The chain of a resumed session as DER, from the CAs alone, the root last.

        OpenSSL keeps nothing but the device's certificate. That certificate alone is returned if
        no chain from it ends at a root.
        """
        return self._known(leaf, now) or self._keep(self._verify(leaf, now))

    def verified_chain(self, tls: TlsSession, now: datetime) -> tuple[bytes, ...]:
        """The chain of a session of this listener that was not resumed, the root last.

        A device that comes again has the chain that was verified before, while no CA of it has
        expired: another certificate of the same CA may have taken its place since. Only chains of
        nothing but the listener's CAs are kept, as clients may send CA certificates of their own.
        """
        known = self._known(tls.certificate(), now)
        if known is not None and len(known) > 1:
            return known
        return self._keep(tls.verified_chain())

    def _known(self, leaf: bytes, now: datetime) -> tuple[bytes, ...] | None:
        chain, end = self._chains.get(leaf, _NO_CHAIN)
        return chain if now <= end else None

    def _keep(self, chain: tuple[bytes, ...]) -> tuple[bytes, ...]:
        """The chain, remembered if the listener has all its CAs; of these there is one copy."""
        if not self._trusted.keys() >= set(chain[1:]):
            return chain
        if len(self._chains) >= _MOST_CHAINS:
            self._chains.clear()
        above = [self._trusted[one] for one in chain[1:]]
        kept = (chain[0], *(one.certificate for one in above))
        self._chains[chain[0]] = kept, min((one.not_after for one in above), default=_NO_END)
        return kept

    def outdate(self, valid_from: datetime) -> None:
        """A token-valid-from was set: what was issued at or before it is worth nothing."""
        self._void_until = max(self._void_until, valid_from)

    def is_old(self, now: datetime) -> bool:
        """Whether another listener should take its place.

        That is so after the lifetime of a ticket, and after `outdate`, but not before this
        machine's clock has passed the moment given there: else the next one were no younger.
        """
        born = self.born.authenticated_at
        if not self._lifetime:
            return False
        return now - born > self._lifetime or born <= self._void_until < now

    def _context(self, lifetime: timedelta) -> SSL.Context:
        return server_context(
            self._identity,
            self._authorities,
            minimum_version=self._minimum_version,
            ticket_lifetime=lifetime,
            client_certificate=self._client_certificate,
        )

    def _verify(self, leaf: bytes, now: datetime) -> tuple[bytes, ...]:
        """By CAs that are valid now, as a handshake finds it; else by any.

        That one has expired is for the decision to look at, which says so.
        """
        device = crypto.load_certificate(crypto.FILETYPE_ASN1, leaf)
        for moment in (now, None):
            try:
                found = crypto.X509StoreContext(self._store(moment), device).get_verified_chain()
            except crypto.X509StoreContextError:
                continue
            return tuple(crypto.dump_certificate(crypto.FILETYPE_ASN1, one) for one in found)
        return (leaf,)

    def _store(self, moment: datetime | None) -> crypto.X509Store:
        """The CAs, to verify by at `moment`; None: without regard to time.

        A store is made each time, as OpenSSL keeps the first moment that it was given.
        """
        if self._parsed is None:
            ders = (one.certificate for one in self._authorities)
            self._parsed = [crypto.load_certificate(crypto.FILETYPE_ASN1, der) for der in ders]
        store = crypto.X509Store()
        if moment is None:
            store.set_flags(_NO_CHECK_TIME)
        else:
            store.set_time(moment)
        for certificate in self._parsed:
            store.add_cert(certificate)
        return store
