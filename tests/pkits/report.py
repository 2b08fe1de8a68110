"""What came of PKITS, for people."""

from collections.abc import Sequence

from tests.pkits.suite import Outcome

_HEAD = "| case | title | PKITS | gateway | why |\n|---|---|---|---|---|\n"
_SUFFIX = ",O=Test Certificates 2011,C=US"  # of every name in the suite


def summary(outcomes: Sequence[Outcome]) -> str:
    """How many cases there are, and each that differs."""
    different = [one for one in outcomes if one.differs]
    lines = [f"{len(outcomes)} cases of PKITS, {len(different)} that differ"]
    lines += [
        f"{one.case.number} {one.case.title}: {_word(accepted=one.accepted)}, but PKITS says "
        f"{_word(accepted=one.case.is_valid)}: {one.detail}"
        for one in different
    ]
    return "".join(f"{line}\n" for line in lines)


def table(outcomes: Sequence[Outcome]) -> str:
    """A row for each case, in Markdown."""
    return _HEAD + "".join(map(_row, outcomes))


def _row(one: Outcome) -> str:
    case = one.case
    expected, ours = _word(accepted=case.is_valid), _word(accepted=one.accepted)
    if one.differs:
        ours = f"**{ours}**"
    why = one.detail.replace(_SUFFIX, "").replace("T08:30:00+00:00", "")
    return f"| {case.number} | {case.title} | {expected} | {ours} | {why} |\n"


def _word(*, accepted: bool) -> str:
    return "accepted" if accepted else "refused"
