"""What `check` found: one line for each thing it looked at."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How one thing is."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing and how it is.

    Attributes:
        subject: what was looked at, such as "listen.certificate".
        state: OK, WARN (it works, and will not for long or not for everybody) or FAIL.
        detail: one sentence, which names what to change unless all is well.
    """

    subject: str
    state: State
    detail: str


def ok(subject: str, detail: str) -> Finding:
    """All is well."""
    return Finding(subject, State.OK, detail)


def warn(subject: str, detail: str) -> Finding:
    """It works for now."""
    return Finding(subject, State.WARN, detail)


def fail(subject: str, detail: str) -> Finding:
    """It does not work."""
    return Finding(subject, State.FAIL, detail)


Findings = Sequence[Finding]
