"""Audit records carry what happened, bounded, and safe to print."""

import contextlib
import json
import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.telemetry.audit import LONGEST_FIELD, AuditRecord, new_reference

_AT = datetime(2026, 3, 1, 12, 30, 15, 250_000, tzinfo=UTC)
_ANY_TEXT = st.text(st.characters(), max_size=400)  # lone surrogates, too


def _record(**changes: object) -> AuditRecord:
    values: dict[str, object] = {
        "at": _AT,
        "reference": "ABCDE23456",
        "decision": "deny",
        "reason": "CERTIFICATE_REVOKED",
        "detail": "serial 0a is on the CRL",
        "mailbox": "alice@example.test",
        "serial": "0a",
        "issuer_key_id": "11ff",
        "device_id": "D1",
        "command": "Sync",
        "client_address": "192.0.2.7",
        "worker": 2,
    }
    return AuditRecord(**(values | changes))  # type: ignore[arg-type]  # a builder of any field


def test_a_record_comes_back_whole() -> None:
    """Nothing is lost between the worker and the control process."""
    record = _record()
    assert AuditRecord.from_json(json.loads(json.dumps(record.to_json()))) == record


def test_the_moment_is_kept_in_utc() -> None:
    """Log lines of all processes sort by their text."""
    record = _record(at=_AT.astimezone(timezone(timedelta(hours=5))))
    assert record.to_json()["at"] == "2026-03-01T12:30:15.250000+00:00"


@given(text=_ANY_TEXT)
def test_every_text_is_short_and_printable(text: str) -> None:
    """A client cannot put a line break, an escape sequence or a megabyte into the log."""
    kept = _record(device_id=text).device_id
    assert len(kept) <= LONGEST_FIELD
    assert kept.isprintable()
    kept.encode()
    assert AuditRecord.from_json(_record(detail=text).to_json()).detail == kept


@given(
    key=st.sampled_from(sorted(_record().to_json())),
    value=st.none() | st.integers() | st.text() | st.lists(st.text()) | st.floats(),
)
def test_a_message_with_anything_in_it_is_read_or_refused(key: str, value: object) -> None:
    """A message that is no record is a ValueError and nothing else."""
    with contextlib.suppress(ValueError):
        AuditRecord.from_json(_record().to_json() | {key: value})


def test_a_message_without_a_field_is_refused() -> None:
    """A record is whole or none."""
    values = _record().to_json()
    del values["mailbox"]
    with pytest.raises(ValueError, match="mailbox"):
        AuditRecord.from_json(values)


def test_references_are_short_and_differ() -> None:
    """A person can read one out on the telephone, and it finds one record."""
    references = {new_reference() for _ in range(1000)}
    assert len(references) == 1000
    assert all(re.fullmatch("[A-Z2-7]{10}", reference) for reference in references)
