"""Where the connections of a worker are found by whom and what they serve."""

from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar

from gateway.core.difference import Difference

Key = tuple[str, str | int]

_C = TypeVar("_C", bound=Hashable)


def name_key(name: str) -> Key:
    """For a mailbox, or a UPN or address that leads to it; folded."""
    return "name", name


def certificate_key(issuer_id: str, serial_number: int) -> Key:
    """For a certificate of the CA record `issuer_id`."""
    return issuer_id, serial_number


def device_key(device_id: str) -> Key:
    """For the DeviceId, folded, that a connection's requests name."""
    return "device", device_id


class ConnectionIndex(Generic[_C]):
    """Connections by mailbox, certificate and device; each is found until it is forgotten."""

    def __init__(self) -> None:
        self._at: dict[Key, _C | set[_C]] = {}
        self._keys: dict[_C, tuple[Key, ...]] = {}

    def file(self, connection: _C, keys: tuple[Key, ...]) -> None:
        """From now on find `connection` under these keys, and no others."""
        old = self._keys.get(connection, ())
        for key in old:
            if key not in keys:
                self._remove(key, connection)
        for key in keys:
            if key not in old:
                self._add(key, connection)
        self._keys[connection] = keys

    def forget(self, connection: _C) -> None:
        """The connection has ended."""
        for key in self._keys.pop(connection, ()):
            self._remove(key, connection)

    def find(self, key: Key) -> frozenset[_C]:
        """The connections under `key`."""
        found = self._at.get(key)
        if found is None:
            return frozenset()
        return frozenset(found) if isinstance(found, set) else frozenset((found,))

    def touched(self, change: Difference) -> frozenset[_C]:
        """Those that the change names by mailbox, certificate or device."""
        keys = [name_key(name) for name in change.names]
        keys += [certificate_key(*one) for one in change.certificates]
        keys += [device_key(one) for one in change.devices]
        return self._all(key for key in keys if key in self._at)

    def _all(self, keys: Iterable[Key]) -> frozenset[_C]:
        return frozenset(connection for key in keys for connection in self.find(key))

    def _add(self, key: Key, connection: _C) -> None:
        # Most keys lead to one connection, which a set of its own would cost 200 bytes.
        found = self._at.get(key)
        if found is None:
            self._at[key] = connection
        elif isinstance(found, set):
            found.add(connection)
        else:
            self._at[key] = {found, connection}

    def _remove(self, key: Key, connection: _C) -> None:
        found = self._at.get(key)
        if isinstance(found, set):
            found.discard(connection)
            if found:
                return
        self._at.pop(key, None)
