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
from gateway.core.crl import (
    AcceptedCrl,
    CrlKind,
    RevocationList,
    verify_crl,
    verify_delta_crl,
)
from gateway.errors import CrlError
from gateway.revocation.fetch import Fetched, Validators, fetch
from gateway.revocation.files import replace
from gateway.revocation.index import IndexFile, index_path, write_index
from gateway.revocation.state import SourceState
from gateway.revocation.threads import in_thread

_VERIFY = {CrlKind.BASE: verify_crl, CrlKind.DELTA: verify_delta_crl}


@dataclass(frozen=True, slots=True)
class Source:
    """Where one CRL of `authority` comes from and where it is kept."""

    directory: Path
    settings: Revocation
    authority: Authority
    kind: CrlKind
    url: str

    @property
    def raw_path(self) -> Path:
        """The last good CRL as it was fetched."""
        return self.directory / f"{self.authority.id}.{self.kind.value}.crl"

    @property
    def index_path(self) -> Path:
        """Its index."""
        return index_path(self.directory, self.authority.id, self.kind)

    async def refresh(self, state: SourceState | None) -> SourceState:
        """Bring the index up to date; the state says how that went. Raises OSError alone.

        Whatever fails, the index in force stays.
        """
        in_force = await in_thread(lambda: self._in_force(state))
        known = in_force is not None and state is not None and state.url == self.url
        now = datetime.now(UTC)
        asked = SourceState(
            url=self.url,
            fetched_at=now,
            ok=False,
            not_modified=False,
            detail="",
            validators=state.validators if known and state else Validators(),
            accepted=in_force or (state.accepted if state else None),
        )
        try:
            answer = await fetch(
                self.url,
                limit_bytes=self.settings.download_limit_bytes,
                timeout_seconds=self.settings.download_timeout_seconds,
                validators=asked.validators,
            )
            if isinstance(answer, Fetched):
                return await in_thread(lambda: self._take(answer, asked, in_force))
            return self._unchanged(asked, asked.validators)
        except CrlError as error:
            return dataclasses.replace(asked, detail=str(error))

    def open_index(self) -> IndexFile | None:
        """The index in force; None if there is none that can be used."""
        try:
            index = IndexFile.open(self.index_path)
        except (CrlError, OSError):
            return None
        facts = index.accepted.facts
        fits = (facts.issuer_id, facts.kind) == (self.authority.id, self.kind)
        return index if fits else None

    def _in_force(self, state: SourceState | None) -> AcceptedCrl | None:
        """The CRL of the index; an index that is lost is made again from the raw CRL."""
        index = self.open_index()
        if index is not None:
            return index.accepted
        previous, now = state.accepted if state else None, datetime.now(UTC)
        try:
            crl = self._verify(self.raw_path.read_bytes(), previous, now)
        except (CrlError, OSError):
            return None
        return self._compile(crl, previous, now)

    def _take(
        self, answer: Fetched, asked: SourceState, in_force: AcceptedCrl | None
    ) -> SourceState:
        """Judge what was fetched and put it in force; raises CrlError if it is not believed."""
        if in_force and hashlib.sha256(answer.data).digest() == in_force.facts.digest:
            return self._unchanged(asked, answer.validators)
        try:
            crl = self._verify(answer.data, asked.accepted, asked.fetched_at)
        except CrlError as error:
            raise CrlError(f"{self.url}: {error}") from error
        replace(self.raw_path, [answer.data])
        accepted = self._compile(crl, asked.accepted, asked.fetched_at)
        detail = f"{self.url}: {accepted.facts.text}, {len(crl.entries)} entries"
        return dataclasses.replace(
            asked, ok=True, detail=detail, validators=answer.validators, accepted=accepted
        )

    def _unchanged(self, asked: SourceState, validators: Validators) -> SourceState:
        """The CRL in force is still what is at the URL."""
        if asked.accepted is None or asked.accepted.facts.next_update <= asked.fetched_at:
            raise CrlError(f"{self.url}: still is the CRL that has expired; the CA must publish")
        detail = f"{self.url}: still {asked.accepted.facts.text}"
        return dataclasses.replace(
            asked, ok=True, not_modified=True, detail=detail, validators=validators
        )

    def _verify(self, data: bytes, previous: AcceptedCrl | None, now: datetime) -> RevocationList:
        return _VERIFY[self.kind](
            data,
            self.authority,
            now=now,
            clock_skew=timedelta(seconds=self.settings.clock_skew_seconds),
            previous=previous,
        )

    def _compile(
        self, crl: RevocationList, previous: AcceptedCrl | None, now: datetime
    ) -> AcceptedCrl:
        """Put `crl` in force; one that was in force before keeps the time it was accepted at."""
        accepted_at = now
        if previous is not None and _same(crl, previous):
            accepted_at = previous.accepted_at
        write_index(self.index_path, crl, accepted_at)
        return AcceptedCrl(crl.facts, accepted_at)


def _same(crl: RevocationList, previous: AcceptedCrl) -> bool:
    facts, last = crl.facts, previous.facts
    if facts.digest == last.digest:
        return True
    same_number = facts.crl_number is not None and facts.crl_number == last.crl_number
    return same_number and facts.this_update == last.this_update
