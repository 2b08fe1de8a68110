"""Every message names its kind and holds what its receiver needs."""

import os
from datetime import UTC, datetime

from gateway.telemetry.audit import AuditRecord
from gateway.telemetry.counters import Counters
from gateway.telemetry.messages import audit_message, counters_message, restarts_message


def test_an_audit_message_is_the_record_and_its_kind() -> None:
    """The record can be read back from the message."""
    record = AuditRecord(at=datetime.now(UTC), reference="R", decision="allow")
    message = audit_message(record)
    assert message["kind"] == "audit"
    assert AuditRecord.from_json(message) == record


def test_a_counters_message_tells_the_process() -> None:
    """Control must see that a worker was replaced, as its totals begin again."""
    message = counters_message(3, Counters(connections_accepted=9))
    assert (message["kind"], message["worker"], message["pid"]) == ("counters", 3, os.getpid())
    assert Counters.from_snapshot(message).connections_accepted == 9


def test_a_restarts_message_is_by_process() -> None:
    """One entry a process."""
    assert restarts_message({"control": 1}) == {"kind": "restarts", "restarts": {"control": 1}}
