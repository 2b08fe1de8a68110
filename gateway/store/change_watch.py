"""Whether the change log of a PostgreSQL store has grown: told by LISTEN, and asked for anyway."""

import time
from collections.abc import Callable, Hashable
from typing import Any

import psycopg
from psycopg import Notify

CHANNEL = "eas_gateway"

_SILENCE_SECONDS = 3.0
_FIRST_DELAY = 0.2
_LAST_DELAY = 2.0
# Which database it is: another cluster, timeline or database is another store.
_IDENTITY = """
    SELECT control.system_identifier, checkpoint.timeline_id, database.oid
    FROM pg_control_system() control, pg_control_checkpoint() checkpoint, pg_database database
    WHERE database.datname = current_database()
"""
_LATEST = "SELECT max(id) FROM changes"


class ChangeWatch:
    """Looks at the log over one connection, made anew when it breaks, in growing intervals.

    A look while nothing was announced takes microseconds, but every `poll_seconds` the log is
    asked for its last id: announcements do not come through a pooler, nor over a dead connection.
    """

    def __init__(
        self, connect: Callable[[float], "psycopg.Connection[Any]"], poll_seconds: float
    ) -> None:
        self._connect = connect
        self._poll_seconds = poll_seconds
        self._connection: psycopg.Connection[Any] | None = None
        self._identity: Hashable = None
        self._latest = 0
        self._is_announced = False
        self._ask_at = 0.0
        self._failure = ""
        self._delay = 0.0
        self._retry_at = 0.0

    def look(self) -> tuple[Hashable, Hashable]:
        """Which database it is, and the last change's id; raises psycopg.Error."""
        if self._connection is not None:
            try:
                return self._look(self._connection)
            except psycopg.Error:
                # A connection that broke does not say that no other can be made.
                self.close()
        if time.monotonic() < self._retry_at:
            raise psycopg.OperationalError(self._failure)
        try:
            found = self._look(self._open())
        except psycopg.Error as error:
            self.close()
            self._failure = str(error)
            self._delay = min(max(_FIRST_DELAY, 2 * self._delay), _LAST_DELAY)
            self._retry_at = time.monotonic() + self._delay
            raise
        self._delay = 0.0
        return found

    def close(self) -> None:
        """No connection is held."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def _open(self) -> "psycopg.Connection[Any]":
        self._connection = connection = self._connect(_SILENCE_SECONDS)
        connection.autocommit = True
        connection.add_notify_handler(self._announced)
        self._identity = connection.execute(_IDENTITY).fetchone()
        connection.execute(f"LISTEN {CHANNEL}")
        self._is_announced = True  # by whoever committed while nobody listened here
        return connection

    def _look(self, connection: "psycopg.Connection[Any]") -> tuple[Hashable, Hashable]:
        for _ in range(2):  # the first may read a farewell, behind which the second finds the end
            connection.pgconn.consume_input()
        while connection.pgconn.notifies() is not None:
            self._is_announced = True
        if self._is_announced or time.monotonic() >= self._ask_at:
            self._is_announced = False  # before the question: what comes during it asks again
            row = connection.execute(_LATEST).fetchone()
            self._latest = (row and row[0]) or 0
            self._ask_at = time.monotonic() + self._poll_seconds
        return self._identity, self._latest

    def _announced(self, _notify: Notify) -> None:
        """An announcement that came in while another answer was read."""
        self._is_announced = True
