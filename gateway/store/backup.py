"""The store in one file, made while the gateway runs, and back."""

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from gateway.errors import StateError
from gateway.store import sqlite
from gateway.store.copying import Counts, copy_rows
from gateway.store.store import Store, open_store


def back_up(store: Store, file: Path) -> Counts:
    """A new file holds what the store held at one moment, readable by its owner alone.

    The file is an SQLite database, whichever the store is. Returns the rows of each table. Raises
    StateError, with no new file there, if one is there already or it cannot be made.
    """
    if file.exists():
        raise StateError(f"{file} is there already; name another file for the backup")
    try:
        with _scratch(file.parent) as folder:
            with open_store(folder) as copy:
                counts = copy_rows(store, copy, overwrite=True)
                copy.require_integrity()
            finished = folder / sqlite.FILE_NAME
            _make_single(finished)
            os.link(finished, file)  # which fails, rather than replaces, if somebody was faster
            _sync(file.parent)
    except (OSError, sqlite3.Error) as error:
        raise StateError(f"{file}: the backup cannot be written: {error}") from error
    return counts


def restore(store: Store, file: Path, *, overwrite: bool = False) -> Counts:
    """The store holds what the backup in `file` does; a backup of an older program will do.

    `file` stays as it is. Returns the rows of each table. Raises StateError, with the store as it
    was, as `copy_rows` does, and if the file is no backup.
    """
    if not file.is_file():
        raise StateError(f"{file} is not there, or no file")
    with opened_copy(file) as backup:
        return copy_rows(backup, store, overwrite=overwrite)


@contextmanager
def opened_copy(file: Path) -> Iterator[Store]:
    """The store in an SQLite file as it is at one moment, brought up to date beside the file.

    Raises StateError if it is none, or is damaged.
    """
    try:
        with _scratch(None) as folder:
            path = folder / sqlite.FILE_NAME
            uri = f"{file.absolute().as_uri()}?mode=ro"
            with (
                closing(sqlite3.connect(uri, uri=True)) as source,
                closing(sqlite3.connect(path)) as copy,
            ):
                if not source.execute(
                    "SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'"
                ).fetchall():
                    raise StateError(f"{file} is no store of the gateway")
                source.backup(copy)
            with _sound(folder, file) as store:
                yield store
    except (OSError, sqlite3.Error) as error:
        raise StateError(f"{file}: cannot be read as a store: {error}") from error


def _sound(folder: Path, file: Path) -> Store:
    try:
        store = open_store(folder)
    except StateError as error:
        raise StateError(f"{file}: {error}") from error
    try:
        store.require_integrity()
    except StateError as error:
        store.close()
        raise StateError(f"{file} is damaged: {error}") from error
    return store


@contextmanager
def _scratch(parent: Path | None) -> Iterator[Path]:
    """A folder for the owner alone that is gone at the end."""
    with tempfile.TemporaryDirectory(prefix=".eas-gateway-", dir=parent) as name:
        yield Path(name)


def _make_single(path: Path) -> None:
    """All of the database is in this one file, and on the disk."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE").fetchall()
    _sync(path)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
