"""What workers see of the CRLs: mapped indexes, never changed, replaced as a whole.

A worker asks `fingerprint` now and then, and loads a new view, in a thread, when it differs. The
view it had stays right until then.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Self

from gateway.core.authority import Authority
from gateway.core.certificate import ClientCertificate
from gateway.core.crl import CrlKind
from gateway.core.crl_status import CrlPair, revocation_status
from gateway.core.revocation import RevocationStatus
from gateway.errors import CrlError
from gateway.revocation.index import SUFFIX, IndexFile, index_path

Fingerprint = tuple[tuple[str, int, int, int], ...]


def fingerprint(directory: Path) -> Fingerprint:
    """What tells one state of the indexes in `directory` from another; a few microseconds each."""
    found = []
    try:
        for path in directory.iterdir():
            if path.suffix == SUFFIX:
                stat = path.stat()
                found.append((path.name, stat.st_ino, stat.st_mtime_ns, stat.st_size))
    except FileNotFoundError:
        # No folder yet, or an index replaced just now: whoever asks again sees the difference.
        pass
    return tuple(sorted(found))


@dataclass(frozen=True, slots=True)
class RevocationView:
    """The CRLs in force at one moment.

    Attributes:
        directory: the engine's folder.
        fingerprint: of the folder when the view was loaded.
        indexes: by file name; instead of one that cannot be used, the sentence that says why.
    """

    directory: Path
    fingerprint: Fingerprint = ()
    indexes: Mapping[str, IndexFile | str] = field(default_factory=dict)

    @classmethod
    def load(cls, directory: Path, previous: "RevocationView | None" = None) -> Self:
        """The view of `directory` as it is now; reads the disk, but raises nothing.

        Indexes that `previous` has and that did not change are kept mapped.
        """
        now = fingerprint(directory)
        kept = set(previous.fingerprint) if previous else set()
        indexes = {
            one[0]: previous.indexes[one[0]]
            if previous and one in kept
            else _open(directory / one[0])
            for one in now
        }
        return cls(directory, now, indexes)

    @property
    def is_current(self) -> bool:
        """Whether the folder still is as it was when the view was loaded."""
        return fingerprint(self.directory) == self.fingerprint

    def status(
        self, authority: Authority, certificate: ClientCertificate, now: datetime
    ) -> RevocationStatus:
        """The status at `now` of `certificate`, which `authority` issued; does no I/O."""
        pair = CrlPair(
            base=self._index(authority, CrlKind.BASE), delta=self._index(authority, CrlKind.DELTA)
        )
        return revocation_status(authority, certificate, pair, now)

    def _index(self, authority: Authority, kind: CrlKind) -> IndexFile | str | None:
        index = self.indexes.get(index_path(self.directory, authority.id, kind).name)
        if isinstance(index, IndexFile):
            facts = index.accepted.facts
            if (facts.issuer_id, facts.kind) != (authority.id, kind):
                return "the index is that of another CRL"
        return index


def _open(path: Path) -> IndexFile | str:
    try:
        return IndexFile.open(path)
    except (CrlError, OSError) as error:
        return f"the index of the CRL cannot be used: {error}"
