"""The embedded database: all that only SQLite needs is here."""

import os
import sqlite3
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection, QueuePool, create_engine, event

from gateway.store.backend import WRITE

FILE_NAME = "store.db"

_BUSY_SECONDS = 10.0
_PAUSE_SECONDS = 0.02
_PRIMARY_CODE = 0xFF  # the rest of an error code says more precisely what the primary code means
_PRAGMAS = (
    "journal_mode = WAL",
    "synchronous = FULL",
    "foreign_keys = ON",
    f"busy_timeout = {_BUSY_SECONDS * 1000:.0f}",
)


class SqliteBackend:
    """The database in a file; see `gateway.store.backend.Backend`."""

    failures: tuple[type[Exception], ...] = (sqlite3.Error,)

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self.engine = create_engine("sqlite://", creator=lambda: connect(path), poolclass=QueuePool)
        self._path = path
        event.listen(self.engine, "begin", _begin)

    def create(self) -> None:
        """The file is there for its owner alone, in a directory that is likewise if it is new."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))

    def exists(self) -> bool:
        """Whether there is a file."""
        return self._path.exists()

    def now(self, _connection: Connection | None) -> datetime:
        """The clock of this machine."""
        return datetime.now(UTC)

    def damage(self, connection: Connection, tables: Iterable[str]) -> str | None:
        """What is wrong with `tables` in the file itself, in SQLite's words; None if nothing is."""
        found = []
        for table in tables:
            lines = connection.exec_driver_sql(f"PRAGMA quick_check('{table}')").scalars()
            found += [line for line in lines if line != "ok"]
        return "; ".join(dict.fromkeys(found)) or None

    def watch(self) -> "FileWatch":
        """A new watch on the file."""
        return FileWatch(self._path)

    def rows_replaced(self, _connection: Connection) -> None:
        """AUTOINCREMENT continues after the highest number there ever was."""


def connect(path: Path) -> sqlite3.Connection:
    """A connection in WAL mode whose commits are on the disk when they return.

    Raises sqlite3.Error.
    """
    # SQLite does not wait by itself while another process enters WAL mode, or leaves it.
    for _ in range(round(_BUSY_SECONDS / _PAUSE_SECONDS)):
        try:
            return _connect(path)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & _PRIMARY_CODE != sqlite3.SQLITE_BUSY:
                raise
        time.sleep(_PAUSE_SECONDS)
    return _connect(path)


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw",  # a store that vanished is not to be made anew
        uri=True,
        timeout=0,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        for pragma in _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}").fetchall()
    except sqlite3.Error:
        connection.close()
        raise
    return connection


class FileWatch:
    """Tells cheaply whether anybody has committed to the file since the last look."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None

    def look(self) -> tuple[tuple[int, int], int]:
        """Which file the store is, and a number that differs after each commit to it.

        Raises OSError or sqlite3.Error; the next look then begins anew.
        """
        try:
            status = self._path.stat()
            if self._file != (status.st_dev, status.st_ino):
                self.close()
            if self._connection is None:
                self._connection = connect(self._path)
                self._file = (status.st_dev, status.st_ino)
            (version,) = self._connection.execute("PRAGMA data_version").fetchone()
        except (OSError, sqlite3.Error):
            self.close()
            raise
        return (status.st_dev, status.st_ino), version

    def close(self) -> None:
        """No connection is held."""
        if self._connection is not None:
            self._connection.close()
        self._connection = self._file = None


def _begin(connection: Connection) -> None:
    # A writer that began as a reader may find, half-way, that another wrote before it.
    writes = connection.get_execution_options().get(WRITE, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
