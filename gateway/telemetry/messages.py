"""The messages that travel in the telemetry channel, one function for each kind."""

import os
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from gateway.telemetry.audit import AuditRecord
from gateway.telemetry.counters import Counters


class Kind(StrEnum):
    """The value of a message's `kind`."""

    AUDIT = "audit"
    COUNTERS = "counters"
    RESTARTS = "restarts"


def audit_message(record: AuditRecord) -> dict[str, Any]:
    """A decision, sent when it is made."""
    return {"kind": Kind.AUDIT.value, **record.to_json()}


def counters_message(worker: int, counters: Counters) -> dict[str, Any]:
    """All totals of worker `worker`, sent each second; the process id tells its lives apart."""
    return {
        "kind": Kind.COUNTERS.value,
        "worker": worker,
        "pid": os.getpid(),
        **counters.snapshot(),
    }


def restarts_message(restarts: Mapping[str, int]) -> dict[str, Any]:
    """How often each process was started again, by its name; sent at every start of one."""
    return {"kind": Kind.RESTARTS.value, "restarts": dict(restarts)}
