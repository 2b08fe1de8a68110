"""What the client of a refused request gets."""

import pytest

from gateway.core.reasons import ANSWERS, RETRY_AFTER_SECONDS, Answer, Reason

FOR_GOOD = {
    Reason.NO_CERTIFICATE,
    Reason.UNTRUSTED_CHAIN,
    Reason.OUTSIDE_VALIDITY,
    Reason.NOT_CLIENT_AUTH,
    Reason.WEAK_KEY,
}
TRANSIENT = {
    Reason.REVOCATION_UNKNOWN,
    Reason.BEFORE_TOKEN_VALID_FROM,
    Reason.CRL_OLDER_THAN_TOKEN_VALID_FROM,
    Reason.STATE_UNAVAILABLE,
    Reason.UPSTREAM_UNAVAILABLE,
    Reason.OVERLOADED,
    Reason.TOO_MANY_REQUESTS,
}
ANEW = {Reason.BEFORE_TOKEN_VALID_FROM, Reason.CRL_OLDER_THAN_TOKEN_VALID_FROM}


def test_every_reason_has_an_answer() -> None:
    """A reason that is added without one fails here and not at a phone."""
    assert set(ANSWERS) == set(Reason)


@pytest.mark.parametrize("reason", Reason)
def test_answer(reason: Reason) -> None:
    """What passes is 503 with Retry-After, what does not is 403 or 404: never 401, never 500."""
    answer = ANSWERS[reason]
    if reason in TRANSIENT:
        assert (answer.status, answer.retry_after) == (503, RETRY_AFTER_SECONDS)
    else:
        status = 404 if reason is Reason.PATH_NOT_ALLOWED else 403
        assert (answer.status, answer.retry_after) == (status, None)
    assert answer.close is (reason in FOR_GOOD | ANEW)


def test_reason_is_its_name() -> None:
    """Logs, metrics and `explain` show the name and nothing else."""
    assert [str(reason) for reason in Reason] == [reason.name for reason in Reason]


def test_answers_are_not_to_be_changed() -> None:
    """The table is read by every worker."""
    with pytest.raises(TypeError):
        ANSWERS[Reason.OVERLOADED] = Answer(500)  # type: ignore[index]  # that it fails is the test
