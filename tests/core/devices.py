"""Devices and requests for the tests."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from gateway.core.device import Device, DeviceCertificate
from gateway.core.device_access import DeviceFacts
from gateway.core.mailbox import Mailbox

START = datetime(2026, 1, 1, tzinfo=UTC)
ALICE = Mailbox("Alice@example.test", groups=frozenset({"Sales", "Staff"}))
BOB = Mailbox("bob@example.test")
CERTIFICATE = DeviceCertificate("ca", 1, START)


def device(name: str = "Dev1", *, minute: int = 0, **fields: Any) -> Device:
    """A device of Alice's, registered in that minute."""
    seen = START + timedelta(minutes=minute)
    return replace(Device(ALICE.key, name, seen, seen), **fields)


def request(name: str | None = "DEV1", **fields: Any) -> DeviceFacts:
    """A request of it."""
    return replace(DeviceFacts(ALICE, name), **fields)
