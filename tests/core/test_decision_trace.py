"""A decision shown check by check."""

from collections.abc import Callable
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.decision import (
    CHECKS,
    Allow,
    Facts,
    Reauthentication,
    Session,
    TokenValidFrom,
    decide,
)
from gateway.core.decision_trace import trace
from tests.core.facts import ALICE, ALLOWED, DAY, NOW, facts, status
from tests.core.test_decision import CAUSES, V


class TestTrace:
    """`trace` shows what `decide` does."""

    @given(st.lists(st.sampled_from([cause for _, cause in CAUSES]), max_size=6))
    def test_agrees_with_the_decision(self, causes: list[Callable[[Facts], Facts]]) -> None:
        """Passed checks, then the one that fails with the denial's detail, then none reached."""
        known = ALLOWED
        for cause in causes:
            known = cause(known)
        decision, steps = decide(known, NOW), trace(known, NOW)
        assert [step.check for step in steps] == [name for name, _ in CHECKS]
        results = [step.result for step in steps]
        if isinstance(decision, Allow):
            assert results == ["pass"] * len(CHECKS)
        else:
            failed = results.index("fail")
            assert results == [
                *["pass"] * failed,
                "fail",
                *["not reached"] * (len(CHECKS) - failed - 1),
            ]
            assert steps[failed].detail == decision.detail
            assert all(step.detail == "" for step in steps[failed + 1 :])

    def test_every_passed_check_says_something(self) -> None:
        """An administrator reads why each check let the phone pass."""
        after = facts(
            token_valid_from=TokenValidFrom(V, 7),
            session=Session(NOW, 7),
            revocation=(status(this_update=NOW, accepted_at=NOW),),
            user=ALICE.upn,
        )
        for known in (ALLOWED, after):
            assert all(step.result == "pass" and step.detail for step in trace(known, NOW))

    def test_first_checks_are_those_of_tls(self) -> None:
        """Each of the four reasons that TLS finds has a step of its own."""
        names = ("chain", "validity", "key usage", "key strength")
        for name, (_, cause) in zip(names, CAUSES, strict=False):
            failed = [step.check for step in trace(cause(ALLOWED), NOW) if step.result == "fail"]
            assert failed == [name]

    def test_says_why_a_revoked_user_is_back(self) -> None:
        """Whether a newer CRL, a newer certificate or the configuration let the phone in."""
        revoked = {
            "token_valid_from": TokenValidFrom(NOW - 2 * DAY, 7),
            "session": Session(NOW, 7),
            "revocation": (status(this_update=NOW - 3 * DAY),),
        }
        immediate = facts(**revoked, reauthentication=Reauthentication.IMMEDIATE)
        issued = facts(**revoked, backdating=timedelta(days=365))
        newer = facts(**revoked | {"revocation": (status(this_update=NOW, accepted_at=NOW),)})
        said = [
            {step.check: step.detail for step in trace(known, NOW)}["readmission"]
            for known in (immediate, issued, newer)
        ]
        assert said == [
            "reauthentication is immediate",
            "the certificate was issued after token-valid-from",
            "the issuer's CRL is newer than token-valid-from and does not list the certificate",
        ]
