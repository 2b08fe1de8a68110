"""Which partnership a command is about: a DeviceId, and a mailbox if it has several."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from gateway.core.device import Device
from gateway.core.device_registry import DeviceName
from gateway.core.names import fold
from gateway.errors import StateError
from gateway.store.store import Store

_Function = TypeVar("_Function", bound=Callable[..., Any])

device_argument = click.argument("device_id", metavar="DEVICEID")


def mailbox_option(function: _Function) -> _Function:
    """Add --mailbox; the command gets `mailbox: str | None`."""
    return click.option(
        "--mailbox",
        metavar="UPN",
        help="The mailbox; needed if the device syncs several.",
    )(function)


def choose(store: Store, device_id: str, mailbox: str | None) -> Device:
    """The partnership; raises StateError if there is none, or more than one."""
    found = [
        one
        for one in store.devices.find(device_id)
        if mailbox is None or one.mailbox_key == fold(mailbox)
    ]
    if not found:
        whose = f"{mailbox} has no device" if mailbox else "no mailbox has the device"
        raise StateError(f"{whose} {device_id}; see `device list`")
    if len(found) > 1:
        owners = ", ".join(one.mailbox_key for one in found)
        raise StateError(f"the device {device_id} syncs {owners}; say which with --mailbox")
    return found[0]


def name(device: Device) -> DeviceName:
    """What the store knows it by."""
    return device.mailbox_key, device.key


def words(device: Device) -> str:
    """The device for people."""
    kind = device.model or device.device_type
    return f"the device {device.device_id}{f' ({kind})' if kind else ''} of {device.mailbox_key}"
