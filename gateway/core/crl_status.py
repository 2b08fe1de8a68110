"""What the CRLs in force say of one certificate (RFC 5280 section 6.3.3).

Decides GOOD, REVOKED or UNKNOWN from accepted CRLs and the time; is not told how they were found.
Whatever is missing, stale or does not fit is UNKNOWN: nothing here assumes that all is well.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Protocol

from gateway.core.authority import Authority
from gateway.core.certificate import ClientCertificate
from gateway.core.crl import AcceptedCrl, CrlFacts
from gateway.core.crl_entries import CrlReason, RevokedEntry
from gateway.core.crl_names import canonical_name
from gateway.core.revocation import RevocationState, RevocationStatus
from gateway.errors import CrlError

_Answer = Callable[[str], RevocationStatus]


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
    unknown: _Answer = partial(
        RevocationStatus, RevocationState.UNKNOWN, authority.id, certificate.serial_number
    )
    if authority.crl_distribution_point is None:
        return unknown(f"{authority.trusted_issuer} has no CRL distribution point")
    if not _same_name(certificate.issuer, authority.subject):
        return unknown(f"{authority.trusted_issuer} did not issue the certificate")
    base = _usable(crls.base, "CRL", now)
    if isinstance(base, str):
        return unknown(f"{authority.trusted_issuer}: {base}")
    if authority.delta_crl_distribution_point is None:
        return _judge(authority, certificate, (base,), base.accepted.facts.next_update)
    delta = _usable(crls.delta, "delta CRL", now)
    if isinstance(delta, str):
        return unknown(f"{authority.trusted_issuer}: {delta}")
    combined = _combine(base, delta)
    if isinstance(combined, str):
        return unknown(f"{authority.trusted_issuer}: {combined}")
    end = min(base.accepted.facts.next_update, delta.accepted.facts.next_update)
    return _judge(authority, certificate, combined, end)


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


def _combine(base: CrlInForce, delta: CrlInForce) -> tuple[CrlInForce, ...] | str:
    """The CRLs to ask, the newest first (RFC 5280 section 5.2.4), or why they do not combine."""
    number = base.accepted.facts.crl_number
    changes = delta.accepted.facts
    if number is None or changes.crl_number is None or changes.base_crl_number is None:
        return "the base CRL has no CRL number, so that no delta CRL goes with it"
    if number >= changes.crl_number:
        return (base,)
    if number < changes.base_crl_number:
        return (
            f"the delta CRL says what changed since CRL number {changes.base_crl_number}, "
            f"but the base CRL in force has number {number}"
        )
    return delta, base


def _judge(
    authority: Authority,
    certificate: ClientCertificate,
    crls: tuple[CrlInForce, ...],
    next_update: datetime,
) -> RevocationStatus:
    """The first of `crls` that lists the certificate decides; `this_update` is the newest one's."""
    newest = crls[0].accepted
    found = (crl.find(certificate.serial_number) for crl in crls)
    entry = next((one for one in found if one is not None), None)
    revoked = entry is not None and entry.reason is not CrlReason.REMOVE_FROM_CRL
    return RevocationStatus(
        RevocationState.REVOKED if revoked else RevocationState.GOOD,
        authority.id,
        certificate.serial_number,
        _detail(newest.facts, entry),
        this_update=newest.facts.this_update,
        next_update=next_update,
        accepted_at=newest.accepted_at,
    )


def _detail(facts: CrlFacts, entry: RevokedEntry | None) -> str:
    number = "without a number" if facts.crl_number is None else f"number {facts.crl_number}"
    crl = f"CRL {number} of {facts.this_update.isoformat()}"
    if entry is None:
        return f"not revoked by {crl}"
    if entry.reason is CrlReason.REMOVE_FROM_CRL:
        return f"taken off the list by {crl}"
    reason = "without a reason" if entry.reason is None else f"for {entry.reason.text}"
    return f"revoked at {entry.revocation_date.isoformat()} {reason} by {crl}"
