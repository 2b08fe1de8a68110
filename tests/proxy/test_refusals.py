"""Refusals in the words of ActiveSync."""

import pytest

from gateway.core.decision import Deny
from gateway.core.eas import EasRequest
from gateway.core.reasons import Reason
from gateway.core.wbxml import decode
from gateway.proxy.refusals import in_schema, wipe_first


def _request(command: str = "Sync", version: str = "14.1", key: int | None = None) -> EasRequest:
    return EasRequest(command=command, protocol_version=version, policy_key=key)


@pytest.mark.parametrize(
    ("reason", "status"),
    [
        (Reason.DEVICE_BLOCKED, "129"),
        (Reason.DEVICE_QUARANTINED, "129"),
        (Reason.DEVICE_LIMIT, "177"),
        (Reason.DEVICE_OF_ANOTHER_MAILBOX, "129"),
        (Reason.COMMAND_NOT_ALLOWED, "137"),
        (Reason.PROTOCOL_VERSION_NOT_ALLOWED, "138"),
    ],
)
def test_a_status_of_the_command(reason: Reason, status: str) -> None:
    """HTTP 200 with the status that MS-ASCMD section 2.2.2 has for it, and the denial beside."""
    denial = Deny(reason, "x")
    answer = in_schema(denial, _request())
    assert answer is not None
    assert (answer.status, answer.denial) == (200, denial)
    assert decode(answer.body).text_at("AirSync:Status") == status
    assert dict(answer.headers)[b"Content-Type"] == b"application/vnd.ms-sync.wbxml"


def test_an_older_phone_gets_a_status_of_http() -> None:
    """It knows no status common to all commands."""
    answer = in_schema(Deny(Reason.DEVICE_BLOCKED, "x"), _request(version="12.1"))
    assert answer is not None
    assert (answer.status, answer.body) == (403, b"")


@pytest.mark.parametrize(
    "reason", [Reason.USER_MISMATCH, Reason.OVERLOADED, Reason.PATH_NOT_ALLOWED]
)
def test_other_reasons_have_no_words(reason: Reason) -> None:
    """They get what the table of answers says."""
    assert in_schema(Deny(reason, "x"), _request()) is None


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (_request(), 200),
        (_request(version="12.1", key=0), 449),
        (_request(version="12.1"), 403),
        (_request("Ping", version="12.1"), 449),
    ],
)
def test_a_wipe_is_learned_of_by_provision(request_: EasRequest, status: int) -> None:
    """Status 140 from 14.0 on, else 449, or 403 without a policy key."""
    answer = wipe_first(Deny(Reason.DEVICE_BLOCKED, "x"), request_)
    assert answer.status == status
    if status == 200:
        assert decode(answer.body).text_at("AirSync:Status") == "140"
