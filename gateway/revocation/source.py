"""One CRL of one authority: fetched, verified, kept on disk, compiled into its index.

The raw CRL is replaced before the index, the index before what is remembered: a process killed in
between leaves the old index or the new one, whole, and the next refresh does the rest.
"""

import dataclasses
import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gateway.config import Revocation
from gateway.core.authority import Authority
from gateway.core.crl import AcceptedCrl, CrlKind
from gateway.errors import CrlError
from gateway.revocation.compile import Compiled, Order, compiled
from gateway.revocation.downloads import Downloads
from gateway.revocation.fetch import Fetched, Validators
from gateway.revocation.files import put_in_place, stage
from gateway.revocation.index import IndexFile, index_path
from gateway.revocation.state import SourceState
from gateway.revocation.threads import in_thread


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where one CRL of `authority` comes from and where it is kept.

    Attributes:
        name: base, delta, or the `CrlSource.name` of a further source.
        signer: who signs it, DER; None if the authority does.
    """

    directory: Path
    settings: Revocation
    authority: Authority
    name: str
    kind: CrlKind
    url: str
    signer: bytes | None = None

    @property
    def raw_path(self) -> Path:
        """The last good CRL as it was fetched."""
        return self.directory / f"{self.authority.id}.{self.name}.crl"

    @property
    def index_path(self) -> Path:
        """Its index."""
        return index_path(self.directory, self.authority.id, self.name)

    async def refresh(
        self, state: SourceState | None, downloads: Downloads, *, accept_rollback: bool = False
    ) -> SourceState:
        """Bring the index up to date; the state says how that went. Raises OSError alone.

        Whatever fails, the index in force stays.
        """
        in_force = await self._in_force(state)
        known = in_force is not None and state is not None and state.url == self.url
        asked = SourceState(
            url=self.url,
            fetched_at=datetime.now(UTC),
            ok=False,
            not_modified=False,
            detail="",
            validators=state.validators if known and state else Validators(),
            accepted=in_force or (state.accepted if state else None),
            download_seconds=state.download_seconds if state else None,
        )
        try:
            answer = await downloads.get(self.url, asked.validators)
            if not isinstance(answer, Fetched):
                return self._unchanged(asked)
            asked = dataclasses.replace(asked, download_seconds=answer.seconds)
            if in_force and await in_thread(lambda: _digest(answer)) == in_force.facts.digest:
                return self._unchanged(dataclasses.replace(asked, validators=answer.validators))
            return await self._take(answer, asked, accept_rollback=accept_rollback)
        except CrlError as error:
            return dataclasses.replace(asked, detail=str(error))

    def open_index(self) -> IndexFile | None:
        """The index in force; None if there is none that can be used."""
        try:
            index = IndexFile.open(self.index_path)
        except (CrlError, OSError):
            return None
        facts = index.accepted.facts
        fits = (facts.issuer_id, facts.kind, facts.signer) == (
            self.authority.id,
            self.kind,
            self.signer,
        )
        return index if fits else None

    async def _in_force(self, state: SourceState | None) -> AcceptedCrl | None:
        """The CRL of the index; an index that is lost is made again from the raw CRL."""
        index = await in_thread(self.open_index)
        if index is not None:
            return index.accepted
        try:
            made = await compiled(self._order(self.raw_path, state.accepted if state else None))
        except (CrlError, OSError):
            return None
        await in_thread(lambda: put_in_place(made.staged, self.index_path))
        return made.accepted

    async def _take(
        self, answer: Fetched, asked: SourceState, *, accept_rollback: bool
    ) -> SourceState:
        """Judge what was fetched and put it in force; raises CrlError if it is not believed."""
        raw = await in_thread(lambda: stage(self.raw_path, [answer.data]))
        try:
            order = self._order(raw, asked.accepted, accept_rollback=accept_rollback)
            made = await compiled(order)
            await in_thread(lambda: self._put_in_force(raw, made))
        except CrlError as error:
            raise CrlError(f"{self.url}: {error}") from error
        finally:
            raw.unlink(missing_ok=True)
        return dataclasses.replace(
            asked,
            ok=True,
            detail=f"{self.url}: {made.accepted.facts.text}, {made.entries} entries",
            validators=answer.validators,
            accepted=made.accepted,
        )

    def _put_in_force(self, raw: Path, made: Compiled) -> None:
        try:
            put_in_place(raw, self.raw_path)
        except BaseException:
            made.staged.unlink(missing_ok=True)
            raise
        put_in_place(made.staged, self.index_path)

    def _order(
        self, data: Path, previous: AcceptedCrl | None, *, accept_rollback: bool = False
    ) -> Order:
        return Order(
            data=data,
            index=self.index_path,
            authority=self.authority,
            kind=self.kind,
            signer=self.signer,
            previous=previous,
            accept_rollback=accept_rollback,
            now=datetime.now(UTC),
            clock_skew=timedelta(seconds=self.settings.clock_skew_seconds),
        )

    def _unchanged(self, asked: SourceState) -> SourceState:
        """The CRL in force still is what is at the URL."""
        if asked.accepted is None or asked.accepted.facts.next_update <= asked.fetched_at:
            raise CrlError(f"{self.url}: still is the CRL that has expired; the CA must publish")
        detail = f"{self.url}: still {asked.accepted.facts.text}"
        return dataclasses.replace(asked, ok=True, not_modified=True, detail=detail)


def _digest(answer: Fetched) -> bytes:
    return hashlib.sha256(answer.data).digest()
