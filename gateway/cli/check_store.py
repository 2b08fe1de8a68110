"""What `check` finds in the store: is it whole, who is trusted, what do their CRLs say."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

from gateway.cli.findings import Finding, Findings, fail, ok, warn
from gateway.config import Config
from gateway.core.authority import Authority
from gateway.errors import StateError
from gateway.revocation.engine import RevocationEngine
from gateway.revocation.report import SourceReport
from gateway.store.store import Store, open_store, store_exists
from gateway.tls.context import root_count

_MOST_SKEW: Final = timedelta(seconds=1)
_SHORT: Final = timedelta(hours=6)
_NEVER: Final = "no CRL: it was never asked for; `eas-gateway ca refresh` does"


def check_store(config: Config, now: datetime) -> Findings:
    """The store, its clock, what is in it, and the CRLs of its CAs; makes nothing.

    `now` is this machine's time, UTC.
    """
    directory = config.state.directory
    subject = "state.directory" if config.store.url == "sqlite" else "store.url"
    try:
        if not store_exists(directory, config.store):
            place = directory if config.store.url == "sqlite" else "the database"
            detail = f"{place} has no store yet; `eas-gateway ca add` makes one"
            return [fail(subject, detail)]
        with open_store(directory, config.store) as store:
            store.require_integrity()
            authorities = store.authorities.list()
            findings = [ok(subject, f"the store {store.database.name} is whole")]
            findings.append(clock(store.clock_difference()))
            findings += [_mailboxes(store), _roots(authorities)]
            findings += _upstreams(store, config)
    except StateError as error:
        return [fail(subject, str(error))]
    return [*findings, *_crls(config, authorities, now)]


def clock(difference: timedelta) -> Finding:
    """Whether the store's clock, ahead of this machine's by `difference`, is near enough."""
    skew = abs(difference)
    if skew > _MOST_SKEW:
        seconds = skew.total_seconds()
        detail = f"this machine and the store are {seconds:.1f} s apart; let both follow NTP"
        return fail("clock", detail)
    return ok("clock", "this machine and the store agree on the time")


def _mailboxes(store: Store) -> Finding:
    count = store.snapshot().mailbox_count
    if not count:
        detail = "there is none, so every phone is refused; `eas-gateway user add` or `user import`"
        return warn("mailboxes", detail)
    return ok("mailboxes", f"{count} known")


def _upstreams(store: Store, config: Config) -> Iterable[Finding]:
    """Mailboxes on a mail server that the configuration has not: their phones are refused."""
    known = {None, *(one.name for one in config.upstream)}
    lost: dict[str, list[str]] = {}
    for mailbox in store.mailboxes.list():
        if mailbox.upstream is not None and mailbox.upstream not in known:
            lost.setdefault(mailbox.upstream, []).append(mailbox.upn)
    for name, upns in sorted(lost.items()):
        yield fail(
            f"upstream.{name}",
            f"no [[upstream]] has this name, which {len(upns)} mailboxes are on, such as {upns[0]};"
            " add it, or `eas-gateway user set UPN --upstream NAME`",
        )


def _roots(authorities: Sequence[Authority]) -> Finding:
    roots = root_count(authorities)
    if not roots:
        detail = "no root is known; `eas-gateway ca add --type root --cert FILE --crl URL`"
        return fail("authorities", detail)
    return ok("authorities", f"{roots} root and {len(authorities) - roots} intermediate CAs")


def _crls(config: Config, authorities: Sequence[Authority], now: datetime) -> Iterable[Finding]:
    directory = config.state.crl_directory
    # An engine makes its folder: one that is root's would be closed to a gateway of less rank.
    engine = RevocationEngine(directory, config.revocation) if directory.exists() else None
    for authority in authorities:
        if authority.not_after < now:
            ended = authority.not_after.isoformat()
            yield fail(
                f"authority.{authority.id}", f"{authority.trusted_issuer} expired at {ended}"
            )
    for authority in {one.id: one for one in authorities}.values():
        yield from _crls_of(config, authority, engine, now)


def _crls_of(
    config: Config, authority: Authority, engine: RevocationEngine | None, now: datetime
) -> Iterable[Finding]:
    """The CRLs of one CA, whose certificates share them."""
    subject, name = f"authority.{authority.id}", authority.trusted_issuer
    if authority.exempt:
        yield warn(subject, f"{name} is exempt: its revoked certificates are let in")
    elif not authority.has_crl and not config.revocation.require_crl_validation:
        key = "revocation.require_crl_validation is false"
        yield warn(subject, f"{name} has no CRL and {key}: its revoked certificates are let in")
    elif not authority.has_crl:
        detail = f"{name} has no CRL URL, so all it issued is refused"
        yield warn(subject, f"{detail}; `eas-gateway ca set {authority.id} --crl URL`")
    elif engine is None:
        yield fail(f"{subject}.base", _NEVER)
    else:
        for source in engine.report(authority).sources:
            yield _crl(f"{subject}.{source.name}", source, now)
            yield from (warn(f"{subject}.{source.name}", text) for text in source.warnings)


def _crl(subject: str, source: SourceReport, now: datetime) -> Finding:
    last = source.last_fetch.detail if source.last_fetch else ""
    if source.accepted is None:
        return fail(
            subject, f"no CRL: {last}; `eas-gateway ca refresh` tries now" if last else _NEVER
        )
    until = source.accepted.facts.next_update
    if until <= now:
        return fail(subject, f"the CRL expired at {until.isoformat()}: {last}")
    if source.last_fetch is not None and not source.last_fetch.ok:
        return warn(subject, f"the CRL is good until {until.isoformat()}, but: {last}")
    if until - now < _SHORT and until - now < (until - source.accepted.facts.this_update) / 4:
        return warn(subject, f"the CRL expires soon, at {until.isoformat()}, and no newer is there")
    return ok(subject, f"{source.entries} entries, good until {until.isoformat()}")
