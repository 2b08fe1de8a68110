"""The store as one thing: opened where the configuration says, closed when done."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

from sqlalchemy import select

from gateway.config import StoreLocation
from gateway.errors import StateError
from gateway.store import sqlite
from gateway.store.audit import Audit
from gateway.store.authorities import Authorities
from gateway.store.backend import Backend
from gateway.store.certificates import Certificates
from gateway.store.database import Database, latest_change
from gateway.store.device_rules import DeviceRules
from gateway.store.devices import Devices
from gateway.store.mailboxes import Mailboxes
from gateway.store.migrate import bring_up_to_date
from gateway.store.schema import ChangeKind, audit, changes, metadata
from gateway.store.snapshot import Snapshot
from gateway.store.validity import ValidFrom


class Store:
    """Everything that is kept; every write that can change a decision is in the change log.

    Its methods block: call them in a thread where an event loop runs. Open it anew after a fork.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self.authorities = Authorities(database)
        self.mailboxes = Mailboxes(database)
        self.valid_from = ValidFrom(database)
        self.certificates = Certificates(database)
        self.devices = Devices(database)
        self.device_rules = DeviceRules(database)
        self.audit = Audit(database)

    def change_id(self) -> int:
        """The id of the last change, 0 before the first; raises StateError."""
        with self.database.reading() as connection:
            return latest_change(connection)

    def changes_since(self, change_id: int | None) -> tuple[int, frozenset[ChangeKind]]:
        """The id of the last change, and the kinds of those after `change_id`; raises StateError.

        None stands for the last change: there are none after it. An id that the store has not come
        to yet is another store's: then all of it is another.
        """
        with self.database.reading() as connection:
            latest = latest_change(connection)
            if change_id is None or change_id == latest:
                return latest, frozenset()
            if change_id > latest:
                return latest, frozenset({ChangeKind.STORE})
            kinds = select(changes.c.kind).where(changes.c.id > change_id).distinct()
            return latest, frozenset(map(ChangeKind, connection.execute(kinds).scalars()))

    def snapshot(self) -> Snapshot:
        """All that decisions need, as it is now; raises StateError."""
        with self.database.reading() as connection:
            return Snapshot.load(connection)

    def require_integrity(self, *, trail: bool = True) -> None:
        """Raises StateError if the database is damaged.

        Reads all of it, but without `trail` not the audit trail: no decision is made by it, and it
        may be gigabytes.
        """
        tables = [name for name in metadata.tables if trail or name != audit.name]
        with self.database.reading() as connection:
            damage = self.database.backend.damage(connection, tables)
        if damage is not None:
            raise StateError(f"the store {self.database.name} is damaged: {damage}")

    def clock_difference(self) -> timedelta:
        """How far the store's clock is ahead of this machine's; negative if it is behind.

        Exact to half of what the question took. Raises StateError.
        """
        with self.database.reading():  # so that no connection has to be made meanwhile
            before = datetime.now(UTC)
            there = self.database.now()
            after = datetime.now(UTC)
        return there - (before + (after - before) / 2)

    def close(self) -> None:
        """No connection to the database is left."""
        with suppress(StateError), self.database.errors("closed"):
            self.database.forget_connections()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def open_store(
    directory: Path, location: StoreLocation | None = None, *, create: bool = True
) -> Store:
    """The store at `location`, made there (for its owner alone) with `create` if there is none.

    `directory` is that of the state, in which an embedded store is; without `location` it is one.
    An older schema is migrated. Raises StateError if it cannot be opened or a newer program
    wrote it.
    """
    database = Database(_backend(directory, location))
    with database.errors("opened"):
        if create:
            database.backend.create()
        elif not database.backend.exists():
            database.forget_connections()
            raise StateError(f"there is no store {database.name}; `eas-gateway ca add` makes one")
    try:
        bring_up_to_date(database)
    except StateError:
        database.forget_connections()
        raise
    return Store(database)


def store_exists(directory: Path, location: StoreLocation | None = None) -> bool:
    """Whether `open_store` would find a store and make none; raises StateError if unreachable."""
    database = Database(_backend(directory, location))
    try:
        with database.errors("read"):
            return database.backend.exists()
    finally:
        database.forget_connections()


def _backend(directory: Path, location: StoreLocation | None) -> Backend:
    if location is None or location.url == "sqlite":
        return sqlite.SqliteBackend(directory / sqlite.FILE_NAME)
    # An embedded store need not wait for another database's driver.
    from gateway.store.postgresql import PostgresqlBackend  # noqa: PLC0415 (loaded late)

    return PostgresqlBackend.at(location)
