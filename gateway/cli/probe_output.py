"""How a probe is shown: lines while it runs, JSON, JUnit's XML, and a report to send on.

None of them has a secret: steps tell facts of certificates, names and addresses, and nothing of
passwords, keys, cookies or bodies.
"""

import sys
from collections.abc import Iterator
from xml.etree import ElementTree as ET

import click

from gateway import __version__
from gateway.cli.tables import iso
from gateway.probe.step import Outcome, Problem, Report, Step
from gateway.probe.words import moment

_ERASE = "\r\x1b[K"
_INDENT = " " * 21


class Lines:
    """Prints a line for each step, and on a terminal which one is under way."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._shows = sys.stderr.isatty()

    def begun(self, title: str) -> None:
        """A step is under way."""
        if self._shows:
            click.echo(f"{_ERASE}{title} ...", nl=False, err=True)

    def ended(self, step: Step) -> None:
        """A step has ended."""
        if self._shows:
            click.echo(_ERASE, nl=False, err=True)
        if not self._quiet:
            for line in step_lines(step):
                click.echo(line)


def step_lines(step: Step) -> Iterator[str]:
    """A step for people."""
    result = step.result
    facts = result.skipped or "; ".join((*result.learnt, *result.private))
    text = f"{step.outcome.value:<8}{step.milliseconds:>7.0f} ms   {step.title}"
    yield f"{text}: {facts}" if facts else text
    for problem in result.problems:
        yield from problem_lines(problem)


def problem_lines(problem: Problem) -> Iterator[str]:
    """A problem for people."""
    yield f"{_INDENT}{'cause' if problem.fatal else 'note'}: {problem.cause}"
    yield f"{_INDENT}change: {problem.advice}"
    if problem.reference is not None:
        yield f"{_INDENT}reference: {problem.reference}"


def summary(report: Report) -> str:
    """One sentence: what keeps phones out, or that nothing does."""
    cause = report.cause
    if cause is None:
        if report.outcome is Outcome.OK:
            return "all is well"
        return "it works; the notes above say what may not for long, or not for everybody"
    step, problem = cause
    end = "" if problem.advice.endswith("?") else "."
    return f"{step.title}: {problem.cause}. {problem.advice[:1].upper()}{problem.advice[1:]}{end}"


def as_dictionary(report: Report) -> dict[str, object]:
    """The report as `print_json` takes it."""
    cause = report.cause
    return {
        "target": report.target,
        "user": report.user,
        "certificate": report.certificate,
        "began": report.began,
        "outcome": report.outcome.value,
        "cause": None if cause is None else {"step": cause[0].name, **_problem(cause[1])},
        "serverExpires": report.server_expires,
        "deviceExpires": report.device_expires,
        "steps": [_step(one) for one in report.steps],
    }


def _step(step: Step) -> dict[str, object]:
    return {
        "name": step.name,
        "outcome": step.outcome.value,
        "milliseconds": round(step.milliseconds, 1),
        "learnt": list(step.result.learnt),
        "skipped": step.result.skipped,
        "problems": [_problem(one) for one in step.result.problems],
    }


def _problem(problem: Problem) -> dict[str, object]:
    return {
        "cause": problem.cause,
        "advice": problem.advice,
        "fatal": problem.fatal,
        "reference": problem.reference,
    }


def junit(report: Report) -> bytes:
    """The report as JUnit's XML: a test case for each step."""
    counts = [one.outcome for one in report.steps]
    suite = ET.Element(
        "testsuite",
        name="eas-gateway probe",
        tests=str(len(counts)),
        failures=str(counts.count(Outcome.FAILED)),
        skipped=str(counts.count(Outcome.SKIPPED)),
        errors="0",
        timestamp=iso(report.began),
        time=f"{sum(one.milliseconds for one in report.steps) / 1000:.3f}",
    )
    for step in report.steps:
        seconds = f"{step.milliseconds / 1000:.3f}"
        case = ET.SubElement(suite, "testcase", classname="probe", name=step.title, time=seconds)
        _add_outcome(case, step)
    document: bytes = ET.tostring(suite, encoding="utf-8", xml_declaration=True)
    return document


def _add_outcome(case: ET.Element, step: Step) -> None:
    result = step.result
    if result.skipped is not None:
        ET.SubElement(case, "skipped", message=result.skipped)
    fatal = [one for one in result.problems if one.fatal]
    if fatal:
        failure = ET.SubElement(case, "failure", message=fatal[0].cause)
        failure.text = "\n".join(line.strip() for one in fatal for line in problem_lines(one))
    notes = [
        line.strip() for one in result.problems if not one.fatal for line in problem_lines(one)
    ]
    if result.learnt or notes:
        ET.SubElement(case, "system-out").text = "\n".join((*result.learnt, *notes))


def markdown(report: Report) -> str:
    """The report for somebody else to read."""
    lines = [
        f"# Probe of {_cell(report.target)}",
        "",
        f"- began: {moment(report.began)}, by eas-gateway {__version__}",
        f"- user: {_cell(report.user or 'none')}",
        f"- certificate: {_cell(report.certificate or 'none')}",
        f"- outcome: {report.outcome.value}: {_cell(summary(report))}",
        "",
        "| step | outcome | ms | learnt |",
        "|---|---|---:|---|",
    ]
    for step in report.steps:
        facts = step.result.skipped or "; ".join(step.result.learnt)
        cells = (step.title, step.outcome.value, f"{step.milliseconds:.0f}", facts)
        lines.append(f"| {' | '.join(_cell(one) for one in cells)} |")
    lines += [text for step in report.steps for text in _problem_paragraphs(step)]
    lines += ["", "This report holds no password, key, cookie or message.", ""]
    return "\n".join(lines)


def _problem_paragraphs(step: Step) -> Iterator[str]:
    for problem in step.result.problems:
        yield ""
        yield f"## {_cell(step.title)}: {'failed' if problem.fatal else 'warning'}"
        yield ""
        yield f"- cause: {_cell(problem.cause)}"
        yield f"- change: {_cell(problem.advice)}"
        if problem.reference is not None:
            yield f"- reference: {problem.reference}"


def _cell(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
