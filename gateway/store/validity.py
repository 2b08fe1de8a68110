"""Token-valid-from of mailboxes, by Entra's rule: a coming time is asked for, now is stored."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, insert, select

from gateway.core.decision import TokenValidFrom
from gateway.core.names import fold
from gateway.errors import StateError
from gateway.store.database import Database, record_change, record_numbered
from gateway.store.schema import ChangeKind, mailboxes, token_valid_from

_FEW = 500  # values that one statement holds


class ValidFrom:
    """Sets and clears token-valid-from; each method raises StateError if the store cannot do it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def revoke(self, upn: str) -> TokenValidFrom:
        """The store's present time is stored; raises StateError if there is no such mailbox."""
        return self.revoke_all([upn])[fold(upn)]

    def revoke_all(self, upns: Iterable[str]) -> Mapping[str, TokenValidFrom]:
        """The store's present time is stored for each mailbox, or for none; by mailbox key.

        Raises StateError with a line for each UPN that no mailbox has.
        """
        named: dict[str, str] = {}
        for upn in upns:
            named.setdefault(fold(upn), upn)
        keys = list(named)
        with self._database.writing() as connection:
            known = _known_keys(connection, keys)
            unknown = [_unknown(named[key]) for key in keys if key not in known]
            if unknown:
                raise StateError("\n".join(unknown))
            return self._store_now(connection, keys)

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
            _require_mailbox(connection, upn)
            return self._store_now(connection, [fold(upn)])[fold(upn)]

    def clear(self, upn: str) -> TokenValidFrom | None:
        """None is stored; returns what was. Works for a mailbox that was removed, too."""
        key = fold(upn)
        with self._database.writing() as connection:
            old = load_valid_from(connection, {key}).get(key)
            if old is None:
                _require_mailbox(connection, upn)
                return None
            connection.execute(
                delete(token_valid_from).where(token_valid_from.c.mailbox_key == key)
            )
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

    def _store_now(
        self, connection: Connection, keys: Sequence[str]
    ) -> Mapping[str, TokenValidFrom]:
        if not keys:
            return {}
        now = self._database.now()
        ids = record_numbered(connection, ChangeKind.TOKEN_VALID_FROM, keys, now)
        stored = {key: TokenValidFrom(now, id_) for key, id_ in zip(keys, ids, strict=True)}
        mailbox_key = token_valid_from.c.mailbox_key
        connection.execute(
            delete(token_valid_from).where(mailbox_key == bindparam("gone")),
            [{"gone": key} for key in keys],
        )
        connection.execute(
            insert(token_valid_from),
            [
                {"mailbox_key": key, "value": one.value, "change_id": one.change_id}
                for key, one in stored.items()
            ],
        )
        return stored


def load_valid_from(
    connection: Connection, keys: Collection[str] | None = None
) -> dict[str, TokenValidFrom]:
    """Token-valid-from by mailbox key, of `keys` or of all that have one."""
    statement = select(*token_valid_from.c)
    if keys is not None:
        statement = statement.where(token_valid_from.c.mailbox_key.in_(keys))
    rows = connection.execute(statement)
    return {key: TokenValidFrom(value, change_id) for key, value, change_id in rows}


def _known_keys(connection: Connection, keys: Sequence[str]) -> Collection[str]:
    """The keys of mailboxes, of `keys` at least."""
    statement = select(mailboxes.c.key)
    if len(keys) <= _FEW:
        statement = statement.where(mailboxes.c.key.in_(keys))
    return set(connection.execute(statement).scalars())


def _require_mailbox(connection: Connection, upn: str) -> None:
    if not _known_keys(connection, [fold(upn)]):
        raise StateError(_unknown(upn))


def _unknown(upn: str) -> str:
    return f"no mailbox has the UPN {upn}; see `user list`"
