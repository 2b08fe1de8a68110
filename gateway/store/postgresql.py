"""The shared database: all that only PostgreSQL needs is here.

Every wait ends: for a connection, for a lock, for a statement, and for a server that says nothing
any more, as one that was stopped or is behind a firewall that forgot the connection.
"""

import time
from collections.abc import Generator, Iterable
from datetime import datetime
from pathlib import Path
from typing import Any, Self, TypeVar

import psycopg
from psycopg import conninfo
from sqlalchemy import Connection, create_engine, event, inspect, literal_column, select

from gateway.config import StoreLocation
from gateway.errors import StateError
from gateway.store.backend import WRITE
from gateway.store.change_watch import CHANNEL, ChangeWatch
from gateway.store.schema import UtcMicroseconds

_Result = TypeVar("_Result")

_SILENCE_SECONDS = 25.0  # more than a statement may take
_LOCK = 0x6561735F67617465  # "eas_gate": an advisory lock has a number of 64 bits for a name
_DEFAULTS: dict[str, str | int] = {
    "application_name": "eas-gateway",
    "client_encoding": "UTF8",
    "connect_timeout": 3,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}
# SET LOCAL rather than options of the connection, which a pooler would hand on to others.
_READ = """
    SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY;
    SET LOCAL statement_timeout = '20s';
    SET LOCAL idle_in_transaction_session_timeout = '60s'
"""
# The lock makes changes commit in the order of their ids: who reads up to one has all before it.
# A statement sees what was committed before it began, so those after the lock miss nothing.
_BEGIN_WRITE = f"""
    SET TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE;
    SET LOCAL statement_timeout = '20s';
    SET LOCAL lock_timeout = '10s';
    SET LOCAL idle_in_transaction_session_timeout = '60s';
    SELECT pg_advisory_xact_lock({_LOCK});
    NOTIFY {CHANNEL}
"""
_CLOCK = select(
    literal_column("(extract(epoch FROM clock_timestamp()) * 1000000)::bigint", UtcMicroseconds())
)


class PostgresqlBackend:
    """A database on a server; see `gateway.store.backend.Backend`."""

    failures: tuple[type[Exception], ...] = (psycopg.Error,)

    def __init__(self, parameters: dict[str, str | int], poll_seconds: float) -> None:
        self.name = _name(parameters)
        self._parameters = parameters
        self._poll_seconds = poll_seconds
        self.engine = create_engine(
            "postgresql+psycopg://",
            creator=lambda: connect(parameters, _SILENCE_SECONDS),
            pool_size=2,
            max_overflow=8,
            pool_timeout=10,
            pool_pre_ping=True,
        )
        event.listen(self.engine, "begin", _begin)

    @classmethod
    def at(cls, location: StoreLocation) -> Self:
        """The database at `location`; raises StateError if its URL or password cannot be read."""
        try:
            given = conninfo.conninfo_to_dict(location.url)
        except psycopg.Error as error:
            raise StateError(f"store.url: {str(error).strip()}") from error
        parameters = _DEFAULTS | {key: value for key, value in given.items() if value is not None}
        if location.password_file is not None:
            parameters["password"] = _password(location.password_file)
        return cls(parameters, location.poll_seconds)

    def create(self) -> None:
        """The database is made by its administrator."""

    def exists(self) -> bool:
        """Whether the schema was made in it."""
        with self.engine.connect() as connection:
            return inspect(connection).has_table("alembic_version")

    def now(self, connection: Connection | None) -> datetime:
        """The server's clock."""
        if connection is not None:
            return connection.execute(_CLOCK).scalar_one()
        with self.engine.begin() as own:
            return own.execute(_CLOCK).scalar_one()

    def damage(self, _connection: Connection, _tables: Iterable[str]) -> str | None:
        """None: the server looks after its files itself."""
        return None

    def watch(self) -> ChangeWatch:
        """A new watch on the change log."""
        return ChangeWatch(lambda silence: connect(self._parameters, silence), self._poll_seconds)

    def rows_replaced(self, connection: Connection) -> None:
        """The sequences continue after the highest numbers in their tables."""
        for table in ("changes", "audit", "device_rules"):
            connection.exec_driver_sql(
                f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), "  # noqa: S608 (no input)
                f"greatest((SELECT max(id) FROM {table}), nextval(pg_get_serial_sequence("
                f"'{table}', 'id'))))"
            )


class BoundedConnection(psycopg.Connection):
    """A connection that is closed when its server has said nothing for `silence_seconds`."""

    silence_seconds = _SILENCE_SECONDS

    def wait(  # type: ignore[override]  # what psycopg adds to its own is passed on untouched
        self, gen: Generator[Any, Any, _Result], *arguments: float, **options: float
    ) -> _Result:
        """Run `gen` to its end; raises OperationalError on silence."""
        return super().wait(self._bounded(gen), *arguments, **options)

    def _bounded(self, gen: Generator[Any, Any, _Result]) -> Generator[Any, Any, _Result]:
        try:
            wanted = next(gen)
            heard = time.monotonic()
            while True:
                ready = yield wanted
                if ready:
                    heard = time.monotonic()
                elif time.monotonic() - heard > self.silence_seconds:
                    self.pgconn.finish()
                    text = f"the server has said nothing for {self.silence_seconds:g} s"
                    raise psycopg.OperationalError(text)
                wanted = gen.send(ready)
        except StopIteration as end:
            result: _Result = end.value
            return result


def connect(parameters: dict[str, str | int], silence_seconds: float) -> BoundedConnection:
    """A new connection; raises psycopg.Error."""
    # Statements are not prepared: a pooler runs the next one elsewhere.
    connection = BoundedConnection.connect(
        conninfo.make_conninfo("", **parameters), prepare_threshold=None
    )
    connection.silence_seconds = silence_seconds
    return connection


def _name(parameters: dict[str, str | int]) -> str:
    user, host, port = (parameters.get(key) for key in ("user", "host", "port"))
    at = f"{user}@" if user else ""
    return (
        f"postgresql://{at}{host or ''}{f':{port}' if port else ''}/{parameters.get('dbname', '')}"
    )


def _password(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise StateError(f"store.password_file: {path}: cannot be read: {error}") from error


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get(WRITE, False)
    connection.exec_driver_sql(_BEGIN_WRITE if writes else _READ)
