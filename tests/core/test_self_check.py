"""What the holder of a certificate is told about it, and what nobody is told who is refused."""

from datetime import timedelta

import pytest

from gateway.core.decision import Allow, Deny
from gateway.core.reasons import Reason
from gateway.core.self_check import Admitted, Outcome, Validity, self_check
from tests.core.facts import ALICE, CERTIFICATE, DAY, GOOD, HOUR, NOW, certificate, status

ALLOW = Allow(ALICE, NOW + DAY)


def deny(reason: Reason) -> Deny:
    """A denial whose detail names somebody."""
    return Deny(reason, "bob@example.test is disabled")


def test_who_is_let_in_sees_certificate_mailbox_and_crl() -> None:
    """All of them are the holder's own."""
    found = self_check(ALLOW, CERTIFICATE, (GOOD,), NOW)
    assert found.outcome is Outcome.ALLOWED
    assert found.admitted == Admitted(
        subject="CN=alice@example.test",
        issuer="CN=Facts root",
        serial_number=1,
        mailbox="alice@example.test",
        crl_of=NOW - HOUR,
    )


@pytest.mark.parametrize("revocation", [(), (status(this_update=None),)])
def test_no_crl_was_asked_for(revocation: tuple[()]) -> None:
    """A CA may be exempt from the check, which is not the same as a good answer."""
    admitted = self_check(ALLOW, CERTIFICATE, revocation, NOW).admitted
    assert admitted is not None
    assert admitted.crl_of is None


@pytest.mark.parametrize("reason", Reason)
def test_who_is_refused_sees_only_what_the_certificate_says(reason: Reason) -> None:
    """Neither the mailbox, nor the detail, nor the name of the reason."""
    found = self_check(deny(reason), CERTIFICATE, (GOOD,), NOW)
    assert found.outcome is not Outcome.ALLOWED
    assert found.admitted is None
    assert found.presented is not None
    assert found.presented.names == CERTIFICATE.principal_names
    assert "bob" not in repr(found)
    assert reason.value not in repr(found) or reason is Reason.OUTSIDE_VALIDITY


@pytest.mark.parametrize(
    "reason", [Reason.UNKNOWN_MAILBOX, Reason.MAILBOX_DISABLED, Reason.AMBIGUOUS_SAN]
)
def test_which_mailboxes_there_are_cannot_be_told(reason: Reason) -> None:
    """What the directory says of a name is one and the same to who is refused."""
    assert self_check(deny(reason), CERTIFICATE, (), NOW).outcome is Outcome.NO_ACCESS


@pytest.mark.parametrize(
    ("reason", "outcome"),
    [
        (Reason.CERTIFICATE_REVOKED, Outcome.WITHDRAWN),
        (Reason.CERTIFICATE_BLOCKED, Outcome.WITHDRAWN),
        (Reason.REVOCATION_UNKNOWN, Outcome.LATER),
        (Reason.STATE_UNAVAILABLE, Outcome.LATER),
        (Reason.TOO_MANY_REQUESTS, Outcome.LATER),
        (Reason.BEFORE_TOKEN_VALID_FROM, Outcome.RESET),
        (Reason.CRL_OLDER_THAN_TOKEN_VALID_FROM, Outcome.RESET),
        (Reason.OUTSIDE_VALIDITY, Outcome.OUTSIDE_VALIDITY),
        (Reason.UNTRUSTED_CHAIN, Outcome.NOT_TRUSTED),
    ],
)
def test_the_outcome_is_what_the_owner_can_do_something_about(
    reason: Reason, outcome: Outcome
) -> None:
    """A new certificate, patience, or the help desk."""
    assert self_check(deny(reason), CERTIFICATE, (), NOW).outcome is outcome


def test_a_certificate_without_a_name() -> None:
    """The certificate itself says so; one with a name that no binding uses is another matter."""
    nameless = certificate(principal_names=(), rfc822_names=())
    denial = deny(Reason.NO_USABLE_SAN)
    assert self_check(denial, nameless, (), NOW).outcome is Outcome.NAMES_NOBODY
    assert self_check(denial, CERTIFICATE, (), NOW).outcome is Outcome.NO_ACCESS


@pytest.mark.parametrize("decision", [ALLOW, deny(Reason.NO_USABLE_SAN)])
def test_an_unreadable_certificate(decision: Allow | Deny) -> None:
    """Nothing is shown of it, and nobody is let in by it."""
    found = self_check(decision, None, (), NOW)
    assert (found.outcome, found.presented, found.admitted) == (Outcome.NOT_TRUSTED, None, None)


def test_no_certificate_at_all() -> None:
    """It is said so: most phones that get no mail have none."""
    found = self_check(deny(Reason.NO_CERTIFICATE), None, (), NOW)
    assert (found.outcome, found.presented) == (Outcome.NO_CERTIFICATE, None)


@pytest.mark.parametrize(
    ("begins", "ends", "validity"),
    [
        (timedelta(seconds=1), DAY, Validity.NOT_YET),
        (timedelta(0), 15 * DAY, Validity.VALID),
        (-DAY, 14 * DAY, Validity.VALID),
        (-DAY, 14 * DAY - timedelta(seconds=1), Validity.ENDS_SOON),
        (-DAY, timedelta(0), Validity.ENDS_SOON),
        (-DAY, timedelta(seconds=-1), Validity.OVER),
    ],
)
def test_validity(begins: timedelta, ends: timedelta, validity: Validity) -> None:
    """Both ends are part of it, and the last fortnight is soon."""
    one = certificate(not_before=NOW + begins, not_after=NOW + ends)
    presented = self_check(ALLOW, one, (), NOW).presented
    assert presented is not None
    assert presented.validity is validity
