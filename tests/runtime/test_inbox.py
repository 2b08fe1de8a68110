"""Every message of the channel ends where it belongs, and none can stop the control process."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from gateway.admin.reports import Reports
from gateway.core.certificate import ClientCertificate
from gateway.runtime.inbox import Inbox
from gateway.store.certificates import SeenCertificate
from gateway.telemetry.audit import AuditRecord
from gateway.telemetry.counters import Counters
from gateway.telemetry.messages import (
    audit_message,
    counters_message,
    log_message,
    restarts_message,
    seen_message,
)
from tests.helpers import Pki

_AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
_DENIAL = AuditRecord(
    at=_AT, reference="R1", decision="deny", reason="USER_MISMATCH", mailbox="a@example.test"
)


class _Control:
    """An inbox and what came out of it."""

    def __init__(self) -> None:
        self.reports = Reports(workers=2, clock=lambda: 0.0)
        self.audit: list[AuditRecord] = []
        self.seen: list[SeenCertificate] = []
        self.inbox = Inbox(reports=self.reports, audit=self.audit.append, seen=self.seen.append)


@pytest.fixture
def control() -> _Control:
    """A control process of two workers."""
    return _Control()


def test_a_denial_is_logged_and_stored(control: _Control) -> None:
    """The log has the reason that the client was not given, under the reference that it was."""
    with capture_logs() as logs:
        control.inbox.receive(audit_message(_DENIAL))
    assert control.audit == [_DENIAL]
    assert logs == [
        {
            "event": "request.denied",
            "log_level": "warning",
            "at": "2026-03-01T12:00:00+00:00",
            "reference": "R1",
            "reason": "USER_MISMATCH",
            "mailbox": "a@example.test",
        }
    ]


def test_a_new_verdict_is_logged_and_stored(control: _Control) -> None:
    """An allow is on record once for each newly made verdict."""
    record = AuditRecord(at=_AT, reference="R2", decision="allow", worker=1)
    with capture_logs() as logs:
        control.inbox.receive(audit_message(record))
    assert control.audit == [record]
    assert [(line["event"], line["log_level"]) for line in logs] == [("request.allowed", "info")]


def test_counters_and_restarts_reach_the_reports(control: _Control) -> None:
    """The metrics are made of them."""
    control.inbox.receive(counters_message(2, Counters(connections_accepted=4)))
    control.inbox.receive(restarts_message({"worker-1": 3}))
    assert control.reports.totals().connections_accepted == 4
    assert control.reports.restarts == {"worker-1": 3}


def test_a_seen_certificate_is_stored(control: _Control, pki: Pki) -> None:
    """The store gets what the worker saw."""
    certificate = ClientCertificate.from_der(pki.alice.der)
    control.inbox.receive(
        seen_message(certificate, issuer_id="ab", mailbox_key="alice@example.test", at=_AT)
    )
    assert control.seen == [
        SeenCertificate(
            issuer_id="ab",
            serial_number=certificate.serial_number,
            mailbox_key="alice@example.test",
            subject=certificate.subject,
            fingerprint=certificate.fingerprint.hex(),
            not_before=certificate.not_before,
            not_after=certificate.not_after,
            first_seen=_AT,
            last_seen=_AT,
        )
    ]


def test_a_line_of_a_worker_is_logged_with_its_fields(control: _Control) -> None:
    """A failed handshake is one line."""
    with capture_logs() as logs:
        control.inbox.receive(log_message(1, "handshake.failed", outcome="not_tls"))
    assert logs == [
        {"event": "handshake.failed", "log_level": "info", "worker": 1, "outcome": "not_tls"}
    ]


def test_a_line_of_a_worker_has_its_level(control: _Control) -> None:
    """A lost store is seen where only errors are looked at."""
    with capture_logs() as logs:
        control.inbox.receive(log_message(1, "store.unavailable", level="error", detail="gone"))
    assert logs == [
        {"event": "store.unavailable", "log_level": "error", "worker": 1, "detail": "gone"}
    ]


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"kind": "unheard-of"},
        {"kind": ["audit"]},
        {"kind": "audit"},
        {"kind": "counters", "worker": 1},
        counters_message(3, Counters()),
        counters_message(1, Counters()) | {"pid": "x"},
        {"kind": "restarts", "restarts": [1]},
        {"kind": "seen", "at": 3},
    ],
)
def test_a_message_that_is_not_ours_is_logged_and_forgotten(
    control: _Control, message: dict[str, Any]
) -> None:
    """A worker of another version cannot stop the control process."""
    with capture_logs() as logs:
        control.inbox.receive(message)
    assert [line["event"] for line in logs] == ["channel.unreadable"]
    assert not control.audit
    assert not control.seen
    assert not control.reports.alive()


_JSON = st.none() | st.integers() | st.floats() | st.text() | st.lists(st.integers())


@given(
    kind=st.sampled_from(["audit", "counters", "log", "restarts", "seen"]),
    fields=st.dictionaries(
        st.sampled_from(["worker", "pid", "at", "restarts", "serial", "event"]) | st.text(), _JSON
    ),
)
def test_no_message_raises(kind: str, fields: dict[str, Any]) -> None:
    """Whatever is in a message, the next one is received."""
    _Control().inbox.receive({**fields, "kind": kind})
