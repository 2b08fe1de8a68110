"""The gateway's own answers."""

import re
from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from gateway.core.reasons import ANSWERS, Reason
from gateway.proxy.answers import answer, nothing_new
from gateway.proxy.local import LocalAnswer, written

_REFERENCE = re.compile(r"reference\W{1,4}([\w-]{4,64})", re.IGNORECASE)  # as the probe reads it


@pytest.mark.parametrize("reason", Reason)
def test_names_a_reference_and_no_reason(reason: Reason) -> None:
    """Every row of the table has an answer that helps the help desk and no attacker."""
    row = ANSWERS[reason]
    raw = answer(row.status, "ABCDEFGH23", close=row.close, retry_after=row.retry_after)
    head, _, body = raw.partition(b"\r\n\r\n")
    found = _REFERENCE.search(body.decode())
    assert found is not None
    assert found[1] == "ABCDEFGH23"
    assert reason.encode() not in raw
    assert b"Content-Length: %d\r\n" % len(body) in head + b"\r\n"
    assert (b"Connection: close" in head) is row.close
    assert (b"Retry-After: 60" in head) is (row.status == 503)
    assert row.status not in (401, 407, 451, 500)


def test_an_answer_to_head_has_the_length_alone() -> None:
    """RFC 9110 section 9.3.2."""
    whole = answer(404, "ABCD", close=False)
    assert answer(404, "ABCD", close=False, body=False) == whole[: whole.index(b"\r\n\r\n") + 4]


@time_machine.travel(datetime(2026, 2, 1, 8, 30, 59, 900000, UTC), tick=False)
def test_every_answer_says_what_time_it_is() -> None:
    """RFC 9110 section 6.6.1: an error, an answer of the gateway's own, the end of a Ping."""
    said = b"\r\nDate: Sun, 01 Feb 2026 08:30:59 GMT\r\n"
    assert answer(403, "ABCD", close=True).count(said) == 1
    assert written(LocalAnswer(200), (), close=False).count(said) == 1
    for command in ("Ping", "Sync"):
        held = nothing_new(command, 60.0)
        assert held is not None
        assert held.startswith(b"HTTP/1.1 200 OK\r\n")
        assert held.count(said) == 1


def test_the_time_is_that_of_the_answer() -> None:
    """What was said a second ago is not said again."""
    with time_machine.travel(datetime(2026, 2, 1, 8, 30, 59, tzinfo=UTC), tick=False) as clock:
        assert b"08:30:59 GMT" in answer(404, "ABCD", close=False)
        clock.shift(timedelta(seconds=1))
        assert b"08:31:00 GMT" in answer(404, "ABCD", close=False)
