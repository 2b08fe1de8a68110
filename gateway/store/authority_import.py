"""Records that come together, as from Entra's export: all of them are stored, or none."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection

from gateway.core.authority import Authority
from gateway.errors import CertificateError, StateError
from gateway.store import authority_rows as rows
from gateway.store.authorities import add_authority
from gateway.store.authority_rows import load_authorities
from gateway.store.database import Database, record_change
from gateway.store.schema import ChangeKind
from gateway.store.trust import is_same_ca, require_crls


@dataclass(frozen=True, slots=True)
class Row:
    """A record to be; `label` says in errors which one it is."""

    label: str
    authority: Authority


@dataclass(frozen=True, slots=True)
class Imported:
    """The ids of the CAs that came with the records, by what was done."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    unchanged: tuple[str, ...]


def import_authorities(database: Database, given: Sequence[Row]) -> Imported:
    """Every row is a record, with the CRL URLs that it says; what no row names stays as it is.

    Raises StateError with every problem, one a line, each with its row; then nothing is stored.
    """
    problems = _doubles(given)
    with database.writing() as connection:
        run = _Import(connection, database.now())
        # Whatever the order of the rows, a CA comes after the one that issued it.
        waiting = list(given)
        while waiting:
            failed = [row for row in waiting if not run.take(row)]
            if len(failed) == len(waiting):
                break
            waiting = failed
        problems += [run.problems[row.label] for row in waiting]
        if problems:
            raise StateError("\n".join(problems))
    return run.outcome()


def _doubles(given: Sequence[Row]) -> list[str]:
    first: dict[bytes, str] = {}
    return [
        f"{row.label}: the certificate is that of {label} already"
        for row in given
        if (label := first.setdefault(row.authority.certificate, row.label)) != row.label
    ]


class _Import:
    """One import, within one write."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self.problems: dict[str, str] = {}
        self._connection = connection
        self._now = now
        self._done: dict[str, str] = {}
        self._urls: dict[str, tuple[str, tuple[str | None, str | None]]] = {}

    def take(self, row: Row) -> bool:
        """Store a row; False if it cannot be (yet), and then `problems` says why."""
        try:
            authority_id, done = self._store(row)
        except (CertificateError, StateError) as error:
            self.problems[row.label] = f"{row.label}: {error}"
            return False
        if self._done.get(authority_id, "unchanged") == "unchanged":
            self._done[authority_id] = done
        return True

    def outcome(self) -> Imported:
        """What was done."""
        return Imported(
            *(
                tuple(one for one, done in self._done.items() if done == word)
                for word in ("added", "changed", "unchanged")
            )
        )

    def _store(self, row: Row) -> tuple[str, str]:
        wanted = row.authority
        records = load_authorities(self._connection)
        known = next((one for one in records if one.certificate == wanted.certificate), None)
        ca = known or next((one for one in records if is_same_ca(one, wanted)), None)
        if ca is None:
            record = add_authority(self._connection, wanted, self._now)
            self._require_agreement(row, record.id)
            return self._changed(record.id, "added")
        self._require_agreement(row, ca.id)
        if known is not None and known.authority_type != wanted.authority_type:
            raise StateError(
                f"CA {ca.id} is a record of another authorityType; `ca remove` it first"
            )
        if known is None:
            bare = replace(wanted, crl_distribution_point=None, delta_crl_distribution_point=None)
            add_authority(self._connection, bare, self._now)
        return self._set_urls(ca, wanted, changed=known is None)

    def _set_urls(self, ca: Authority, wanted: Authority, *, changed: bool) -> tuple[str, str]:
        new = replace(
            ca,
            crl_distribution_point=wanted.crl_distribution_point,
            delta_crl_distribution_point=wanted.delta_crl_distribution_point,
        )
        if new != ca:
            require_crls(new)
            rows.update_settings(self._connection, new)
        if new == ca and not changed:
            return ca.id, "unchanged"
        return self._changed(ca.id, "changed")

    def _require_agreement(self, row: Row, authority_id: str) -> None:
        """Two rows of one CA must not say different things of its CRLs."""
        own = (row.authority.crl_distribution_point, row.authority.delta_crl_distribution_point)
        label, urls = self._urls.setdefault(authority_id, (row.label, own))
        if urls != own:
            raise StateError(
                f"it is another certificate of the CA of {label}, with other CRL URLs; "
                "a CA has one of each, and `ca source add` adds more"
            )

    def _changed(self, authority_id: str, done: str) -> tuple[str, str]:
        record_change(self._connection, ChangeKind.AUTHORITY, authority_id, self._now)
        return authority_id, done
