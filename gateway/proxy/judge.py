"""From a verified chain to a decision: gathers the facts that a worker holds in memory.

Nothing here does I/O; what changes outside arrives through `Judge.update` as whole new values.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Protocol, Self

from gateway.core.authority import Authority
from gateway.core.binding import MailboxLookup, bind, lookup_keys
from gateway.core.certificate import ClientCertificate
from gateway.core.decision import (
    Allow,
    Decision,
    Deny,
    Facts,
    Reauthentication,
    Session,
    TokenValidFrom,
    decide,
)
from gateway.core.device_access import DeviceLookup
from gateway.core.difference import Difference
from gateway.core.reasons import Reason
from gateway.core.revocation import RevocationState, RevocationStatus
from gateway.core.username_binding import BindingRules
from gateway.errors import CertificateError

_MOST_DEVICES = 2048
"""Certificates of devices that are remembered; each costs a worker about 3 KB."""


class Directory(MailboxLookup, Protocol):
    """What administrators decided, as of one change."""

    @property
    def change_id(self) -> int:
        """The last change that is in here."""

    @property
    def authorities(self) -> Mapping[str, Authority]:
        """The records of the trust store by id."""

    @property
    def devices(self) -> DeviceLookup:
        """The registry of devices and the rules for them."""

    def token_valid_from(self, mailbox_key: str) -> TokenValidFrom | None:
        """The token-valid-from of a mailbox."""

    def is_blocked(self, issuer_id: str, serial_number: int) -> bool:
        """Whether an administrator blocked this certificate."""

    def difference(self, before: Self) -> Difference:
        """What is not as it was `before`."""


class RevocationLookup(Protocol):
    """What the CRLs say."""

    def status(
        self, authority: Authority, certificate: ClientCertificate, now: datetime
    ) -> RevocationStatus:
        """The status of a certificate that `authority` issued."""

    def changed_issuers(self, before: Self) -> frozenset[str] | None:
        """The ids of the CAs about which something else may be said than `before`; None: all."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who is at the other end of a connection: read once, judged often.

    Attributes:
        certificate: the device's.
        authorities: the CA certificates of the verified chain as DER, the root last.
        session: when the holder was authenticated, and the last change known then.
    """

    certificate: ClientCertificate
    authorities: tuple[bytes, ...]
    session: Session


@dataclass(frozen=True, slots=True)
class Rules:
    """What the configuration says about decisions."""

    username_bindings: BindingRules
    reauthentication: Reauthentication


class Judge:
    """Decides about identities; `epoch` moves whenever an earlier decision may no longer hold."""

    def __init__(self, rules: Rules, directory: Directory, revocation: RevocationLookup) -> None:
        self.epoch = 0
        self._rules = rules
        self._available = True
        self._issuing: dict[bytes, ClientCertificate] = {}
        self._devices: dict[bytes, ClientCertificate] = {}
        self._authority_statuses: dict[bytes, RevocationStatus] = {}
        self._allowed: dict[tuple[bytes, tuple[bytes, ...]], Allow] = {}
        self.update(directory, revocation)

    def update(self, directory: Directory, revocation: RevocationLookup) -> None:
        """From now on decide by these; every decision made before is made again."""
        self._directory = directory
        self._revocation = revocation
        self._records = {a.certificate: a for a in directory.authorities.values()}
        self._issuing = {d: c for d, c in self._issuing.items() if d in self._records}
        self._authority_statuses = {}
        self._allowed = {}
        self._available = True
        self.epoch += 1

    @property
    def known(self) -> "tuple[Directory, RevocationLookup]":
        """What is decided by now."""
        return self._directory, self._revocation

    @property
    def available(self) -> bool:
        """Whether what is known is young enough to go by."""
        return self._available

    def suspend(self) -> None:
        """Refuse everybody until the next `update`: what is known here is too old to go by."""
        if self._available:
            self._available = False
            self.epoch += 1

    def identify(
        self, chain: Sequence[bytes], now: datetime, *, session: Session | None = None
    ) -> Identity:
        """The holder of a chain that TLS verified; raises CertificateError if it is unreadable.

        `session` is that of a resumed TLS session, which was authenticated before now.
        """
        authorities = tuple(self._shared(der) for der in chain[1:])
        session = session or Session(now, self._directory.change_id)
        return Identity(self._device_certificate(chain[0]), authorities, session)

    def issuer_ids(self, identity: Identity) -> frozenset[str]:
        """The ids of the CA records of the chain."""
        records = map(self._records.get, identity.authorities)
        return frozenset(record.id for record in records if record is not None)

    def issuer_id(self, identity: Identity) -> str:
        """The id of the CA record that issued the certificate; empty if there is none."""
        record = self._records.get(identity.authorities[0]) if identity.authorities else None
        return "" if record is None else record.id

    def in_doubt(self, identity: Identity, now: datetime) -> bool:
        """Whether the CRLs do not say of the whole chain that it is good; a part of `decide`."""
        records = [self._records.get(der) for der in identity.authorities]
        try:
            statuses = self._statuses(identity, records, now)
        except CertificateError:
            return True
        return any(status.state is not RevocationState.GOOD for status in statuses)

    def mailbox_name(self, identity: Identity) -> str:
        """The UPN of the mailbox that the certificate names; empty unless it names just one."""
        binding = bind(identity.certificate, self._rules.username_bindings, self._directory)
        return binding.mailboxes[0].upn if len(binding.mailboxes) == 1 else ""

    def names(self, identity: Identity) -> frozenset[str]:
        """What the certificate can name a mailbox by, folded."""
        return lookup_keys(identity.certificate, self._rules.username_bindings)

    def decide(self, identity: Identity, now: datetime) -> Decision:
        """The decision about `identity` at this moment."""
        if not self._available:
            return Deny(Reason.STATE_UNAVAILABLE, "the store has not answered for too long")
        key = (identity.certificate.fingerprint, identity.authorities)
        known = self._allowed.get(key)
        if known is not None and now < known.expires_at:
            return known
        try:
            facts = self.facts(identity, now)
        except CertificateError as error:
            return Deny(Reason.UNTRUSTED_CHAIN, f"a CA certificate of the chain: {error}")
        decision = decide(facts, now)
        if isinstance(decision, Allow) and facts.token_valid_from is None:
            # No fact of the session counts then, so this holds for the device's next one, too.
            if len(self._allowed) >= _MOST_DEVICES:
                self._allowed.clear()
            self._allowed[key] = decision
        return decision

    def facts(self, identity: Identity, now: datetime, *, user: str | None = None) -> Facts:
        """What is known about `identity`; raises CertificateError for an unreadable CA."""
        records = [self._records.get(der) for der in identity.authorities]
        binding = bind(identity.certificate, self._rules.username_bindings, self._directory)
        issuer = records[0] if records else None
        mailbox = binding.mailboxes[0] if binding.mailboxes else None
        return Facts(
            certificate=identity.certificate,
            chain_denial=self._chain_denial(records),
            chain_not_after=min(
                (r.not_after for r in records if r is not None),
                default=datetime.max.replace(tzinfo=UTC),
            ),
            binding=binding,
            blocked=issuer is not None
            and self._directory.is_blocked(issuer.id, identity.certificate.serial_number),
            revocation=self._statuses(identity, records, now),
            backdating=timedelta(0) if issuer is None else issuer.backdating,
            token_valid_from=(
                None if mailbox is None else self._directory.token_valid_from(mailbox.key)
            ),
            session=identity.session,
            reauthentication=self._rules.reauthentication,
            user=user,
        )

    def _chain_denial(self, records: Sequence[Authority | None]) -> Deny | None:
        if not records or records[-1] is None:
            return Deny(Reason.UNTRUSTED_CHAIN, "the chain ends at no configured root")
        return None

    def _statuses(
        self, identity: Identity, records: Sequence[Authority | None], now: datetime
    ) -> tuple[RevocationStatus, ...]:
        """One status a certificate below the root: each is asked of the CA above it."""
        if not records:
            return ()
        statuses = [self._status(records[0], identity.certificate, now)]
        for der, record in zip(identity.authorities, records[1:], strict=False):
            statuses.append(self._authority_status(der, record, now))
        return tuple(statuses)

    def _status(
        self, record: Authority | None, certificate: ClientCertificate, now: datetime
    ) -> RevocationStatus:
        if record is None:
            return _no_record(certificate)
        return self._revocation.status(record, certificate, now)

    def _authority_status(
        self, der: bytes, record: Authority | None, now: datetime
    ) -> RevocationStatus:
        """The status of a CA certificate: the same for all devices below it, so asked once."""
        known = self._authority_statuses.get(der)
        if known is None or known.next_update is None or now >= known.next_update:
            known = self._status(record, self._authority_certificate(der), now)
            if der in self._records:
                self._authority_statuses[der] = known
        return known

    def _authority_certificate(self, der: bytes) -> ClientCertificate:
        known = self._issuing.get(der)
        if known is None:
            known = ClientCertificate.from_der(der)
            if der in self._records:
                self._issuing[der] = known
        return known

    def _device_certificate(self, der: bytes) -> ClientCertificate:
        """What is read in a device's certificate; phones come back with the one they have."""
        known = self._devices.get(der)
        if known is None:
            known = ClientCertificate.from_der(der)
            if len(self._devices) >= _MOST_DEVICES:
                self._devices.clear()
            self._devices[der] = known
        return known

    def _shared(self, der: bytes) -> bytes:
        """The one copy of a CA certificate that all connections of it hold."""
        record = self._records.get(der)
        return der if record is None else record.certificate


def difference(
    before: tuple[Directory, RevocationLookup], after: tuple[Directory, RevocationLookup]
) -> Difference:
    """What decisions by `after` may differ in from those by `before`."""
    change = after[0].difference(before[0])
    issuers = after[1].changed_issuers(before[1])
    if issuers is None:
        return replace(change, everything=True)
    return replace(change, issuers=issuers)


def _no_record(below: ClientCertificate) -> RevocationStatus:
    return RevocationStatus(
        state=RevocationState.UNKNOWN,
        issuer_id="",
        serial_number=below.serial_number,
        detail=f"the CA that issued {below.subject} has no record, so its CRL is not known:"
        " add it with `ca add --type intermediate`",
    )
