"""The store as one thing: opened in a directory, closed when done."""

from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from gateway.errors import StateError
from gateway.store import sqlite
from gateway.store.audit import Audit
from gateway.store.authorities import Authorities
from gateway.store.certificates import Certificates
from gateway.store.database import Database, latest_change
from gateway.store.mailboxes import Mailboxes
from gateway.store.migrate import bring_up_to_date
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
        self.audit = Audit(database)

    def change_id(self) -> int:
        """The id of the last change, 0 before the first; raises StateError."""
        with self.database.reading() as connection:
            return latest_change(connection)

    def snapshot(self) -> Snapshot:
        """All that decisions need, as it is now; raises StateError."""
        with self.database.reading() as connection:
            return Snapshot.load(connection)

    def require_integrity(self) -> None:
        """Raises StateError if the database is damaged."""
        with self.database.reading() as connection:
            damage = sqlite.damage(connection)
        if damage is not None:
            raise StateError(f"the store {self.database.path} is damaged: {damage}")

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


def open_store(directory: Path) -> Store:
    """The store in `directory`, made there (for its owner alone) if there is none.

    An older schema is migrated. Raises StateError if it cannot be opened or a newer program
    wrote it.
    """
    path = directory / sqlite.FILE_NAME
    database = Database(sqlite.create_engine_for(path), path)
    with database.errors("opened"):
        sqlite.create_file(path)
    try:
        bring_up_to_date(database)
    except StateError:
        database.forget_connections()
        raise
    return Store(database)
