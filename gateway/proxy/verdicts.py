"""The verdict of one connection: made once, good until something changes or its time is over."""

from collections.abc import Callable
from datetime import UTC, datetime

from gateway.core.decision import Allow, Deny, Session
from gateway.core.device import DeviceCertificate
from gateway.core.mailbox import Mailbox
from gateway.core.names import fold
from gateway.core.reasons import Reason
from gateway.core.self_check import SelfCheck, self_check
from gateway.errors import CertificateError, UpstreamError
from gateway.proxy.index import Key, certificate_key, device_key, name_key
from gateway.proxy.judge import Identity, Judge
from gateway.proxy.routes import Route
from gateway.proxy.services import Services
from gateway.proxy.upstreams import UpstreamService

_FOR_EVER = float("inf")
_NEVER = -1
_MADE_ANEW_SECONDS = 3600.0


class Verdicts:
    """Who the device is, and whether it may act now.

    Asking again costs one comparison of integers and one of moments, as long as the judge's epoch
    stands and no certificate or CRL has run out. A verdict that is made again and allows the same
    mailbox as before is not put on record a second time.

    Attributes:
        service: the mail server of the mailbox, once that is known.
        mailbox_key: empty before it is known.
        credentials: what makes it act for the mailbox.
        edition: is another one whenever the verdict has been made anew.
    """

    __slots__ = (
        "_address",
        "_device_id",
        "_epoch",
        "_file",
        "_filed_by",
        "_identity",
        "_mailbox",
        "_services",
        "_until",
        "_verdict",
        "credentials",
        "edition",
        "mailbox_key",
        "service",
    )

    def __init__(
        self,
        services: Services,
        chain: tuple[bytes, ...],
        address: str,
        *,
        file: Callable[[tuple[Key, ...]], None],
        session: Session | None = None,
    ) -> None:
        """Identify the holder of `chain`, which TLS has verified: now, or when `session` was.

        An empty chain is that of a device without a certificate, which is nobody for good.

        `file` is told under which keys the connection is to be found.
        """
        self._services = services
        self._address = address
        self._file = file
        self._epoch = _NEVER
        self._until = 0.0
        self._verdict: Allow | Deny = Deny(Reason.STATE_UNAVAILABLE, "nothing is decided yet")
        self._mailbox = self.mailbox_key = ""
        self._device_id = ""
        self._identity: Identity | None = None
        self._filed_by: Judge | None = None
        self.credentials = b""
        self.edition = 0
        self.service = services.upstreams.default
        if not chain:
            self._verdict = Deny(Reason.NO_CERTIFICATE, "the client has no certificate")
            return
        try:
            self._identity = services.judge.identify(chain, self._now(), session=session)
        except CertificateError as error:
            self._verdict = Deny(Reason.NO_USABLE_SAN, str(error))

    def current(self, route: Route | None) -> Allow | Deny:
        """The verdict as of now; a new one that allows is put on record with `route`."""
        services = self._services
        if self._epoch == services.judge.epoch and services.clock() < self._until:
            return self._verdict
        if self._identity is not None:
            self._make(self._identity, route)
        return self._verdict

    @property
    def is_over(self) -> bool:
        """Whether the device was let in by a verdict that does not stand any more."""
        services = self._services
        stands = self._epoch == services.judge.epoch and services.clock() < self._until
        return self.allows and not stands

    @property
    def allows(self) -> bool:
        """Whether the device was let in when that was last asked."""
        return isinstance(self._verdict, Allow)

    @property
    def fingerprint(self) -> str:
        """Of the device's certificate; empty if that could not be read."""
        return "" if self._identity is None else self._identity.certificate.fingerprint.hex()

    def keep(self, before: int | None, after: int) -> bool:
        """The change from one epoch of the judge to the next does not concern this connection.

        False if the verdict is not one that stood before the change and allowed.
        """
        if self._epoch != before or not isinstance(self._verdict, Allow):
            return False
        self._epoch = after
        return True

    def is_in_doubt(self, issuers: frozenset[str]) -> bool:
        """Whether one of these CAs, whose CRLs are others now, no longer vouches for the device."""
        identity, judge = self._identity, self._services.judge
        if identity is None or issuers.isdisjoint(judge.issuer_ids(identity)):
            return False
        return judge.in_doubt(identity, self._now())

    def serves(self, device_id: str | None) -> None:
        """The connection's requests name this device."""
        if device_id is not None and fold(device_id) != self._device_id:
            self._device_id = fold(device_id)
            self._refile()

    @property
    def mailbox_upn(self) -> str:
        """The mailbox that the certificate names, let in or not; empty if it is none or several."""
        return self._mailbox

    def device_certificate(self) -> DeviceCertificate | None:
        """The certificate, as the registry of devices knows it."""
        identity = self._identity
        if identity is None:
            return None
        certificate, issuer_id = identity.certificate, self._services.judge.issuer_id(identity)
        return DeviceCertificate(issuer_id, certificate.serial_number, certificate.not_before)

    def about(self, route: Route | None) -> dict[str, str]:
        """What a record says of this connection and request."""
        identity = self._identity
        known = {"client_address": self._address}
        if route is not None:
            known["command"] = route.command
            known["device_id"] = route.request.device_id or ""
        if identity is not None:
            known["serial"] = f"{identity.certificate.serial_number:x}"
            known["issuer_key_id"] = self._services.judge.issuer_id(identity)
        if self._mailbox:
            known["mailbox"] = self._mailbox
        return known

    def self_check(self) -> SelfCheck:
        """What the holder may know of the certificate and the verdict, as of now."""
        verdict, now, identity = self.current(None), self._now(), self._identity
        if identity is None:
            return self_check(verdict, None, (), now)
        is_let_in = isinstance(verdict, Allow)
        facts = self._services.judge.facts(identity, now) if is_let_in else None
        return self_check(verdict, identity.certificate, facts.revocation if facts else (), now)

    def record(self, verdict: Allow | Deny, about: dict[str, str]) -> str:
        """Put a verdict on record once more; its reference id is for the holder."""
        observer = self._services.observer
        if isinstance(verdict, Deny):
            return observer.denied(verdict, **about)
        return observer.verdict(**about)

    def _make(self, identity: Identity, route: Route | None) -> None:
        judge = self._services.judge
        self._epoch = judge.epoch
        self.edition += 1
        verdict = judge.decide(identity, self._now())
        if isinstance(verdict, Allow):
            try:
                self._served_by(self._services.upstreams.of(verdict.mailbox), verdict.mailbox)
            except UpstreamError as error:
                verdict = Deny(Reason.UPSTREAM_UNAVAILABLE, str(error))
        before, self._verdict = self._verdict, verdict
        if isinstance(verdict, Deny):
            self._mailbox = judge.mailbox_name(identity)
            self._until = _FOR_EVER
            return
        self._mailbox = verdict.mailbox.upn
        self.mailbox_key = verdict.mailbox.key
        # Made anew once an hour, so that the registry hears of devices whose connections last.
        in_an_hour = self._services.clock() + _MADE_ANEW_SECONDS
        self._until = min(verdict.expires_at.timestamp(), in_an_hour)
        if isinstance(before, Deny) or before.mailbox.key != verdict.mailbox.key:
            self._let_in(identity, verdict, route)
        elif self._filed_by is not judge:  # it may read other names in the certificate
            self._refile()

    def reroute(self, service: UpstreamService, mailbox: Mailbox) -> None:
        """From now on `service` has the requests of this connection, which is of `mailbox`.

        Raises UpstreamError, and all is as it was, if `service` cannot be told who that is.
        """
        self._served_by(service, mailbox)

    def _served_by(self, service: UpstreamService, mailbox: Mailbox) -> None:
        """Raises UpstreamError, and all is as it was, if `service` cannot be told who it is."""
        self.credentials = service.credentials(mailbox)
        self.service = service

    def _let_in(self, identity: Identity, verdict: Allow, route: Route | None) -> None:
        services = self._services
        if route is not None and route.request.device_id is not None:
            self._device_id = fold(route.request.device_id)
        services.observer.verdict(**self.about(route))
        services.observer.seen(
            identity.certificate,
            issuer_id=services.judge.issuer_id(identity),
            mailbox_key=verdict.mailbox.key,
        )
        self._refile()

    def _refile(self) -> None:
        """Be found by all that a change can name; only who was let in need be found."""
        identity, verdict = self._identity, self._verdict
        if identity is None or isinstance(verdict, Deny):
            return
        self._filed_by = judge = self._services.judge
        names = {verdict.mailbox.key, *judge.names(identity)}
        number = identity.certificate.serial_number
        keys = [certificate_key(judge.issuer_id(identity), number), *map(name_key, names)]
        if self._device_id:
            keys.append(device_key(self._device_id))
        self._file(tuple(keys))

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._services.clock(), UTC)
