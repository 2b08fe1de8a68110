"""The keeper of every authority's CRLs: it fetches, verifies, keeps, compiles and reports.

Only the control process and the command line have one; workers look at its folder through
`gateway.revocation.view`.
"""

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from gateway.config import Revocation
from gateway.core.authority import Authority
from gateway.core.crl import CrlKind
from gateway.errors import CrlError
from gateway.revocation.downloads import Downloads
from gateway.revocation.fetch import Progress
from gateway.revocation.lock import exclusive
from gateway.revocation.report import (
    AuthorityReport,
    RefreshResult,
    SourceReport,
    near_limits,
    result_of,
)
from gateway.revocation.source import Source
from gateway.revocation.state import States, read_states, write_states
from gateway.revocation.threads import in_thread

_AT_ONCE = 4
# What another process may need to compile the CRLs of an authority, beside the downloads.
_PATIENCE_SECONDS = 30


class RevocationEngine:
    """Keeps the CRLs of authorities in `directory`, which it creates.

    Raises OSError if it cannot.
    """

    def __init__(self, directory: Path, settings: Revocation) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._settings = settings

    async def refresh(
        self,
        authority: Authority,
        *,
        accept_rollback: bool = False,
        progress: Progress | None = None,
    ) -> RefreshResult:
        """Fetch the authority's CRLs now and put in force those that are believed.

        With `accept_rollback` an older CRL than the last one is believed, too. Raises nothing: what
        went wrong is the result's detail, and the CRLs in force stay.
        """
        async with Downloads(self._settings, progress) as downloads:
            return await self._refresh(authority, downloads, accept_rollback=accept_rollback)

    async def refresh_all(
        self, authorities: Iterable[Authority], *, progress: Progress | None = None
    ) -> list[RefreshResult]:
        """Refresh each of `authorities`, a few at once; the results are in their order.

        A URL that several of them share is asked once.
        """
        slots = asyncio.Semaphore(_AT_ONCE)
        async with Downloads(self._settings, progress) as downloads:

            async def one(authority: Authority) -> RefreshResult:
                async with slots:
                    return await self._refresh(authority, downloads)

            return await asyncio.gather(*(one(authority) for authority in authorities))

    def report(self, authority: Authority) -> AuthorityReport:
        """What is in force and how the last fetches went; reads the disk, and a whole index."""
        states = read_states(self._directory, authority.id)
        reports = []
        for source in self._sources(authority):
            index, state = source.open_index(), states.get(source.name)
            reports.append(
                SourceReport(
                    name=source.name,
                    kind=source.kind,
                    url=source.url,
                    required=source.kind is CrlKind.BASE or authority.delta_required,
                    last_fetch=state,
                    accepted=index.accepted if index else None,
                    entries=len(index.entries) if index else 0,
                    warnings=near_limits(state, self._settings),
                )
            )
        return AuthorityReport(authority.id, tuple(reports), exempt=self._needs_none(authority))

    async def forget(self, authority_id: str) -> None:
        """Remove all that is kept of an authority, also which CRL number it had reached.

        Raises CrlError if another process does not let go of it, OSError if it cannot be removed.
        """
        async with self._exclusive(authority_id, downloads=2):
            await in_thread(lambda: self._remove(authority_id))

    def _remove(self, authority_id: str) -> None:
        for path in [*self._directory.glob(f"{authority_id}.*"), self._lock_path(authority_id)]:
            path.unlink(missing_ok=True)

    def _lock_path(self, authority_id: str) -> Path:
        return self._directory / f".{authority_id}.lock"

    def _exclusive(self, authority_id: str, *, downloads: int) -> AbstractAsyncContextManager[None]:
        patience = _PATIENCE_SECONDS + downloads * self._settings.download_timeout_seconds
        return exclusive(self._lock_path(authority_id), timeout_seconds=patience)

    def _sources(self, authority: Authority) -> tuple[Source, ...]:
        """The configured CRLs; a delta CRL without a base has nothing to change."""
        own, delta = authority.crl_distribution_point, authority.delta_crl_distribution_point
        named: list[tuple[str, CrlKind, str | None, bytes | None]]
        named = [(CrlKind.BASE.value, CrlKind.BASE, own, None)]
        if own is not None:
            named.append((CrlKind.DELTA.value, CrlKind.DELTA, delta, None))
        named += [(one.name, CrlKind.BASE, one.url, one.signer) for one in authority.sources]
        return tuple(
            Source(
                directory=self._directory,
                settings=self._settings,
                authority=authority,
                name=name,
                kind=kind,
                url=url,
                signer=signer,
            )
            for name, kind, url, signer in named
            if url is not None
        )

    async def _refresh(
        self, authority: Authority, downloads: Downloads, *, accept_rollback: bool = False
    ) -> RefreshResult:
        sources = self._sources(authority)
        if not sources:
            detail = f"{authority.trusted_issuer} has no CRL distribution point"
            return RefreshResult(
                authority.id, ok=self._needs_none(authority), not_modified=True, detail=detail
            )
        try:
            async with self._exclusive(authority.id, downloads=len(sources)):
                states = await self._refresh_sources(
                    authority, sources, downloads, accept_rollback=accept_rollback
                )
        except CrlError as error:
            return RefreshResult(authority.id, ok=False, not_modified=True, detail=str(error))
        except OSError as error:  # that of a full disk does not say where
            detail = f"{self._directory}: {error}"
            return RefreshResult(authority.id, ok=False, not_modified=True, detail=detail)
        return result_of(authority, states, self._settings)

    async def _refresh_sources(
        self,
        authority: Authority,
        sources: Sequence[Source],
        downloads: Downloads,
        *,
        accept_rollback: bool,
    ) -> States:
        await in_thread(lambda: self._clear(authority))
        before = read_states(self._directory, authority.id)
        states = {
            source.name: await source.refresh(
                before.get(source.name), downloads, accept_rollback=accept_rollback
            )
            for source in sources
        }
        # What is remembered of a CRL outlives its URL: it may come back, its past may not.
        after = {**before, **states}
        await in_thread(lambda: write_states(self._directory, authority.id, after))
        return states

    def _needs_none(self, authority: Authority) -> bool:
        """Whether certificates of the authority are let in without a CRL."""
        required = self._settings.require_crl_validation
        return authority.exempt or (not required and not authority.has_crl)

    def _clear(self, authority: Authority) -> None:
        """Remove what a killed process left half-written, and files of sources that are gone."""
        for path in self._directory.glob(f".{authority.id}.*.tmp"):
            path.unlink(missing_ok=True)
        named = {source.name for source in authority.sources}
        for path in self._directory.glob(f"{authority.id}.source-*"):
            if path.name.split(".")[1] not in named:
                path.unlink(missing_ok=True)
