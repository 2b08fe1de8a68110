"""The rows of one store in another, whatever databases they are: all of them, or none."""

from collections.abc import Mapping

from sqlalchemy import Connection, Table, delete, func, insert, select

from gateway.errors import StateError
from gateway.store.database import latest_change
from gateway.store.schema import ChangeKind, changes, metadata, token_valid_from
from gateway.store.store import Store

_BATCH = 500

Counts = Mapping[str, int]
"""Rows by table."""


def copy_rows(source: Store, target: Store, *, overwrite: bool = False) -> Counts:
    """The target holds what the source held at one moment; returns the rows of each table.

    Whoever follows the target reads it whole then, as the last change has a higher id than any
    that either of them had. Raises StateError, with the target as it was, if a row could not be
    copied, or if the target holds anything and `overwrite` is not given.
    """
    with source.database.reading() as reading, target.database.writing() as writing:
        before = count_rows(writing)
        if any(before.values()) and not overwrite:
            held = ", ".join(f"{number} {name}" for name, number in before.items() if number)
            raise StateError(
                f"the store {target.database.name} is not empty: it holds {held}; "
                "nothing was copied; --overwrite replaces it"
            )
        last = max(latest_change(writing), _last_change(reading))
        for table in reversed(metadata.sorted_tables):
            writing.execute(delete(table))
        for table in metadata.sorted_tables:
            _copy_table(reading, writing, table)
        counts = count_rows(writing)
        _require_equal(count_rows(reading), counts)
        row = {
            "id": last + 1,
            "kind": ChangeKind.STORE.value,
            "key": "",
            "at": target.database.now(),
        }
        writing.execute(insert(changes).values(row))
        target.database.backend.rows_replaced(writing)
    return counts


def count_rows(connection: Connection) -> Counts:
    """The rows of each table as the transaction sees them."""
    statement = select(func.count())
    return {
        table.name: connection.execute(statement.select_from(table)).scalar_one()
        for table in metadata.sorted_tables
    }


def _copy_table(reading: Connection, writing: Connection, table: Table) -> None:
    statement = select(*table.c).order_by(*table.primary_key)
    # Not all of the audit trail at once in memory.
    with reading.execute(statement, execution_options={"yield_per": _BATCH}) as result:
        for batch in result.mappings().partitions():
            writing.execute(insert(table), [dict(row) for row in batch])


def _last_change(connection: Connection) -> int:
    """Of the log, or of a revocation if the log was shortened."""
    stored = connection.execute(select(func.max(token_valid_from.c.change_id))).scalar() or 0
    return max(latest_change(connection), stored)


def _require_equal(read: Counts, written: Counts) -> None:
    different = [name for name, number in read.items() if written[name] != number]
    if different:
        raise StateError(f"rows were lost in {', '.join(different)}; nothing was copied")
