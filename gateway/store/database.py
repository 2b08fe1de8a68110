"""Transactions on the store: consistent reads, and writes that are whole or not at all."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection, Engine, func, insert, select
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from gateway.errors import StateError
from gateway.store import schema, sqlite
from gateway.store.schema import ChangeKind


class Database:
    """The database behind the store; may be used from several threads, not across a fork."""

    def __init__(self, engine: Engine, path: Path) -> None:
        self._engine = engine
        self._writing_engine = engine.execution_options(**{sqlite.WRITE: True})
        self.path = path

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction in which every statement sees the same state.

        Raises StateError if the store cannot be read.
        """
        with self.errors("read"), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """The only write transaction at this time: committed at the end, undone by an exception.

        Raises StateError if the store cannot be written.
        """
        with self.errors("written"), self._writing_engine.begin() as connection:
            yield connection

    def now(self) -> datetime:
        """The store's clock, UTC; an embedded store has that of its machine."""
        return datetime.now(UTC)

    def forget_connections(self) -> None:
        """Connections are made anew from here on."""
        self._engine.dispose()

    @contextmanager
    def errors(self, verb: str) -> Iterator[None]:
        """Errors of the database become StateError with the file's name."""
        try:
            yield
        except (SQLAlchemyError, sqlite3.Error, OSError) as error:
            cause = error.orig if isinstance(error, DBAPIError) else error
            raise StateError(f"the store {self.path} cannot be {verb}: {cause}") from error


def record_change(connection: Connection, kind: ChangeKind, key: str, at: datetime) -> int:
    """Append to the change log within the write it describes; returns the change's id."""
    row = {"kind": kind.value, "key": key, "at": at}
    statement = insert(schema.changes).values(row).returning(schema.changes.c.id)
    return int(connection.execute(statement).scalar_one())


def latest_change(connection: Connection) -> int:
    """The id of the last change, 0 before the first."""
    return connection.execute(select(func.max(schema.changes.c.id))).scalar() or 0
