"""Every message of the channel ends where it belongs, and none can stop the control process."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from gateway.admin.reports import Reports
from gateway.core.certificate import ClientCertificate
from gateway.core.device import Device, DeviceCertificate, WipeProgress, WipeState
from gateway.runtime.inbox import Inbox
from gateway.store.certificates import SeenCertificate
from gateway.store.devices import DeviceEvent
from gateway.telemetry.audit import AuditRecord
from gateway.telemetry.counters import Counters
from gateway.telemetry.messages import (
    audit_message,
    counters_message,
    device_message,
    log_message,
    restarts_message,
    route_message,
    seen_message,
    wipe_message,
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
        self.devices: list[DeviceEvent] = []
        self.routes: list[tuple[str, str]] = []
        self.inbox = Inbox(
            reports=self.reports,
            audit=self.audit.append,
            seen=self.seen.append,
            devices=self.devices.append,
            route=self.routes.append,
        )


@pytest.fixture
def control() -> _Control:
    """A control process of two workers."""
    return _Control()


def test_a_mailbox_that_was_sent_elsewhere_is_stored(control: _Control) -> None:
    """Its key, and the name of the upstream."""
    control.inbox.receive(route_message("a@example.test", "second"))
    assert control.routes == [("a@example.test", "second")]


@pytest.mark.parametrize("field", ["mailbox_key", "upstream"])
def test_half_a_route_is_none(control: _Control, field: str) -> None:
    """One line in the log, and nothing is stored."""
    with capture_logs() as logs:
        control.inbox.receive(route_message("a@example.test", "second") | {field: 1})
    assert [line["event"] for line in logs] == ["channel.unreadable"]
    assert control.routes == []


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


_PLAIN = Device("alice@example.test", "ApplF4", _AT, _AT)


@pytest.mark.parametrize(
    "device",
    [
        _PLAIN,
        replace(
            _PLAIN,
            device_type="iPhone",
            model="iPhone14,2",
            os="iOS 16.2",
            user_agent="Apple-iPhone14C2/2003.65",
            protocol_version="16.1",
            policy_key=2**32 - 1,
            certificate=DeviceCertificate("ab", 2**150, _AT),
        ),
    ],
)
def test_a_seen_device_is_stored(control: _Control, device: Device) -> None:
    """The store gets what the worker saw, and None for what it did not."""
    control.inbox.receive(json.loads(json.dumps(device_message(device))))
    assert control.devices == [device]


def test_what_a_device_says_is_cut(control: _Control) -> None:
    """A text of any length and any characters is stored as one short line."""
    control.inbox.receive(device_message(replace(_PLAIN, user_agent="a\0\n" + "b" * 1000)))
    [found] = control.devices
    assert isinstance(found, Device)
    assert found.user_agent == "a??" + "b" * 253


def test_a_wipe_is_logged_and_stored(control: _Control) -> None:
    """That a device obeyed is seen where only warnings are looked at."""
    progress = WipeProgress("alice@example.test", "ApplF4", WipeState.ACKNOWLEDGED, _AT)
    with capture_logs() as logs:
        control.inbox.receive(wipe_message(progress))
    assert control.devices == [progress]
    assert [(line["event"], line["log_level"]) for line in logs] == [
        ("device.wipe.acknowledged", "warning")
    ]


def test_a_failed_wipe_is_an_error(control: _Control) -> None:
    """A device that could not be wiped needs somebody."""
    progress = WipeProgress("alice@example.test", "ApplF4", WipeState.FAILED, _AT)
    with capture_logs() as logs:
        control.inbox.receive(wipe_message(progress))
    assert [line["log_level"] for line in logs] == ["error"]


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
        {"kind": "device"},
        device_message(_PLAIN) | {"device_id": ""},
        device_message(_PLAIN) | {"device_id": "a\nb"},
        device_message(_PLAIN) | {"device_id": "a" * 513},
        device_message(_PLAIN) | {"policy_key": float("inf")},
        {"kind": "wipe"},
        {"kind": "wipe", "state": "pending", "mailbox_key": "a", "device_id": "b", "at": "2026"},
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
    assert not control.devices
    assert not control.reports.alive()


_JSON = st.none() | st.integers() | st.floats() | st.text() | st.lists(st.integers())


@given(
    kind=st.sampled_from(["audit", "counters", "device", "log", "restarts", "seen", "wipe"]),
    fields=st.dictionaries(
        st.sampled_from(["worker", "pid", "at", "restarts", "serial", "event"]) | st.text(), _JSON
    ),
)
def test_no_message_raises(kind: str, fields: dict[str, Any]) -> None:
    """Whatever is in a message, the next one is received."""
    _Control().inbox.receive({**fields, "kind": kind})
