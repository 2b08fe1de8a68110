"""The device access rules in the store."""

from collections.abc import Sequence

from sqlalchemy import delete, insert

from gateway.core.device import Access, Characteristic, DeviceRule
from gateway.errors import StateError
from gateway.store.database import Database, record_change
from gateway.store.device_rows import load_rules
from gateway.store.schema import ChangeKind, device_rules

_LONGEST_PATTERN = 256
_MOST_RULES = 1000  # each is compared with each new verdict


class DeviceRules:
    """Reads and writes rules; each method raises StateError if the store cannot do it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def list(self) -> "Sequence[DeviceRule]":
        """Every rule, by id."""
        with self._database.reading() as connection:
            return load_rules(connection)

    def add(self, characteristic: Characteristic, pattern: str, access: Access) -> DeviceRule:
        """The rule is stored; returns it.

        Raises StateError if the pattern cannot be one, or a rule has it already.
        """
        if not pattern.strip() or not pattern.isprintable() or len(pattern) > _LONGEST_PATTERN:
            raise StateError(
                f"the pattern {pattern!r} is empty, has a control character or more than "
                f"{_LONGEST_PATTERN} characters"
            )
        with self._database.writing() as connection:
            rules = load_rules(connection)
            for one in rules:
                if (one.characteristic, one.pattern) == (characteristic, pattern):
                    raise StateError(
                        f"rule {one.id} says {one.access.value} of {characteristic.value} "
                        f"{pattern!r} already; `device rule remove {one.id}` first"
                    )
            if len(rules) >= _MOST_RULES:
                raise StateError(f"there are {len(rules)} rules already, which is the most")
            values = {
                "characteristic": characteristic.value,
                "pattern": pattern,
                "access": access.value,
            }
            statement = insert(device_rules).values(values).returning(device_rules.c.id)
            id_ = connection.execute(statement).scalar_one()
            record_change(connection, ChangeKind.DEVICE_RULE, str(id_), self._database.now())
        return DeviceRule(id_, characteristic, pattern, access)

    def remove(self, id_: int) -> DeviceRule:
        """The rule is gone; returns it. Raises StateError if there was none."""
        with self._database.writing() as connection:
            rule = next((one for one in load_rules(connection) if one.id == id_), None)
            if rule is None:
                raise StateError(f"there is no rule {id_}; see `device rule list`")
            connection.execute(delete(device_rules).where(device_rules.c.id == id_))
            record_change(connection, ChangeKind.DEVICE_RULE, str(id_), self._database.now())
        return rule
