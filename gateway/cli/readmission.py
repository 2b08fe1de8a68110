"""What a token-valid-from means for mailboxes: who is out, and what would let them in again."""

from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from gateway.cli.opening import open_revocation
from gateway.cli.tables import iso
from gateway.cli.unlisted import unlisted
from gateway.config import Config
from gateway.core.authority import Authority
from gateway.core.crl import CrlKind
from gateway.core.decision import Reauthentication, TokenValidFrom
from gateway.core.mailbox import Mailbox
from gateway.store.certificates import SeenCertificate
from gateway.store.store import Store

if TYPE_CHECKING:
    from gateway.revocation.report import AuthorityReport, SourceReport


def obstacles(store: Store, mailbox: Mailbox) -> list[str]:
    """What keeps phones of the mailbox out whatever their certificates' age, one a line."""
    lines = []
    if not mailbox.enabled:
        lines.append(f"{mailbox.upn} is disabled; `user set {mailbox.upn} --enabled` lets it in")
    blocked = {(one.issuer_id, one.serial_number) for one in store.certificates.blocked()}
    for one in store.certificates.seen(mailbox.upn):
        if (one.issuer_id, one.serial_number) in blocked:
            verb = _command("unblock", one)
            lines.append(f"its certificate {one.subject} is blocked until {verb}")
    return lines


def readmission(
    config: Config, store: Store, mailboxes: Sequence[Mailbox], valid_from: TokenValidFrom
) -> list[str]:
    """Sentences for the administrator, one a line; reads the store and the CRLs in force."""
    value = iso(valid_from.value)
    names = mailboxes[0].upn if len(mailboxes) == 1 else f"{len(mailboxes)} mailboxes"
    lines = [f"sessions of {names} that began at or before {value} are refused"]
    keys = {one.key for one in mailboxes}
    seen = [one for one in store.certificates.seen() if one.mailbox_key in keys]
    authorities = store.authorities.list()
    if config.revocation.reauthentication is Reauthentication.IMMEDIATE:
        lines.append(
            "reauthentication is immediate: a certificate that no CRL lists signs in again at once"
        )
    else:
        lines.append(
            "a phone signs in again with a certificate issued after that time, or once the CRL of "
            "its CA has an effective date after it and does not list the certificate:"
        )
        issuers = {one.issuer_id for one in seen}
        found = _by_authority(config, authorities, issuers, valid_from.value)
        lines += [f"  {line}" for line in found]
    return lines + _returning(config, store, authorities, seen)


def _by_authority(
    config: Config, authorities: Sequence[Authority], issuers: Collection[str], value: datetime
) -> Iterator[str]:
    # Of several certificates of a CA the newest comes first, and alone matters here.
    cas = {one.id: one for one in reversed(authorities)}
    if not cas:
        yield "there is no CA, so nobody signs in at all; `ca add` adds one"
        return
    engine = open_revocation(config)
    # Where no phone was seen yet, any of the CAs may have issued its certificate.
    for one in [cas[id_] for id_ in sorted(issuers & cas.keys())] or list(cas.values()):
        for line in _outlook(one, engine.report(one), value):
            yield f"{one.trusted_issuer} ({one.id}): {line}"


def _outlook(authority: Authority, report: "AuthorityReport", value: datetime) -> Iterator[str]:
    """Whether this CA's CRLs let in again, are to come, or cannot come."""
    needed = iso(value - authority.backdating)
    if report.exempt:
        yield f"no CRL is consulted, so the certificate has to be issued after {needed}"
        return
    if not report.sources:
        yield f"no such CRL can come, as it has no URL; `ca set {authority.id} --crl URL`"
        return
    if authority.not_after <= datetime.now(UTC):
        yield f"no such CRL can come, as the CA expired at {iso(authority.not_after)}"
        return
    # A certificate is readmitted by the oldest of those CRLs that answer for it.
    pairs = [_newest(report, one) for one in report.sources if one.kind is CrlKind.BASE]
    late = [one for one in pairs if not _is_after(authority, one, value)]
    for one in late:
        yield _wanting(one, needed)
    if not late:
        dates = ", ".join(iso(one.accepted.facts.this_update) for one in pairs if one.accepted)
        yield f"its CRL of {dates} lets in again"


def _newest(report: "AuthorityReport", base: "SourceReport") -> "SourceReport":
    """The delta of the CA's own CRL if it is newer than its base; else the CRL itself."""
    for one in report.sources:
        if one.kind is CrlKind.DELTA and base.name == CrlKind.BASE.value:
            if one.accepted is None or base.accepted is None:
                continue
            if (one.accepted.facts.crl_number or 0) > (base.accepted.facts.crl_number or 0):
                return one
    return base


def _is_after(authority: Authority, source: "SourceReport", value: datetime) -> bool:
    accepted = source.accepted
    if accepted is None:
        return False
    effective = accepted.facts.this_update + authority.backdating
    return effective > value and accepted.accepted_at > value


def _wanting(source: "SourceReport", needed: str) -> str:
    failed = ""
    if source.last_fetch is not None and not source.last_fetch.ok:
        failed = f"; the last fetch failed: {source.last_fetch.detail}"
    if source.accepted is None:
        return f"needs one of after {needed}, and there is none in force{failed}"
    facts = source.accepted.facts
    return (
        f"needs one of after {needed}; the one in force is of {iso(facts.this_update)}, "
        f"the next is due by {iso(facts.next_update)}{failed}"
    )


def _returning(
    config: Config,
    store: Store,
    authorities: Sequence[Authority],
    seen: Sequence[SeenCertificate],
) -> list[str]:
    """The certificates that would sign in again, with the commands that keep them out."""
    blocked = {(one.issuer_id, one.serial_number) for one in store.certificates.blocked()}
    now = datetime.now(UTC)
    found = [
        one
        for one in unlisted(config, authorities, seen)
        if one.not_after > now and (one.issuer_id, one.serial_number) not in blocked
    ]
    if not found:
        return []
    intro = (
        "no CRL lists these certificates yet, and they return with the next one that does not; "
        "to keep one out whatever a CRL says, block it:"
    )
    return [intro, *(f"  {_block(one)}" for one in found)]


def _block(one: SeenCertificate) -> str:
    last = f"{one.last_seen:%Y-%m-%d %H:%M}Z"
    return f"{_command('block', one)}   # {one.subject}, last seen {last}"


def _command(verb: str, one: SeenCertificate) -> str:
    serial = f"{one.serial_number:#x}"
    return f"eas-gateway certificate {verb} {serial} --issuer {one.issuer_id}"
