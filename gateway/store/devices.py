"""The devices that sync mailboxes: what phones said, and what administrators said of each."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

from gateway.core.device import (
    MOST_PARTNERSHIPS,
    Access,
    Device,
    Wipe,
    WipeKind,
    WipeProgress,
    WipeState,
)
from gateway.core.device_registry import DeviceName
from gateway.core.eas_provision import can_be_told
from gateway.core.names import fold
from gateway.errors import StateError
from gateway.store.audit import insert_records
from gateway.store.database import Database, record_changes
from gateway.store.device_rows import change_key, device_row, load_devices, name_of
from gateway.store.schema import ChangeKind, devices

DeviceEvent = Device | WipeProgress
"""A device that was seen, with what it said, or what became of its wipe."""


class Devices:
    """Reads and writes partnerships; each method raises StateError if the store cannot do it.

    Where a decision may change, so does the change log: not for when a device was seen last.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def list(self, upn: str | None = None) -> "Sequence[Device]":
        """Every partnership, or those of one mailbox, the first one first."""
        with self._database.reading() as connection:
            found = load_devices(connection)
        return [one for one in found if upn is None or one.mailbox_key == fold(upn)]

    def find(self, device_id: str) -> "Sequence[Device]":
        """The partnerships of this DeviceId, whatever its case."""
        return [one for one in self.list() if one.key == fold(device_id)]

    def record(self, events: "Sequence[DeviceEvent]", *, most: int = MOST_PARTNERSHIPS) -> None:
        """What was seen is stored, in this order, or nothing is.

        A device that is new to a mailbox with `most` partnerships is not. Wipes are audited.
        """
        with self._database.writing() as connection:
            names = {(event.mailbox_key, fold(event.device_id)) for event in events}
            before = {name_of(one): one for one in load_devices(connection, names)}
            after = dict(before)
            room = _room(connection, {mailbox for mailbox, _ in names}, most)
            for event in events:
                name = event.mailbox_key, fold(event.device_id)
                known = after.get(name)
                if isinstance(event, WipeProgress):
                    if known is not None:
                        after[name] = self._progressed(connection, known, event)
                elif known is not None:
                    after[name] = known.seen_again(event)
                elif room[event.mailbox_key] > 0:
                    room[event.mailbox_key] -= 1
                    after[name] = event
            self._store(connection, before, after)

    def set_access(self, name: DeviceName, access: Access, *, device_id: str) -> Device:
        """The device has this access, whatever rules say; it is made known if it was not seen yet.

        With ALLOW, a wipe that was acknowledged no longer blocks it, and it is tied to the next
        certificate that it shows.
        """
        now = self._database.now()

        def allow(known: Device) -> Device:
            was_wiped = known.wipe.state is WipeState.ACKNOWLEDGED
            wipe = Wipe(at=now) if was_wiped else known.wipe
            return replace(known, access=access, wipe=wipe, certificate=None)

        def restrict(known: Device) -> Device:
            return replace(known, access=access)

        unseen = Device(name[0], device_id, now, now)
        return self._change(name, allow if access is Access.ALLOW else restrict, unseen)

    def wipe(self, name: DeviceName, kind: WipeKind) -> Device:
        """The device is told at its next Provision to wipe itself (MS-ASPROV section 3.1.5.1.2).

        Raises StateError if it was wiped, or cannot wipe an account only.
        """

        def wiped(known: Device) -> Device:
            if known.wipe.state is WipeState.ACKNOWLEDGED:
                raise StateError(
                    f"the device {known.device_id} was wiped already; `device allow` lets it in "
                    "again, and then it can be wiped again"
                )
            if not can_be_told(kind, known.protocol_version):
                raise StateError(
                    f"the device {known.device_id} does not speak 16.1, which --account-only "
                    f"needs; it spoke {known.protocol_version or 'no version'} last"
                )
            return replace(known, wipe=Wipe(WipeState.PENDING, kind, self._database.now()))

        return self._change(name, wiped)

    def cancel_wipe(self, name: DeviceName) -> Device:
        """No wipe is due; returns the device as it was. Raises StateError if none was due."""
        before: list[Device] = []

        def cancelled(known: Device) -> Device:
            if not known.wipe.is_due:
                raise StateError(f"no wipe of the device {known.device_id} is under way")
            before.append(known)
            return replace(known, wipe=Wipe(at=self._database.now()))

        self._change(name, cancelled)
        return before[0]

    def forget(self, name: DeviceName) -> None:
        """The partnership is gone, and is a new one when the device comes again.

        Raises StateError if a wipe is under way or keeps it blocked.
        """
        with self._database.writing() as connection:
            known = _require(connection, name)
            if known.wipe.is_due or known.wipe.state is WipeState.ACKNOWLEDGED:
                verb = "wipe --cancel" if known.wipe.is_due else "allow"
                raise StateError(
                    f"the device {known.device_id} {_standing(known.wipe)}, which would be "
                    f"forgotten with it; `device {verb} {known.device_id}` first"
                )
            connection.execute(
                delete(devices).where(
                    devices.c.mailbox_key == name[0], devices.c.device_key == name[1]
                )
            )
            self._log(connection, name)

    def _change(
        self, name: DeviceName, change: Callable[[Device], Device], unseen: Device | None = None
    ) -> Device:
        with self._database.writing() as connection:
            known = next(iter(load_devices(connection, [name])), unseen)
            if known is None:
                known = _require(connection, name)
            new = change(known)
            stored = {} if known is unseen else {name: known}
            self._store(connection, stored, {name: new})
            if new.wipe != known.wipe:
                insert_records(connection, [_record(known, new)], self._database.now())
        return new

    def _progressed(self, connection: Connection, known: Device, progress: WipeProgress) -> Device:
        new = replace(known, wipe=progress.applied(known.wipe))
        if new.wipe.state is not known.wipe.state:
            insert_records(connection, [_record(known, new)], self._database.now())
        return new

    def _store(
        self,
        connection: Connection,
        before: Mapping[DeviceName, Device],
        after: Mapping[DeviceName, Device],
    ) -> None:
        added = [one for name, one in after.items() if name not in before]
        changed = [one for name, one in after.items() if before.get(name, one) != one]
        if added:
            connection.execute(insert(devices), [device_row(one) for one in added])
        if changed:
            _update(connection, changed)
        decided = [one for one in changed if not one.is_judged_as(before[name_of(one)])]
        self._log(connection, *(name_of(one) for one in (*added, *decided)))

    def _log(self, connection: Connection, *names: DeviceName) -> None:
        keys = [change_key(name) for name in names]
        record_changes(connection, ChangeKind.DEVICE, keys, self._database.now())


def _require(connection: Connection, name: DeviceName) -> Device:
    found = load_devices(connection, [name])
    if not found:
        raise StateError(f"{name[0]} has no device {name[1]}; see `device list`")
    return found[0]


def _room(connection: Connection, keys: Iterable[str], most: int) -> dict[str, int]:
    """How many devices each mailbox may yet get."""
    wanted = list(keys)
    statement = (
        select(devices.c.mailbox_key, func.count())
        .where(devices.c.mailbox_key.in_(wanted))
        .group_by(devices.c.mailbox_key)
    )
    counts: dict[str, int] = dict(iter(connection.execute(statement)))
    return {key: most - counts.get(key, 0) for key in wanted}


def _update(connection: Connection, changed: Sequence[Device]) -> None:
    keys = ("mailbox_key", "device_key")
    statement = (
        update(devices)
        .where(*(devices.c[key] == bindparam(f"old_{key}") for key in keys))
        .values({name: bindparam(name) for name in set(devices.columns.keys()) - {*keys}})
    )
    rows = []
    for one in changed:
        row = device_row(one)
        rows.append({(f"old_{name}" if name in keys else name): row[name] for name in row})
    connection.execute(statement, rows)


def _standing(wipe: Wipe) -> str:
    return "is to be wiped" if wipe.is_due else "was wiped and is blocked"


def _record(before: Device, device: Device) -> Mapping[str, object]:
    """What the audit trail says of a wipe, under the names that its other records have."""
    state, at = device.wipe.state, device.wipe.at
    word = state.value
    if state is WipeState.NONE:
        word = "cancelled" if before.wipe.is_due else "over"
    account_only = WipeKind.ACCOUNT_ONLY in (before.wipe.kind, device.wipe.kind)
    return {
        "at": None if at is None else at.isoformat(),
        "decision": f"wipe {word}",
        "mailbox": device.mailbox_key,
        "device_id": device.device_id,
        "detail": "of the account only" if account_only else "of the whole device",
    }
