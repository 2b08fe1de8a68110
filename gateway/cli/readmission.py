"""What a token-valid-from means for a mailbox: who is out, and what would let them in again."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from gateway.cli.opening import open_revocation
from gateway.cli.tables import iso
from gateway.config import Config
from gateway.core.authority import Authority
from gateway.core.crl import CrlKind
from gateway.core.decision import Reauthentication, TokenValidFrom
from gateway.core.mailbox import Mailbox
from gateway.store.certificates import SeenCertificate
from gateway.store.store import Store

if TYPE_CHECKING:
    from gateway.revocation.report import SourceReport


def readmission(
    config: Config, store: Store, mailbox: Mailbox, valid_from: TokenValidFrom
) -> list[str]:
    """Sentences for the administrator, one a line; reads the store and the CRLs in force."""
    value = iso(valid_from.value)
    lines = [f"sessions of {mailbox.upn} that began at or before {value} are refused"]
    if config.revocation.reauthentication is Reauthentication.IMMEDIATE:
        lines.append(
            "reauthentication is immediate: a certificate that no CRL lists signs in again at once"
        )
    else:
        lines.append(
            "a phone signs in again with a certificate issued after that time, or once the CRL of "
            "its CA has an effective date after it and does not list the certificate:"
        )
        lines += [f"  {line}" for line in _by_authority(config, store, mailbox, valid_from.value)]
    return lines + _seen(store, mailbox)


def _by_authority(config: Config, store: Store, mailbox: Mailbox, value: datetime) -> Iterator[str]:
    authorities = list({one.id: one for one in store.authorities.list()}.values())
    if not authorities:
        yield "there is no CA, so nobody signs in at all; `ca add` adds one"
        return
    issuers = {one.issuer_id for one in store.certificates.seen(mailbox.upn)}
    engine = open_revocation(config)
    # Where no phone was seen yet, any of the CAs may have issued its certificate.
    for one in [one for one in authorities if one.id in issuers] or authorities:
        base = [source for source in engine.report(one).sources if source.kind is CrlKind.BASE]
        yield f"{one.trusted_issuer} ({one.id}): {_outlook(one, base, value)}"


def _outlook(authority: Authority, base: Sequence["SourceReport"], value: datetime) -> str:
    """Whether this CA's CRL lets in again, is to come, or cannot come."""
    if authority.exempt:
        return "no such CRL can come, as the CA is exempt: no CRL is consulted"
    if not base:
        return f"no such CRL can come, as it has no URL; `ca set {authority.id} --crl URL`"
    if authority.not_after <= datetime.now(UTC):
        return f"no such CRL can come, as the CA expired at {iso(authority.not_after)}"
    source = base[0]
    failed = ""
    if source.last_fetch is not None and not source.last_fetch.ok:
        failed = f"; the last fetch failed: {source.last_fetch.detail}"
    needed = iso(value - authority.backdating)
    if source.accepted is None:
        return f"needs one of after {needed}, and there is none in force{failed}"
    facts = source.accepted.facts
    if facts.this_update + authority.backdating > value and source.accepted.accepted_at > value:
        return f"its CRL of {iso(facts.this_update)} lets in again"
    return (
        f"needs one of after {needed}; the one in force is of {iso(facts.this_update)}, "
        f"the next is due by {iso(facts.next_update)}{failed}"
    )


def _seen(store: Store, mailbox: Mailbox) -> list[str]:
    blocked = {(one.issuer_id, one.serial_number) for one in store.certificates.blocked()}
    now = datetime.now(UTC)
    seen = [
        one
        for one in store.certificates.seen(mailbox.upn)
        if one.not_after > now and (one.issuer_id, one.serial_number) not in blocked
    ]
    if not seen:
        return []
    intro = "to keep one of its phones out whatever a CRL says, block its certificate:"
    return [intro, *(f"  {_block(one)}" for one in seen)]


def _block(one: SeenCertificate) -> str:
    last = f"{one.last_seen:%Y-%m-%d %H:%M}Z"
    return (
        f"eas-gateway certificate block {one.serial_number:#x} --issuer {one.issuer_id}"
        f"   # {one.subject}, last seen {last}"
    )
