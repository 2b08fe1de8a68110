"""What is said of an authority's CRLs: how a refresh went, and what is in force."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from gateway.config import Revocation
from gateway.core.authority import Authority
from gateway.core.crl import AcceptedCrl, CrlKind
from gateway.core.crl_scope import COMPLETE
from gateway.revocation.state import SourceState, States

_NEAR: Final = 0.8
"""Of a limit: there is time to raise it before the CRL is refused for its size."""
_OWN: Final = frozenset(kind.value for kind in CrlKind)


@dataclass(frozen=True, slots=True)
class RefreshResult:
    """How one refresh of an authority's CRLs went.

    Attributes:
        authority_id: the authority record.
        ok: each configured CRL was fetched and is believed.
        not_modified: none of them changed; no index was swapped.
        detail: one sentence for each CRL, or why none was asked for.
        next_update: the first moment at which a CRL in force expires; None if one is missing.
        next_publish: when the CA said it would publish next; None if it did not.
        warnings: a sentence for each limit that a download comes near.
    """

    authority_id: str
    ok: bool
    not_modified: bool
    detail: str
    next_update: datetime | None = None
    next_publish: datetime | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceReport:
    """One CRL as `ca list` and the metrics show it.

    Attributes:
        name: base, delta, or the `CrlSource.name` of a further source.
        kind: base or delta.
        url: where it is configured to be.
        required: without it certificates are refused.
        last_fetch: how the last fetch went; None before the first.
        accepted: the CRL in force; None if there is none that can be used.
        entries: of the CRL in force.
        warnings: a sentence for each limit that its download comes near.
    """

    name: str
    kind: CrlKind
    url: str
    required: bool
    last_fetch: SourceState | None
    accepted: AcceptedCrl | None
    entries: int
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AuthorityReport:
    """The CRLs of one authority, the base CRL first; none if it has no CRL distribution point.

    Attributes:
        authority_id: the authority record.
        sources: its CRLs.
        exempt: its certificates are let in without a CRL.
    """

    authority_id: str
    sources: tuple[SourceReport, ...]
    exempt: bool = False

    @property
    def refused_from(self) -> datetime | None:
        """When refusals begin unless a newer CRL comes; None if they have begun or never do.

        While one CRL answers for all certificates, no other one need be there. Where each answers
        for some, the first that is missing has refusals begin.
        """
        if self.exempt:
            return None
        own = tuple(one for one in self.sources if one.name in _OWN)
        others = tuple((one,) for one in self.sources if one.name not in _OWN)
        whole = [_end(group) for group in (own, *others) if _is_complete(group)]
        ends = [end for end in whole if end is not None]
        return max(ends) if ends else _end(self.sources)


def _is_complete(group: Sequence[SourceReport]) -> bool:
    return bool(group) and all(
        one.accepted is None or one.accepted.facts.scope == COMPLETE for one in group
    )


def _end(group: Sequence[SourceReport]) -> datetime | None:
    """When the first of the required CRLs expires; None if one is missing."""
    required = [one for one in group if one.required]
    ends = [one.accepted.facts.next_update for one in required if one.accepted]
    return min(ends) if ends and len(ends) == len(required) else None


def result_of(authority: Authority, states: States, settings: Revocation) -> RefreshResult:
    """The result of a refresh that ended with `states`, by the names of the sources."""
    accepted = [state.accepted for state in states.values() if state.accepted]
    hints = [one.facts.next_publish for one in accepted if one.facts.next_publish]
    complete = len(accepted) == len(states)
    return RefreshResult(
        authority.id,
        ok=all(state.ok for state in states.values()),
        not_modified=all(state.not_modified or not state.ok for state in states.values()),
        detail="; ".join(state.detail for state in states.values()),
        next_update=min(one.facts.next_update for one in accepted) if complete else None,
        next_publish=min(hints, default=None),
        warnings=tuple(
            warning for state in states.values() for warning in near_limits(state, settings)
        ),
    )


def near_limits(state: SourceState | None, settings: Revocation) -> tuple[str, ...]:
    """A sentence for each limit of which the last download took 80 % or more."""
    if state is None or state.accepted is None:
        return ()
    size, limit = state.accepted.facts.source_size, settings.download_limit_bytes
    found = []
    if size >= _NEAR * limit:
        found.append(
            f"{state.url}: has {size} octets; above {limit} it is refused "
            "(revocation.download_limit_bytes)"
        )
    seconds, most = state.download_seconds, settings.download_timeout_seconds
    if seconds is not None and seconds >= _NEAR * most:
        found.append(
            f"{state.url}: took {seconds:.1f} s to come; after {most:g} s it is refused "
            "(revocation.download_timeout_seconds)"
        )
    return tuple(found)
