"""The gateway's own answers."""

import re

import pytest

from gateway.core.reasons import ANSWERS, Reason
from gateway.proxy.answers import answer

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
