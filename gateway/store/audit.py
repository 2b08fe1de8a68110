"""The audit trail: what was decided about whom, kept as the records came."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select

from gateway.core.names import fold
from gateway.store.database import Database
from gateway.store.schema import audit


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One record with its place in the trail and the time (UTC) at which it was written."""

    id: int
    at: datetime
    record: Mapping[str, object]


class Audit:
    """Appends to and reads the trail; each method raises StateError if the store cannot do it.

    It decides nothing, so the change log does not mention it.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def append(self, records: Sequence[Mapping[str, object]]) -> None:
        """All of the records are stored, or none; each is JSON-able and may name a `mailbox`."""
        if not records:
            return
        now = self._database.now()
        with self._database.writing() as connection:
            insert_records(connection, records, now)

    def list(
        self, *, after_id: int = 0, upn: str | None = None, limit: int = 1000
    ) -> Sequence[AuditRecord]:
        """The latest `limit` records after `after_id`, of one mailbox or of all, oldest first."""
        statement = select(audit.c.id, audit.c.at, audit.c.record).where(audit.c.id > after_id)
        if upn is not None:
            statement = statement.where(audit.c.mailbox_key == fold(upn))
        with self._database.reading() as connection:
            rows = connection.execute(statement.order_by(audit.c.id.desc()).limit(limit)).all()
        return [AuditRecord(row.id, row.at, json.loads(row.record)) for row in reversed(rows)]

    def start_of_latest(self, count: int) -> datetime | None:
        """When the oldest of the latest `count` records was written; None if there are fewer."""
        moments = select(audit.c.at).order_by(audit.c.id.desc())
        with self._database.reading() as connection:
            return connection.execute(moments.offset(count - 1).limit(1)).scalar()

    def remove_before(self, moment: datetime) -> int:
        """Records older than `moment` are gone; returns how many."""
        with self._database.writing() as connection:
            return connection.execute(delete(audit).where(audit.c.at < moment)).rowcount


def insert_records(
    connection: Connection, records: Sequence[Mapping[str, object]], at: datetime
) -> None:
    """All of the records, which are not none, are in the trail once the transaction is."""
    rows = [
        {
            "at": at,
            "mailbox_key": fold(str(record["mailbox"])) if record.get("mailbox") else None,
            "record": json.dumps(record, ensure_ascii=False, separators=(",", ":")),
        }
        for record in records
    ]
    connection.execute(insert(audit), rows)
