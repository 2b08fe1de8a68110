"""What messages of the telemetry channel say about devices."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from gateway.core.device import Device, DeviceCertificate, WipeProgress, WipeState
from gateway.telemetry.messages import DEVICE_TEXTS

_LONGEST_ID = 512  # in hexadecimal, what the base64 query holds
_REPORTED = frozenset({WipeState.SENT, WipeState.ACKNOWLEDGED, WipeState.FAILED})


def read_device(message: Mapping[str, Any]) -> Device:
    """The device in a `device_message`; raises ValueError if it is none."""
    try:
        at, shown = datetime.fromisoformat(message["at"]), message["certificate"]
        certificate = None
        if shown is not None:
            certificate = DeviceCertificate(
                str(shown["issuer_id"]),
                int(shown["serial"], 16),
                datetime.fromisoformat(shown["not_before"]),
            )
        key = message["policy_key"]
        seen = Device(
            *_name(message),
            first_seen=at,
            last_seen=at,
            policy_key=None if key is None else int(key),
            certificate=certificate,
        )
        texts: dict[str, Any] = {name: _text(message[name]) for name in DEVICE_TEXTS}
        return replace(seen, **texts)
    except (KeyError, TypeError, OverflowError) as error:
        raise ValueError(f"not a device: {error!r}") from error


def read_wipe(message: Mapping[str, Any]) -> WipeProgress:
    """What a `wipe_message` says; raises ValueError if it is none."""
    try:
        state = WipeState(message["state"])
        if state not in _REPORTED:
            raise ValueError(f"not a wipe: no device says that one is {state.value}")
        return WipeProgress(*_name(message), state, datetime.fromisoformat(message["at"]))
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a wipe: {error!r}") from error


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _name(message: Mapping[str, Any]) -> tuple[str, str]:
    mailbox_key, device_id = str(message["mailbox_key"]), str(message["device_id"])
    if not 0 < len(device_id) <= _LONGEST_ID or not device_id.isprintable():
        raise ValueError(f"no DeviceId: {device_id[:_LONGEST_ID]!r}")
    return mailbox_key, device_id
