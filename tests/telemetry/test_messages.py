"""Every message names its kind and holds what its receiver needs."""

import os
from datetime import UTC, datetime

from gateway.core.certificate import ClientCertificate
from gateway.telemetry.audit import LONGEST_FIELD, AuditRecord
from gateway.telemetry.counters import Counters
from gateway.telemetry.messages import (
    audit_message,
    counters_message,
    log_message,
    restarts_message,
    seen_message,
)
from tests.helpers import Pki


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


def test_a_log_message_is_bounded() -> None:
    """What a client sent cannot fill the pipe with one line."""
    message = log_message(1, "handshake.failed", detail="x" * 1000 + "\n", client_address="::1")
    assert (message["kind"], message["event"], message["worker"]) == ("log", "handshake.failed", 1)
    assert len(message["detail"]) == LONGEST_FIELD
    assert message["client_address"] == "::1"


def test_a_seen_message_describes_the_certificate(pki: Pki) -> None:
    """All that the store keeps of a certificate, and not the certificate."""
    certificate = ClientCertificate.from_der(pki.alice.der)
    at = datetime(2026, 3, 1, tzinfo=UTC)
    assert seen_message(certificate, issuer_id="ab", mailbox_key="alice@example.test", at=at) == {
        "kind": "seen",
        "issuer_id": "ab",
        "serial": f"{pki.alice.serial_number:x}",
        "mailbox_key": "alice@example.test",
        "subject": certificate.subject,
        "fingerprint": certificate.fingerprint.hex(),
        "not_before": certificate.not_before.isoformat(),
        "not_after": certificate.not_after.isoformat(),
        "at": "2026-03-01T00:00:00+00:00",
    }


def test_a_restarts_message_is_by_process() -> None:
    """One entry a process."""
    assert restarts_message({"control": 1}) == {"kind": "restarts", "restarts": {"control": 1}}
