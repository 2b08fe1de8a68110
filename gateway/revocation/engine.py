"""The keeper of every authority's CRLs: it fetches, verifies, keeps, compiles and reports.

Only the control process and the command line have one; workers look at its folder through
`gateway.revocation.view`.
"""

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from gateway.config import Revocation
from gateway.core.authority import Authority
from gateway.core.crl import AcceptedCrl, CrlKind
from gateway.errors import CrlError
from gateway.revocation.lock import exclusive
from gateway.revocation.source import Source
from gateway.revocation.state import SourceState, States, read_states, write_states
from gateway.revocation.threads import in_thread

_AT_ONCE = 4
# What another process may need for both of its downloads, and to compile them.
_PATIENCE_SECONDS = 30


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
    """

    authority_id: str
    ok: bool
    not_modified: bool
    detail: str
    next_update: datetime | None = None
    next_publish: datetime | None = None


@dataclass(frozen=True, slots=True)
class SourceReport:
    """One CRL as `ca list` and the metrics show it.

    Attributes:
        kind: base or delta.
        url: where it is configured to be.
        last_fetch: how the last fetch went; None before the first.
        accepted: the CRL in force; None if there is none that can be used.
        entries: of the CRL in force.
    """

    kind: CrlKind
    url: str
    last_fetch: SourceState | None
    accepted: AcceptedCrl | None
    entries: int


@dataclass(frozen=True, slots=True)
class AuthorityReport:
    """The CRLs of one authority, the base CRL first; none if it has no CRL distribution point."""

    authority_id: str
    sources: tuple[SourceReport, ...]

    @property
    def refused_from(self) -> datetime | None:
        """When refusals begin unless a newer CRL comes; None if they have begun already."""
        ends = [one.accepted.facts.next_update for one in self.sources if one.accepted]
        return min(ends) if ends and len(ends) == len(self.sources) else None


class RevocationEngine:
    """Keeps the CRLs of authorities in `directory`, which it creates.

    Raises OSError if it cannot.
    """

    def __init__(self, directory: Path, settings: Revocation) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._settings = settings

    async def refresh(self, authority: Authority) -> RefreshResult:
        """Fetch the authority's CRLs now and put in force those that are believed.

        Raises nothing: what went wrong is the result's detail, and the CRLs in force stay.
        """
        sources = self._sources(authority)
        if not sources:
            detail = f"{authority.trusted_issuer} has no CRL distribution point"
            return RefreshResult(authority.id, ok=False, not_modified=True, detail=detail)
        try:
            async with self._exclusive(authority.id):
                states = await self._refresh(authority, sources)
        except (CrlError, OSError) as error:
            return RefreshResult(authority.id, ok=False, not_modified=True, detail=str(error))
        return _result(authority, states)

    async def refresh_all(self, authorities: Iterable[Authority]) -> list[RefreshResult]:
        """Refresh each of `authorities`, a few at once; the results are in their order."""
        slots = asyncio.Semaphore(_AT_ONCE)

        async def one(authority: Authority) -> RefreshResult:
            async with slots:
                return await self.refresh(authority)

        return await asyncio.gather(*(one(authority) for authority in authorities))

    def report(self, authority: Authority) -> AuthorityReport:
        """What is in force and how the last fetches went; reads the disk, and a whole index."""
        states = read_states(self._directory, authority.id)
        reports = []
        for source in self._sources(authority):
            index = source.open_index()
            reports.append(
                SourceReport(
                    kind=source.kind,
                    url=source.url,
                    last_fetch=states.get(source.kind),
                    accepted=index.accepted if index else None,
                    entries=len(index.entries) if index else 0,
                )
            )
        return AuthorityReport(authority.id, tuple(reports))

    async def forget(self, authority_id: str) -> None:
        """Remove all that is kept of an authority, also which CRL number it had reached.

        Raises CrlError if another process does not let go of it, OSError if it cannot be removed.
        """
        async with self._exclusive(authority_id):
            await in_thread(lambda: self._remove(authority_id))

    def _remove(self, authority_id: str) -> None:
        for path in [*self._directory.glob(f"{authority_id}.*"), self._lock_path(authority_id)]:
            path.unlink(missing_ok=True)

    def _lock_path(self, authority_id: str) -> Path:
        return self._directory / f".{authority_id}.lock"

    def _exclusive(self, authority_id: str) -> AbstractAsyncContextManager[None]:
        patience = _PATIENCE_SECONDS + 2 * self._settings.download_timeout_seconds
        return exclusive(self._lock_path(authority_id), timeout_seconds=patience)

    def _sources(self, authority: Authority) -> tuple[Source, ...]:
        """The configured CRLs; a delta CRL without a base has nothing to change."""
        urls = {
            CrlKind.BASE: authority.crl_distribution_point,
            CrlKind.DELTA: authority.delta_crl_distribution_point,
        }
        if urls[CrlKind.BASE] is None:
            return ()
        return tuple(
            Source(self._directory, self._settings, authority, kind, url)
            for kind, url in urls.items()
            if url is not None
        )

    async def _refresh(self, authority: Authority, sources: Sequence[Source]) -> States:
        await in_thread(lambda: self._clear(authority.id))
        before = read_states(self._directory, authority.id)
        states = {source.kind: await source.refresh(before.get(source.kind)) for source in sources}
        # What is remembered of a delta CRL outlives its URL: it may come back, its past may not.
        after = {**before, **states}
        await in_thread(lambda: write_states(self._directory, authority.id, after))
        return states

    def _clear(self, authority_id: str) -> None:
        """Remove what a killed process left half-written."""
        for path in self._directory.glob(f".{authority_id}.*.tmp"):
            path.unlink(missing_ok=True)


def _result(authority: Authority, states: States) -> RefreshResult:
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
    )
