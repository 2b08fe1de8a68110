"""The verdict of one connection: made once, good until something changes or its time is over."""

from datetime import UTC, datetime

from gateway.core.decision import Allow, Deny
from gateway.core.reasons import Reason
from gateway.errors import CertificateError, UpstreamError
from gateway.proxy.judge import Identity
from gateway.proxy.routes import Route
from gateway.proxy.services import Services

_FOR_EVER = float("inf")


class Verdicts:
    """Who the device is, and whether it may act now.

    Asking again costs one comparison of integers and one of moments, as long as the judge's epoch
    stands and no certificate or CRL has run out.
    """

    __slots__ = (
        "_address",
        "_epoch",
        "_identity",
        "_mailbox",
        "_services",
        "_until",
        "_verdict",
        "credentials",
    )

    def __init__(self, services: Services, chain: tuple[bytes, ...], address: str) -> None:
        """Identify the holder of `chain`, which TLS has just verified."""
        self._services = services
        self._address = address
        self._epoch = -1
        self._until = 0.0
        self._verdict: Allow | Deny = Deny(Reason.STATE_UNAVAILABLE, "nothing is decided yet")
        self._mailbox = ""
        self._identity: Identity | None = None
        self.credentials = b""
        try:
            self._identity = services.judge.identify(chain, self._now())
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

    def _make(self, identity: Identity, route: Route | None) -> None:
        judge = self._services.judge
        self._epoch = judge.epoch
        verdict = judge.decide(identity, self._now())
        if isinstance(verdict, Allow):
            try:
                self.credentials = self._services.credentials(verdict.mailbox)
            except UpstreamError as error:
                verdict = Deny(Reason.UPSTREAM_UNAVAILABLE, str(error))
        self._verdict = verdict
        if isinstance(verdict, Allow):
            self._mailbox = verdict.mailbox.upn
            self._until = verdict.expires_at.timestamp()
            self._services.observer.verdict(**self.about(route))
            self._services.observer.seen(
                identity.certificate,
                issuer_id=judge.issuer_id(identity),
                mailbox_key=verdict.mailbox.key,
            )
        else:
            self._mailbox = judge.mailbox_name(identity)
            self._until = _FOR_EVER

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._services.clock(), UTC)
