"""Devices and their rules as rows and back."""

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, RowMapping, select, tuple_

from gateway.core.device import (
    NO_WIPE,
    Access,
    Characteristic,
    Device,
    DeviceCertificate,
    DeviceRule,
    Wipe,
    WipeKind,
    WipeState,
)
from gateway.core.device_registry import DeviceName
from gateway.store.schema import device_rules, devices

_SEPARATOR = "\n"  # in no DeviceId and no UPN


def name_of(device: Device) -> DeviceName:
    """What a device is found by."""
    return device.mailbox_key, device.key


def change_key(name: DeviceName) -> str:
    """What the change log calls a device."""
    return _SEPARATOR.join(name)


def names_of(change_keys: Iterable[str]) -> set[DeviceName]:
    """The devices that the change log calls so."""
    parts = (key.partition(_SEPARATOR) for key in change_keys)
    return {(mailbox_key, device_key) for mailbox_key, _, device_key in parts}


def device_row(device: Device) -> dict[str, object]:
    """The row in `devices`."""
    certificate, access = device.certificate, device.access
    return {
        "mailbox_key": device.mailbox_key,
        "device_key": device.key,
        "device_id": device.device_id,
        "device_type": device.device_type,
        "model": device.model,
        "os": device.os,
        "user_agent": device.user_agent,
        "protocol_version": device.protocol_version,
        "policy_key": device.policy_key,
        "issuer_id": None if certificate is None else certificate.issuer_id,
        "serial_number": None if certificate is None else f"{certificate.serial_number:x}",
        "not_before": None if certificate is None else certificate.not_before,
        "first_seen": device.first_seen,
        "last_seen": device.last_seen,
        "access": None if access is None else access.value,
        "wipe_state": device.wipe.state.value,
        "wipe_kind": device.wipe.kind.value,
        "wipe_at": device.wipe.at,
    }


def load_devices(
    connection: Connection, names: Iterable[DeviceName] | None = None
) -> Sequence[Device]:
    """Those of `names`, or all, in the order of `Device.rank`."""
    table = devices.c
    statement = select(devices).order_by(table.first_seen, table.device_key, table.mailbox_key)
    if names is not None:
        wanted = tuple_(table.mailbox_key, table.device_key).in_(list(names))
        statement = statement.where(wanted)
    return [_device(row) for row in connection.execute(statement).mappings()]


def load_rules(connection: Connection) -> Sequence[DeviceRule]:
    """Every rule, by id."""
    rows = connection.execute(select(*device_rules.c).order_by(device_rules.c.id))
    return [
        DeviceRule(id_, Characteristic(characteristic), pattern, Access(access))
        for id_, characteristic, pattern, access in rows
    ]


def _device(row: RowMapping) -> Device:
    certificate = None
    if row["issuer_id"] is not None:
        serial = int(row["serial_number"], 16)
        certificate = DeviceCertificate(row["issuer_id"], serial, row["not_before"])
    return Device(
        mailbox_key=row["mailbox_key"],
        device_id=row["device_id"],
        first_seen=row["first_seen"],
        last_seen=row["last_seen"],
        device_type=row["device_type"],
        model=row["model"],
        os=row["os"],
        user_agent=row["user_agent"],
        protocol_version=row["protocol_version"],
        policy_key=row["policy_key"],
        certificate=certificate,
        access=None if row["access"] is None else Access(row["access"]),
        wipe=NO_WIPE if row["wipe_at"] is None else _wipe(row),
    )


def _wipe(row: RowMapping) -> Wipe:
    return Wipe(WipeState(row["wipe_state"]), WipeKind(row["wipe_kind"]), row["wipe_at"])
