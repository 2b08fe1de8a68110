"""The CRLs as operations watch them, looked at off the event loop."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Final

from gateway.admin.metrics import CrlFacts
from gateway.core.authority import Authority
from gateway.revocation.engine import RevocationEngine
from gateway.revocation.report import AuthorityReport, RefreshResult, SourceReport

LOOK_SECONDS: Final = 30.0


class CrlWatch:
    """What `engine` has of each of `authorities()`, read after every refresh and now and then.

    Attributes:
        facts: as of the last look.
    """

    def __init__(
        self, engine: RevocationEngine, authorities: Callable[[], Sequence[Authority]]
    ) -> None:
        self.facts: Sequence[CrlFacts] = ()
        self._engine = engine
        self._authorities = authorities
        self._wake = asyncio.Event()

    def refreshed(self, _result: RefreshResult) -> None:
        """A refresh has ended: look again."""
        self._wake.set()

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            self._wake.clear()
            await self.look()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), LOOK_SECONDS)

    async def look(self) -> None:
        """`facts` are as of now."""
        self.facts = await asyncio.to_thread(self._read, self._authorities())

    def _read(self, authorities: Sequence[Authority]) -> Sequence[CrlFacts]:
        # Several certificates of one CA share its CRLs.
        reports = [self._engine.report(one) for one in {a.id: a for a in authorities}.values()]
        return [_facts(report, source) for report in reports for source in report.sources]


def _facts(report: AuthorityReport, source: SourceReport) -> CrlFacts:
    crl = source.accepted.facts if source.accepted else None
    return CrlFacts(
        authority=report.authority_id,
        kind=source.name,
        this_update=crl.this_update if crl else None,
        next_update=crl.next_update if crl else None,
        entries=source.entries if crl else None,
        fetched=source.last_fetch.ok if source.last_fetch else None,
        last_fetch=source.last_fetch.fetched_at if source.last_fetch else None,
        size=crl.source_size if crl else None,
        near_limit=bool(source.warnings),
        refused_from=report.refused_from,
        exempt=report.exempt,
    )
