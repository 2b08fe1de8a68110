"""Token-valid-from of mailboxes, by Entra's rule: a coming time is asked for, now is stored."""

from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import Connection, Delete, delete, insert, select

from gateway.core.decision import TokenValidFrom
from gateway.core.names import fold
from gateway.errors import StateError
from gateway.store.database import Database, record_change
from gateway.store.mailbox_rows import load_mailbox
from gateway.store.schema import ChangeKind, token_valid_from


class ValidFrom:
    """Sets and clears token-valid-from; each method raises StateError if the store cannot do it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def revoke(self, upn: str) -> TokenValidFrom:
        """The store's present time is stored; raises StateError if there is no such mailbox."""
        with self._database.writing() as connection:
            return self._store_now(connection, upn)

    def set(self, upn: str, given: datetime) -> TokenValidFrom:
        """The store's present time is stored, not `given`, which only has to lie in the future.

        Raises StateError, with nothing set, if it does not or there is no such mailbox.
        """
        with self._database.writing() as connection:
            now = self._database.now()
            if given <= now:
                raise StateError(
                    f"{given.isoformat()} is not in the future (it is {now.isoformat()}), so "
                    "nothing is set; `user revoke` needs no time"
                )
            return self._store_now(connection, upn)

    def clear(self, upn: str) -> TokenValidFrom | None:
        """None is stored; returns what was. Works for a mailbox that was removed, too."""
        key = fold(upn)
        with self._database.writing() as connection:
            old = load_valid_from(connection, {key}).get(key)
            if old is None:
                _require_mailbox(connection, upn)
                return None
            connection.execute(_delete(key))
            record_change(connection, ChangeKind.TOKEN_VALID_FROM, key, self._database.now())
        return old

    def get(self, upn: str) -> TokenValidFrom | None:
        """What is stored for this UPN, or None."""
        key = fold(upn)
        with self._database.reading() as connection:
            return load_valid_from(connection, {key}).get(key)

    def all(self) -> Mapping[str, TokenValidFrom]:
        """What is stored, by mailbox key."""
        with self._database.reading() as connection:
            return load_valid_from(connection)

    def _store_now(self, connection: Connection, upn: str) -> TokenValidFrom:
        _require_mailbox(connection, upn)
        key, now = fold(upn), self._database.now()
        change_id = record_change(connection, ChangeKind.TOKEN_VALID_FROM, key, now)
        connection.execute(_delete(key))
        row = {"mailbox_key": key, "value": now, "change_id": change_id}
        connection.execute(insert(token_valid_from).values(row))
        return TokenValidFrom(now, change_id)


def load_valid_from(
    connection: Connection, keys: Collection[str] | None = None
) -> dict[str, TokenValidFrom]:
    """Token-valid-from by mailbox key, of `keys` or of all that have one."""
    statement = select(*token_valid_from.c)
    if keys is not None:
        statement = statement.where(token_valid_from.c.mailbox_key.in_(keys))
    rows = connection.execute(statement)
    return {key: TokenValidFrom(value, change_id) for key, value, change_id in rows}


def _delete(key: str) -> Delete:
    return delete(token_valid_from).where(token_valid_from.c.mailbox_key == key)


def _require_mailbox(connection: Connection, upn: str) -> None:
    if load_mailbox(connection, fold(upn)) is None:
        raise StateError(f"no mailbox has the UPN {upn}; see `user list`")
