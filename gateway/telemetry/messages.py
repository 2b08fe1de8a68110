"""The messages that travel in the telemetry channel, one function for each kind."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Literal

from gateway.core.certificate import ClientCertificate
from gateway.core.device import Device, WipeProgress
from gateway.telemetry.audit import AuditRecord, bounded
from gateway.telemetry.counters import Counters

Level = Literal["info", "warning", "error"]

DEVICE_TEXTS: Final = ("device_type", "model", "os", "user_agent", "protocol_version")
"""Attributes of a device that a message has as they are."""


class Kind(StrEnum):
    """The value of a message's `kind`."""

    AUDIT = "audit"
    COUNTERS = "counters"
    DEVICE = "device"
    LOG = "log"
    RELOAD = "reload"
    RESTARTS = "restarts"
    ROUTE = "route"
    SEEN = "seen"
    WIPE = "wipe"


def audit_message(record: AuditRecord) -> dict[str, Any]:
    """A decision, sent when it is made."""
    return {"kind": Kind.AUDIT.value, **record.to_json()}


def counters_message(worker: int, counters: Counters) -> dict[str, Any]:
    """All totals of worker `worker`, sent each second."""
    return {"kind": Kind.COUNTERS.value, "worker": worker, **counters.snapshot()}


def log_message(worker: int, event: str, *, level: Level = "info", **fields: str) -> dict[str, Any]:
    """A line for the log, which the control process writes, as workers never wait for a disk."""
    texts = {name: bounded(value) for name, value in fields.items()}
    return {"kind": Kind.LOG.value, "worker": worker, "event": event, "level": level, **texts}


def restarts_message(restarts: Mapping[str, int]) -> dict[str, Any]:
    """How often each process was started again, by its name; sent at every start of one."""
    return {"kind": Kind.RESTARTS.value, "restarts": dict(restarts)}


def reload_message(*, succeeded: bool, at: float) -> dict[str, Any]:
    """How the last reload went, and when the settings in use were read, in Unix seconds."""
    return {"kind": Kind.RELOAD.value, "succeeded": succeeded, "at": at}


def route_message(mailbox_key: str, upstream: str) -> dict[str, Any]:
    """A mailbox that its mail server sent to the upstream of that name."""
    return {"kind": Kind.ROUTE.value, "mailbox_key": mailbox_key, "upstream": upstream}


def seen_message(
    certificate: ClientCertificate, *, issuer_id: str, mailbox_key: str, at: datetime
) -> dict[str, Any]:
    """A certificate that was just let in for a mailbox; `issuer_id` is the authority record's."""
    return {
        "kind": Kind.SEEN.value,
        "issuer_id": issuer_id,
        "serial": f"{certificate.serial_number:x}",
        "mailbox_key": mailbox_key,
        "subject": bounded(certificate.subject),
        "fingerprint": certificate.fingerprint.hex(),
        "not_before": certificate.not_before.isoformat(),
        "not_after": certificate.not_after.isoformat(),
        "at": at.isoformat(),
    }


def device_message(device: Device) -> dict[str, Any]:
    """A device that was just seen; its `last_seen` is when, and what it did not say is None."""
    certificate = device.certificate
    shown = None
    if certificate is not None:
        shown = {
            "issuer_id": certificate.issuer_id,
            "serial": f"{certificate.serial_number:x}",
            "not_before": certificate.not_before.isoformat(),
        }
    texts = {name: getattr(device, name) for name in DEVICE_TEXTS}
    return {
        "kind": Kind.DEVICE.value,
        "mailbox_key": device.mailbox_key,
        "device_id": device.device_id,
        **{name: None if text is None else bounded(text) for name, text in texts.items()},
        "policy_key": device.policy_key,
        "certificate": shown,
        "at": device.last_seen.isoformat(),
    }


def wipe_message(progress: WipeProgress) -> dict[str, Any]:
    """A device was told to wipe itself, or said what came of it."""
    return {
        "kind": Kind.WIPE.value,
        "mailbox_key": progress.mailbox_key,
        "device_id": progress.device_id,
        "state": progress.state.value,
        "at": progress.at.isoformat(),
    }
