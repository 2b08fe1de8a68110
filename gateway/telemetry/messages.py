"""The messages that travel in the telemetry channel, one function for each kind."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from gateway.core.certificate import ClientCertificate
from gateway.telemetry.audit import AuditRecord, bounded
from gateway.telemetry.counters import Counters

Level = Literal["info", "warning", "error"]


class Kind(StrEnum):
    """The value of a message's `kind`."""

    AUDIT = "audit"
    COUNTERS = "counters"
    LOG = "log"
    RELOAD = "reload"
    RESTARTS = "restarts"
    SEEN = "seen"


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
