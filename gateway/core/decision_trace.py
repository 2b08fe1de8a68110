"""A decision check by check, with a sentence for each: what `explain` shows.

Decides nothing itself: the outcomes are those of `gateway.core.decision`. What a check that passes
has to say is put into words here alone, as nobody reads it while requests are decided.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from gateway.core.decision import CHECKS, Facts, Reauthentication, issued_after


@dataclass(frozen=True, slots=True)
class Step:
    """One check as `explain` shows it; `result` is pass, fail or not reached."""

    check: str
    result: str
    detail: str


def trace(facts: Facts, now: datetime) -> tuple[Step, ...]:
    """Every check with its outcome; those after the first failure are not reached."""
    steps: list[Step] = []
    failed = False
    for name, check in CHECKS:
        if failed:
            steps.append(Step(name, "not reached", ""))
            continue
        denial = check(facts, now)
        failed = denial is not None
        detail = _PASSED[name](facts) if denial is None else denial.detail
        steps.append(Step(name, "fail" if failed else "pass", detail))
    return tuple(steps)


def _session(facts: Facts) -> str:
    valid_from = facts.token_valid_from
    if valid_from is None:
        return "no token-valid-from is set"
    return f"the session is younger than {valid_from.value.isoformat()}"


def _readmission(facts: Facts) -> str:
    valid_from = facts.token_valid_from
    if valid_from is None:
        return "no token-valid-from is set"
    if facts.reauthentication is Reauthentication.IMMEDIATE:
        return "reauthentication is immediate"
    if issued_after(facts, valid_from.value):
        return "the certificate was issued after token-valid-from"
    return "the issuer's CRL is newer than token-valid-from and does not list the certificate"


def _user(facts: Facts) -> str:
    return "the request names no user" if facts.user is None else f"{facts.user!r} is this mailbox"


_PASSED: Mapping[str, Callable[[Facts], str]] = MappingProxyType(
    {
        "chain": lambda _: "the chain ends at a configured root",
        "validity": lambda facts: f"valid until {facts.certificate.not_after.isoformat()}",
        "key usage": lambda _: "may be used for client authentication",
        "key strength": lambda _: "no key or signature of the chain is too weak",
        "san": lambda facts: ", ".join(name.text for name in facts.binding.names),
        "block": lambda _: "not blocked",
        "revocation": lambda _: "on no CRL that is known",
        "revocation known": lambda facts: "; ".join(one.detail for one in facts.revocation),
        "mailbox": lambda facts: facts.binding.mailboxes[0].upn,
        "session": _session,
        "readmission": _readmission,
        "user": _user,
    }
)
