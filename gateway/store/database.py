"""Transactions on the store: consistent reads, and writes that are whole or not at all."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Table, func, insert, select
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from gateway.errors import StateError
from gateway.store import schema
from gateway.store.backend import WRITE, Backend, CommitWatch
from gateway.store.schema import ChangeKind

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql


class Database:
    """The database behind the store; may be used from several threads, not across a fork."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self._engine = backend.engine
        self._writing_engine = backend.engine.execution_options(**{WRITE: True})
        self._open = threading.local()

    @property
    def name(self) -> str:
        """How errors call the store."""
        return self.backend.name

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction in which every statement sees the same state.

        Raises StateError if the store cannot be read.
        """
        with self.errors("read"), self._engine.begin() as connection, self._being_open(connection):
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """The only write transaction at this time: committed at the end, undone by an exception.

        Raises StateError if the store cannot be written.
        """
        with (
            self.errors("written"),
            self._writing_engine.begin() as connection,
            self._being_open(connection),
        ):
            yield connection

    def now(self) -> datetime:
        """The store's clock, UTC; an embedded store has that of its machine; raises StateError."""
        with self.errors("read"):
            return self.backend.now(getattr(self._open, "connection", None))

    def watch(self) -> CommitWatch:
        """A new watch on the commits of everybody."""
        return self.backend.watch()

    def forget_connections(self) -> None:
        """Connections are made anew from here on."""
        self._engine.dispose()

    @contextmanager
    def errors(self, verb: str) -> Iterator[None]:
        """Errors of the database become StateError with the store's name."""
        failures: tuple[type[Exception], ...] = (
            SQLAlchemyError,
            OSError,
            *self.backend.failures,
        )
        try:
            yield
        except failures as error:
            cause = error.orig if isinstance(error, DBAPIError) else error
            text = " ".join(str(cause).split())
            raise StateError(f"the store {self.name} cannot be {verb}: {text}") from error

    @contextmanager
    def _being_open(self, connection: Connection) -> Iterator[None]:
        """The clock is asked over the thread's transaction, which needs no further connection."""
        before = getattr(self._open, "connection", None)
        self._open.connection = connection
        try:
            yield
        finally:
            self._open.connection = before


def upsert(connection: Connection, table: Table) -> "postgresql.Insert | sqlite.Insert":
    """An insert into `table` in the dialect of `connection`, for `on_conflict_do_update`."""
    if connection.dialect.name == "postgresql":
        # Workers need none of it, and an embedded store neither.
        from sqlalchemy.dialects import postgresql  # noqa: PLC0415 (loaded late)

        return postgresql.insert(table)
    return sqlite.insert(table)


def record_change(connection: Connection, kind: ChangeKind, key: str, at: datetime) -> int:
    """Append to the change log within the write it describes; returns the change's id."""
    return record_numbered(connection, kind, [key], at)[0]


def record_changes(
    connection: Connection, kind: ChangeKind, keys: Sequence[str], at: datetime
) -> None:
    """Append one change for each of `keys`; a third of the time that their ids would cost."""
    if keys:
        connection.execute(insert(schema.changes), _rows(kind, keys, at))


def record_numbered(
    connection: Connection, kind: ChangeKind, keys: Sequence[str], at: datetime
) -> Sequence[int]:
    """Append one change for each of `keys`, which are not none; returns their ids in that order."""
    statement = insert(schema.changes).returning(schema.changes.c.id, sort_by_parameter_order=True)
    return connection.execute(statement, _rows(kind, keys, at)).scalars().all()


def _rows(kind: ChangeKind, keys: Sequence[str], at: datetime) -> list[dict[str, object]]:
    return [{"kind": kind.value, "key": key, "at": at} for key in keys]


def latest_change(connection: Connection) -> int:
    """The id of the last change, 0 before the first."""
    return connection.execute(select(func.max(schema.changes.c.id))).scalar() or 0
