"""What a probe finds: one result a step, with the cause of what is wrong and what to change."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Outcome(StrEnum):
    """How a step ended."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is wrong, in words for an administrator.

    Attributes:
        cause: what is wrong, as far as can be told; a clause without a full stop.
        advice: what to change, likewise.
        fatal: it keeps phones out, or lets in who must stay out; else it only may.
        reference: the id that the gateway gave with its refusal, if it did.
    """

    cause: str
    advice: str
    fatal: bool = True
    reference: str | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """What a step found: facts, problems, or why it was not taken.

    Attributes:
        private: facts for whoever runs the probe, and for no report.
    """

    learnt: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    skipped: str | None = None
    private: tuple[str, ...] = ()

    @property
    def outcome(self) -> Outcome:
        """The worst of it."""
        if self.skipped is not None:
            return Outcome.SKIPPED
        if any(one.fatal for one in self.problems):
            return Outcome.FAILED
        return Outcome.WARNING if self.problems else Outcome.OK


def fine(*learnt: str) -> Result:
    """All is as it should be."""
    return Result(learnt)


def failed(cause: str, advice: str, *learnt: str, reference: str | None = None) -> Result:
    """It keeps phones out."""
    return Result(learnt, (Problem(cause, advice, reference=reference),))


def warning(cause: str, advice: str, *learnt: str, reference: str | None = None) -> Result:
    """It works, and not for everybody or not for long."""
    return Result(learnt, (Problem(cause, advice, fatal=False, reference=reference),))


def skipped(reason: str) -> Result:
    """It was not tried."""
    return Result(skipped=reason)


@dataclass(frozen=True, slots=True)
class Step:
    """A step that was taken, or was not.

    Attributes:
        name: for programs, such as "folder-sync".
        title: for people.
        milliseconds: how long it took.
        result: what came of it.
    """

    name: str
    title: str
    milliseconds: float
    result: Result

    @property
    def outcome(self) -> Outcome:
        """How it ended."""
        return self.result.outcome


@dataclass(frozen=True, slots=True)
class Report:
    """A whole probe.

    Attributes:
        target: what was probed, as a URL or a file name with one.
        user: the User that was sent, if there was one.
        certificate: the subject and serial number of the certificate that was shown, if one was.
        began: when, UTC.
        steps: in the order in which they were taken.
        server_expires, device_expires: when the two certificates end, where they are known.
    """

    target: str
    user: str | None
    certificate: str | None
    began: datetime
    steps: tuple[Step, ...]
    server_expires: datetime | None = None
    device_expires: datetime | None = None

    @property
    def outcome(self) -> Outcome:
        """FAILED or WARNING if any step ended so, else OK."""
        outcomes = {one.outcome for one in self.steps}
        for worst in (Outcome.FAILED, Outcome.WARNING):
            if worst in outcomes:
                return worst
        return Outcome.OK

    @property
    def cause(self) -> tuple[Step, Problem] | None:
        """The first thing that keeps phones out: what comes after it may be its consequence."""
        for step in self.steps:
            for problem in step.result.problems:
                if problem.fatal:
                    return step, problem
        return None
