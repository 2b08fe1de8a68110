"""The CRLs as operations watch them, looked at off the event loop."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Final, Literal

from gateway.admin.metrics import CrlFacts
from gateway.core.authority import Authority
from gateway.core.crl import CrlKind
from gateway.revocation.engine import RevocationEngine
from gateway.revocation.report import RefreshResult

LOOK_SECONDS: Final = 30.0
_KINDS: Final[dict[CrlKind, Literal["base", "delta"]]] = {
    CrlKind.BASE: "base",
    CrlKind.DELTA: "delta",
}


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
        return [
            CrlFacts(
                authority=authority.id,
                kind=_KINDS[source.kind],
                this_update=source.accepted.facts.this_update if source.accepted else None,
                next_update=source.accepted.facts.next_update if source.accepted else None,
                entries=source.entries if source.accepted else None,
                fetched=source.last_fetch.ok if source.last_fetch else None,
            )
            for authority in authorities
            for source in self._engine.report(authority).sources
        ]
