"""What workers see of the CRLs: mapped indexes, never changed, replaced as a whole.

A worker asks `fingerprint` now and then, and loads a new view, in a thread, when it differs. The
view it had stays right until then.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Self

from gateway.core.authority import Authority
from gateway.core.certificate import ClientCertificate
from gateway.core.crl import CrlKind
from gateway.core.crl_path import CrlPaths
from gateway.core.crl_status import CrlPair
from gateway.core.revocation import RevocationState, RevocationStatus
from gateway.errors import CrlError, StateError
from gateway.revocation.index import SUFFIX, IndexFile, index_name

Fingerprint = tuple[tuple[str, int, int, int], ...]


def fingerprint(directory: Path) -> Fingerprint:
    """What tells one state of the indexes in `directory` from another; a few microseconds each.

    Raises StateError if that cannot be found out; a folder that is not there has no indexes.
    """
    found = []
    try:
        for path in directory.iterdir():
            if path.suffix == SUFFIX:
                stat = path.stat()
                found.append((path.name, stat.st_ino, stat.st_mtime_ns, stat.st_size))
    except FileNotFoundError:
        # No folder yet, or an index replaced just now: whoever asks again sees the difference.
        pass
    except OSError as error:
        raise StateError(f"the CRLs in {directory} cannot be read: {error.strerror}") from error
    return tuple(sorted(found))


@dataclass(frozen=True, slots=True)
class RevocationView:
    """The CRLs in force at one moment.

    Attributes:
        directory: the engine's folder.
        fingerprint: of the folder when the view was loaded.
        indexes: by file name; instead of one that cannot be used, the sentence that says why.
        authorities: the records, for CRLs that another certificate's key signed: without them no
            such CRL is believed.
        require_crl_validation: a CA without any CRL vouches for nobody.
    """

    directory: Path
    fingerprint: Fingerprint = ()
    indexes: Mapping[str, IndexFile | str] = field(default_factory=dict)
    authorities: Sequence[Authority] = ()
    require_crl_validation: bool = True

    @classmethod
    def load(
        cls,
        directory: Path,
        previous: "RevocationView | None" = None,
        *,
        authorities: Collection[Authority] = (),
        require_crl_validation: bool = True,
    ) -> Self:
        """The view of `directory` as it is now; reads the disk, and raises StateError if it cannot.

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
        return cls(directory, now, indexes, tuple(authorities), require_crl_validation)

    @property
    def is_current(self) -> bool:
        """Whether the folder still is as it was when the view was loaded; may raise StateError."""
        return fingerprint(self.directory) == self.fingerprint

    def status(
        self, authority: Authority, certificate: ClientCertificate, now: datetime
    ) -> RevocationStatus:
        """The status at `now` of `certificate`, which `authority` issued; does no I/O.

        Without a CRL, where that is allowed, it is good and has no times: Entra's exemption.
        """
        name = authority.trusted_issuer
        if authority.exempt:
            return _without_crl(authority, certificate, f"{name} is exempt: no CRL is consulted")
        if not authority.has_crl and not self.require_crl_validation:
            detail = f"{name} has no CRL, and revocation.require_crl_validation is false"
            return _without_crl(authority, certificate, detail)
        return CrlPaths(self.authorities, self.crls).status(authority, certificate, now)

    def changed_issuers(self, before: "RevocationView") -> frozenset[str] | None:
        """The ids of the CAs about which the CRLs may say something else than `before`.

        None stands for all: the records are others, or a CA has other keys sign its CRLs, whose
        certificates are on the CRLs of further CAs.
        """
        same = self.require_crl_validation == before.require_crl_validation
        delegates = any(source.signer for one in self.authorities for source in one.sources)
        if not same or self.authorities != before.authorities:
            return None
        changed = frozenset(one.id for one in self.authorities if self._differs(before, one))
        return None if changed and delegates else changed

    def _differs(self, before: "RevocationView", authority: Authority) -> bool:
        return self.crls(authority) != before.crls(authority)

    def crls(self, authority: Authority) -> Sequence[CrlPair]:
        """The CRLs in force of `authority`: those of its own URLs first, if it has them."""
        pairs = []
        if authority.crl_distribution_point is not None:
            base, delta = (
                self._index(authority, kind.value, kind, None)
                for kind in (CrlKind.BASE, CrlKind.DELTA)
            )
            pairs.append(CrlPair(base, delta))
        for one in authority.sources:
            index = self._index(authority, one.name, CrlKind.BASE, one.signer)
            pairs.append(CrlPair(index))
        return pairs

    def _index(
        self, authority: Authority, name: str, kind: CrlKind, signer: bytes | None
    ) -> IndexFile | str | None:
        index = self.indexes.get(index_name(authority.id, name))
        if isinstance(index, IndexFile):
            facts = index.accepted.facts
            if (facts.issuer_id, facts.kind, facts.signer) != (authority.id, kind, signer):
                return "the index is that of another CRL"
        return index


def _without_crl(
    authority: Authority, certificate: ClientCertificate, detail: str
) -> RevocationStatus:
    serial_number = certificate.serial_number
    return RevocationStatus(RevocationState.GOOD, authority.id, serial_number, detail)


def _open(path: Path) -> IndexFile | str:
    try:
        return IndexFile.open(path)
    except (CrlError, OSError) as error:
        return f"the index of the CRL cannot be used: {error}"
