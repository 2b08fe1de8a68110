"""What the store asks of the database behind it; the rest is the same for all of them."""

from collections.abc import Hashable, Iterable
from datetime import datetime
from typing import Protocol

from sqlalchemy import Connection, Engine

WRITE = "write"  # execution option of a connection whose transactions may write


class CommitWatch(Protocol):
    """Tells cheaply whether anybody has committed since the last look; for one thread."""

    def look(self) -> tuple[Hashable, Hashable]:
        """Which database it is, and what differs after each commit to it.

        Raises one of the backend's failures; the next look then begins anew.
        """
        ...

    def close(self) -> None:
        """No connection is held."""
        ...


class Backend(Protocol):
    """A database: SQLite or PostgreSQL.

    Attributes:
        name: how errors call it; without any password.
        failures: what its driver raises beside SQLAlchemy's errors.
        engine: its transactions see one state; with WRITE, each is the only one that writes.
    """

    name: str
    failures: tuple[type[Exception], ...]
    engine: Engine

    def create(self) -> None:
        """The database is there, if it is for the gateway to make it; raises OSError."""
        ...

    def exists(self) -> bool:
        """Whether the store was made already; makes nothing; raises SQLAlchemyError."""
        ...

    def now(self, connection: Connection | None) -> datetime:
        """The store's clock, UTC, by a `connection` in a transaction or by one of its own."""
        ...

    def damage(self, connection: Connection, tables: Iterable[str]) -> str | None:
        """What is wrong with the database itself in `tables`; None if nothing is."""
        ...

    def watch(self) -> CommitWatch:
        """A new watch."""
        ...

    def rows_replaced(self, connection: Connection) -> None:
        """Numbers that the database gives follow those that were written by others."""
        ...
