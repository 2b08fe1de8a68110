"""What the CRLs in force say of one certificate (RFC 5280 section 6.3.3).

Decides GOOD, REVOKED or UNKNOWN from accepted CRLs and the time; is not told how they were found.
Whatever is missing, stale or does not fit is UNKNOWN: nothing here assumes that all is well.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from gateway.core.authority import Authority
from gateway.core.certificate import ClientCertificate
from gateway.core.crl import AcceptedCrl, CrlFacts
from gateway.core.crl_entries import CrlReason, RevokedEntry
from gateway.core.crl_names import canonical_name
from gateway.core.revocation import RevocationState, RevocationStatus
from gateway.errors import CrlError


class CrlInForce(Protocol):
    """An accepted CRL that can be asked for one serial number."""

    @property
    def accepted(self) -> AcceptedCrl:
        """The CRL and when it was first accepted."""
        ...

    def find(self, serial_number: int) -> RevokedEntry | None:
        """What the CRL says of `serial_number`; None if it does not list it."""
        ...


@dataclass(frozen=True, slots=True)
class CrlPair:
    """The CRLs of one authority: each None, or the sentence that says why it cannot be asked."""

    base: CrlInForce | str | None = None
    delta: CrlInForce | str | None = None


def revocation_status(
    authority: Authority, certificate: ClientCertificate, crls: CrlPair, now: datetime
) -> RevocationStatus:
    """The status at `now` of `certificate`, which `authority` issued, by the authority's CRLs.

    A delta CRL that is configured must be there and valid, beside a valid base (Entra's rule).
    """
    deciding = _deciding(authority, certificate, crls, now)
    if isinstance(deciding, str):
        return RevocationStatus(
            RevocationState.UNKNOWN, authority.id, certificate.serial_number, deciding
        )
    return _judge(certificate, deciding)


@dataclass(frozen=True, slots=True)
class _Deciding:
    """The CRLs to ask, the newest first, and when they cease to decide."""

    crls: tuple[CrlInForce, ...]
    next_update: datetime


def _deciding(
    authority: Authority, certificate: ClientCertificate, crls: CrlPair, now: datetime
) -> _Deciding | str:
    name = authority.trusted_issuer
    if authority.crl_distribution_point is None:
        return f"{name} has no CRL distribution point"
    if not _same_name(certificate.issuer, authority.subject):
        return f"{name} did not issue the certificate"
    base = _usable(crls.base, "CRL", now)
    if isinstance(base, str):
        return f"{name}: {base}"
    if authority.delta_crl_distribution_point is None:
        return _Deciding((base,), base.accepted.facts.next_update)
    delta = _usable(crls.delta, "delta CRL", now)
    if isinstance(delta, str):
        return f"{name}: {delta}"
    return _combine(base, delta)


def _same_name(one: bytes, other: bytes) -> bool:
    try:
        return one == other or canonical_name(one) == canonical_name(other)
    except CrlError:
        return False


def _usable(crl: CrlInForce | str | None, what: str, now: datetime) -> CrlInForce | str:
    if crl is None:
        return f"no {what} was fetched yet that could be believed"
    if not isinstance(crl, str) and crl.accepted.facts.next_update <= now:
        return f"the {what} expired at {crl.accepted.facts.next_update.isoformat()}"
    return crl


def _combine(base: CrlInForce, delta: CrlInForce) -> _Deciding | str:
    """Base and delta together (RFC 5280 section 5.2.4), or why they do not combine."""
    number = base.accepted.facts.crl_number
    changes = delta.accepted.facts
    end = min(base.accepted.facts.next_update, changes.next_update)
    if number is None or changes.crl_number is None or changes.base_crl_number is None:
        return "the base CRL has no CRL number, so that no delta CRL goes with it"
    if number >= changes.crl_number:
        return _Deciding((base,), end)
    if number < changes.base_crl_number:
        return (
            f"the delta CRL says what changed since CRL number {changes.base_crl_number}, "
            f"but the base CRL in force has number {number}"
        )
    return _Deciding((delta, base), end)


def _judge(certificate: ClientCertificate, deciding: _Deciding) -> RevocationStatus:
    """The first CRL that lists the certificate decides; the newest one's thisUpdate counts."""
    newest = deciding.crls[0].accepted
    found = (crl.find(certificate.serial_number) for crl in deciding.crls)
    entry = next((one for one in found if one is not None), None)
    revoked = entry is not None and entry.reason is not CrlReason.REMOVE_FROM_CRL
    return RevocationStatus(
        RevocationState.REVOKED if revoked else RevocationState.GOOD,
        newest.facts.issuer_id,
        certificate.serial_number,
        _detail(newest.facts, entry),
        this_update=newest.facts.this_update,
        next_update=deciding.next_update,
        accepted_at=newest.accepted_at,
    )


def _detail(facts: CrlFacts, entry: RevokedEntry | None) -> str:
    if entry is None:
        return f"not revoked by {facts.text}"
    if entry.reason is CrlReason.REMOVE_FROM_CRL:
        return f"taken off the list by {facts.text}"
    reason = "without a reason" if entry.reason is None else f"for {entry.reason.text}"
    return f"revoked at {entry.revocation_date.isoformat()} {reason} by {facts.text}"
