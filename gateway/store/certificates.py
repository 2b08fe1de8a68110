"""Single device certificates: those that an administrator blocked, and those that phones showed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select

from gateway.core.names import fold
from gateway.errors import StateError
from gateway.store.database import Database, record_change, upsert
from gateway.store.schema import ChangeKind, blocked_certificates, seen_certificates


@dataclass(frozen=True, slots=True)
class SeenCertificate:
    """A certificate that led to a mailbox, with the first and last time it did (UTC).

    Attributes:
        issuer_id: the authority record that issued it.
        serial_number: as in the certificate.
        mailbox_key: the folded UPN of the mailbox it led to last.
        subject: RFC 4514 text.
        fingerprint: SHA-256 of the DER, lower-case hexadecimal.
    """

    issuer_id: str
    serial_number: int
    mailbox_key: str
    subject: str
    fingerprint: str
    not_before: datetime
    not_after: datetime
    first_seen: datetime
    last_seen: datetime


@dataclass(frozen=True, slots=True)
class BlockedCertificate:
    """A certificate that is refused until it is unblocked, and since when (UTC)."""

    issuer_id: str
    serial_number: int
    at: datetime


class Certificates:
    """Blocks certificates and remembers them; each raises StateError if the store cannot do it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def block(self, issuer_id: str, serial_number: int) -> bool:
        """The certificate is blocked; returns whether it was not before."""
        with self._database.writing() as connection:
            if (issuer_id, serial_number) in load_blocked(connection):
                return False
            row = {**_key(issuer_id, serial_number), "at": self._database.now()}
            connection.execute(insert(blocked_certificates).values(row))
            self._log(connection, issuer_id, serial_number)
        return True

    def unblock(self, issuer_id: str, serial_number: int) -> None:
        """The certificate is no longer blocked; raises StateError if it was not."""
        with self._database.writing() as connection:
            table = blocked_certificates.c
            gone = connection.execute(
                delete(blocked_certificates).where(
                    table.issuer_id == issuer_id, table.serial_number == _hex(serial_number)
                )
            )
            if gone.rowcount == 0:
                serial = _hex(serial_number)
                raise StateError(f"certificate 0x{serial} of CA {issuer_id} is not blocked")
            self._log(connection, issuer_id, serial_number)

    def blocked(self) -> Sequence[BlockedCertificate]:
        """Every blocked certificate, the latest first."""
        statement = select(*blocked_certificates.c).order_by(blocked_certificates.c.at.desc())
        with self._database.reading() as connection:
            rows = connection.execute(statement)
            return [BlockedCertificate(issuer, int(serial, 16), at) for issuer, serial, at in rows]

    def record_seen(self, seen: Iterable[SeenCertificate]) -> None:
        """Each is stored; of one that is there already, mailbox and last time are brought forward.

        Decides nothing, so the change log does not mention it.
        """
        rows = [_seen_row(one) for one in seen]
        if not rows:
            return
        with self._database.writing() as connection:
            row = upsert(connection, seen_certificates)
            brought_forward = row.on_conflict_do_update(
                index_elements=["issuer_id", "serial_number"],
                set_={name: row.excluded[name] for name in ("mailbox_key", "last_seen")},
            )
            connection.execute(brought_forward, rows)

    def seen(self, upn: str | None = None) -> Sequence[SeenCertificate]:
        """Every certificate that phones showed, or those of one mailbox; the latest first."""
        statement = select(*seen_certificates.c).order_by(seen_certificates.c.last_seen.desc())
        if upn is not None:
            statement = statement.where(seen_certificates.c.mailbox_key == fold(upn))
        with self._database.reading() as connection:
            rows = connection.execute(statement).mappings()
            return [
                SeenCertificate(**{**row, "serial_number": int(row["serial_number"], 16)})
                for row in rows
            ]

    def _log(self, connection: Connection, issuer_id: str, serial_number: int) -> None:
        key = f"{issuer_id}:{_hex(serial_number)}"
        record_change(connection, ChangeKind.CERTIFICATE, key, self._database.now())


def load_blocked(connection: Connection) -> frozenset[tuple[str, int]]:
    """Issuer id and serial number of every blocked certificate."""
    table = blocked_certificates.c
    rows = connection.execute(select(table.issuer_id, table.serial_number))
    return frozenset((issuer_id, int(serial, 16)) for issuer_id, serial in rows)


def _hex(serial_number: int) -> str:
    return f"{serial_number:x}"


def _key(issuer_id: str, serial_number: int) -> dict[str, object]:
    return {"issuer_id": issuer_id, "serial_number": _hex(serial_number)}


def _seen_row(one: SeenCertificate) -> dict[str, object]:
    return {
        **_key(one.issuer_id, one.serial_number),
        "mailbox_key": one.mailbox_key,
        "subject": one.subject,
        "fingerprint": one.fingerprint,
        "not_before": one.not_before,
        "not_after": one.not_after,
        "first_seen": one.first_seen,
        "last_seen": one.last_seen,
    }
