"""What the CRLs in force say of one certificate (RFC 5280 section 6.3.3).

Decides GOOD, REVOKED or UNKNOWN from accepted CRLs and the time; is not told how they were found.
Whatever is missing, stale or does not fit is UNKNOWN: nothing here assumes that all is well.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from gateway.core.authority import Authority
from gateway.core.certificate import ClientCertificate
from gateway.core.crl import AcceptedCrl, CrlFacts
from gateway.core.crl_entries import CrlReason, RevokedEntries, RevokedEntry
from gateway.core.crl_names import canonical_name, same_name
from gateway.core.crl_scope import ALL_REASONS, NO_REASONS, Reasons
from gateway.core.revocation import RevocationState, RevocationStatus
from gateway.core.unreadable import UNREADABLE
from gateway.errors import CrlError

_NO_NAME: tuple[type[Exception], ...] = (CrlError, *UNREADABLE)


class CrlInForce(Protocol):
    """An accepted CRL that can be asked."""

    @property
    def accepted(self) -> AcceptedCrl:
        """The CRL and when it was first accepted."""
        ...

    @property
    def issuer(self) -> bytes:
        """Who issued the CRL, as `canonical_name`."""
        ...

    @property
    def entries(self) -> RevokedEntries:
        """What it lists."""
        ...


@dataclass(frozen=True, slots=True)
class CrlPair:
    """A base CRL and its delta: each None, or the sentence that says why it cannot be asked."""

    base: CrlInForce | str | None = None
    delta: CrlInForce | str | None = None


SignerStatus = Callable[[bytes], RevocationStatus]
"""The status of the certificate (DER) of who signed a CRL, see `gateway.core.crl_path`."""


def revocation_status(
    authority: Authority,
    certificate: ClientCertificate,
    crls: CrlPair | Sequence[CrlPair],
    now: datetime,
    *,
    signer_status: SignerStatus | None = None,
) -> RevocationStatus:
    """The status at `now` of `certificate`, which `authority` issued, by the authority's CRLs.

    The first of `crls` is that of the record's own URLs, if it has them; the rest are those of its
    further sources. A certificate is revoked if any CRL that answers for it lists it, and good if
    those that do not list it answer for every reason together. A delta CRL that is configured must
    be there and valid, beside a valid base (Entra's rule), unless the record waives that. Without
    `signer_status` no CRL that another certificate's key signed is believed.
    """
    pairs = (crls,) if isinstance(crls, CrlPair) else crls
    if not authority.has_crl:
        return _unknown(authority, certificate, "has no CRL distribution point")
    if not same_name(certificate.issuer, authority.subject):
        return _unknown(authority, certificate, "did not issue the certificate")
    question = _Question(authority, certificate, now, signer_status)
    answers, problems = [], []
    for place, pair in enumerate(pairs or (CrlPair(),)):
        answer = question.ask(pair, is_own=place == 0)
        if isinstance(answer, str):
            problems.append(answer)
        elif answer.is_revoked:
            return answer.status(question, RevocationState.REVOKED)
        else:
            answers.append(answer)
    missing = ALL_REASONS.difference(*(answer.reasons for answer in answers))
    if missing:
        if answers:
            names = ", ".join(sorted(one.value for one in missing))
            problems.append(f"no CRL answers for the reasons {names}")
        return _unknown(authority, certificate, "; ".join(problems), separator=": ")
    return _together([answer.status(question, RevocationState.GOOD) for answer in answers])


@dataclass(frozen=True, slots=True)
class _Answer:
    """What a base CRL and its delta say together.

    Attributes:
        newest: the one that brings the pair up to date.
        entry: what the pair says of the certificate, and `by` which CRL; None if nothing.
        reasons: for which it answers.
        next_update: when it ceases to.
    """

    newest: AcceptedCrl
    entry: RevokedEntry | None
    by: CrlFacts
    reasons: Reasons
    next_update: datetime

    @property
    def is_revoked(self) -> bool:
        return self.entry is not None and self.entry.reason is not CrlReason.REMOVE_FROM_CRL

    def status(self, question: "_Question", state: RevocationState) -> RevocationStatus:
        return RevocationStatus(
            state,
            question.authority.id,
            question.certificate.serial_number,
            _detail(self.by, self.entry),
            this_update=self.newest.facts.this_update,
            next_update=self.next_update,
            accepted_at=self.newest.accepted_at,
        )


@dataclass(frozen=True, slots=True)
class _Question:
    """One certificate at one moment."""

    authority: Authority
    certificate: ClientCertificate
    now: datetime
    signer_status: SignerStatus | None

    def ask(self, pair: CrlPair, *, is_own: bool) -> _Answer | str:
        """The answer of `pair`, or why it has none."""
        base = self._usable(pair.base, "CRL")
        if isinstance(base, str):
            return base
        facts = base.accepted.facts
        reasons = self._reasons(base)
        if not reasons:
            return f"the {facts.text} does not answer for this certificate"
        end = self._signer_end(facts)
        if isinstance(end, str):
            return end
        end = min(end, facts.next_update)
        delta = pair.delta
        if is_own and self.authority.delta_crl_distribution_point is None:
            delta = None
        elif is_own or delta is not None:
            delta = self._delta(delta, base)
            if isinstance(delta, str):
                if self.authority.delta_required:
                    return delta
                delta = None
        return self._answer(base, delta, reasons, end)

    def _usable(self, crl: CrlInForce | str | None, what: str) -> CrlInForce | str:
        if crl is None:
            return f"no {what} was fetched yet that could be believed"
        if not isinstance(crl, str) and crl.accepted.facts.next_update <= self.now:
            return f"the {what} expired at {crl.accepted.facts.next_update.isoformat()}"
        return crl

    def _issuer_name(self, base: CrlInForce) -> bytes:
        """The certificate's issuer as `canonical_name`."""
        if base.accepted.facts.signer is None and self.certificate.issuer == self.authority.subject:
            return base.issuer  # the authority's own CRL was accepted for having this name
        return canonical_name(self.certificate.issuer)

    def _reasons(self, base: CrlInForce) -> Reasons:
        scope = base.accepted.facts.scope
        try:
            return scope.reasons_for(self.certificate, self._issuer_name(base), base.issuer)
        except _NO_NAME:  # what is no name is not the CRL's
            return NO_REASONS

    def _signer_end(self, facts: CrlFacts) -> datetime | str:
        """Until when the CRL's signer may be believed, or why not (section 6.3.3 f)."""
        if facts.signer is None:
            return facts.next_update
        if self.signer_status is None:
            return f"the signer of the {facts.text} is not known"
        status = self.signer_status(facts.signer)
        if status.state is not RevocationState.GOOD:
            return f"the signer of the {facts.text} is not to be believed: {status.detail}"
        return status.next_update or facts.next_update

    def _delta(self, crl: CrlInForce | str | None, base: CrlInForce) -> CrlInForce | str:
        """The delta CRL if it goes with `base` (section 5.2.4), or why it does not."""
        delta = self._usable(crl, "delta CRL")
        if isinstance(delta, str):
            return delta
        facts, changes = base.accepted.facts, delta.accepted.facts
        if (delta.issuer, changes.signer) != (base.issuer, facts.signer):
            return "the delta CRL is signed by another than the base CRL"
        if changes.scope != facts.scope:
            return "the delta CRL has another issuing distribution point than the base CRL"
        since = changes.base_crl_number
        if facts.crl_number is None or changes.crl_number is None or since is None:
            return "the base CRL has no CRL number, so that no delta CRL goes with it"
        if facts.crl_number < since:
            return (
                f"the delta CRL says what changed since CRL number {since}, "
                f"but the base CRL in force has number {facts.crl_number}"
            )
        return delta

    def _answer(
        self, base: CrlInForce, delta: CrlInForce | None, reasons: Reasons, end: datetime
    ) -> _Answer:
        """The first CRL that lists the certificate decides, the delta first if it is the newer."""
        newest, asked = base.accepted, [base]
        if delta is not None:
            end = min(end, delta.accepted.facts.next_update)
            if _number(delta) > _number(base):
                newest, asked = delta.accepted, [delta, base]
        issuer = self._issuer_name(base)
        for crl in asked:
            entry = crl.entries.find(issuer, self.certificate.serial_number)
            if entry is not None:
                return _Answer(newest, entry, crl.accepted.facts, reasons, end)
        return _Answer(newest, None, newest.facts, reasons, end)


def _number(crl: CrlInForce) -> int:
    return crl.accepted.facts.crl_number or 0


def _unknown(
    authority: Authority, certificate: ClientCertificate, detail: str, separator: str = " "
) -> RevocationStatus:
    return RevocationStatus(
        RevocationState.UNKNOWN,
        authority.id,
        certificate.serial_number,
        f"{authority.trusted_issuer}{separator}{detail}",
    )


def _together(good: Sequence[RevocationStatus]) -> RevocationStatus:
    """One status of several: as old as the oldest of them, and no longer so than any."""
    first, *rest = good
    if not rest:
        return first
    return replace(
        first,
        detail="; ".join(one.detail for one in good),
        this_update=min(one.this_update for one in good if one.this_update),
        next_update=min(one.next_update for one in good if one.next_update),
        accepted_at=min(one.accepted_at for one in good if one.accepted_at),
    )


def _detail(facts: CrlFacts, entry: RevokedEntry | None) -> str:
    if entry is None:
        return f"not revoked by {facts.text}"
    if entry.reason is CrlReason.REMOVE_FROM_CRL:
        return f"taken off the list by {facts.text}"
    reason = "without a reason" if entry.reason is None else f"for {entry.reason.text}"
    return f"revoked at {entry.revocation_date.isoformat()} {reason} by {facts.text}"
