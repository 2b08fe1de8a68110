"""NIST's PKITS against our own chains and revocation engine."""

import asyncio
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from tests.pkits.cases import cases
from tests.pkits.report import summary, table
from tests.pkits.suite import Outcome, run

DOCUMENT = Path(__file__).parents[2] / "docs" / "pkits.md"


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> list[Outcome]:
    """What the gateway made of every case."""
    return asyncio.run(run(tmp_path_factory.mktemp("pkits")))


def test_every_case_of_the_sections_is_run() -> None:
    """The document has this many cases in each section."""
    sections = Counter(case.number.rpartition(".")[0] for case in cases())
    assert sections == {"4.4": 21, "4.5": 8, "4.6": 17, "4.7": 5, "4.14": 35, "4.15": 10}


def test_the_files_say_the_same_as_the_titles() -> None:
    """The name of each end entity's file begins with what is expected of it."""
    for case in cases():
        assert case.end_entity.startswith("Valid" if case.is_valid else "Invalid")


def test_nothing_that_is_invalid_is_accepted(outcomes: list[Outcome]) -> None:
    """A path that PKITS calls invalid is refused, whatever the reason."""
    assert [one for one in outcomes if one.accepted and not one.case.is_valid] == []


def test_no_case_differs(outcomes: list[Outcome]) -> None:
    """What PKITS calls valid is accepted as well."""
    assert summary(outcomes) == "96 cases of PKITS, 0 that differ\n"


def test_the_table_in_the_documentation_is_what_comes_out(outcomes: list[Outcome]) -> None:
    """`python -m tests.pkits --table` prints the rows anew."""
    assert table(outcomes) in DOCUMENT.read_text(encoding="utf-8")


def test_a_case_that_differs_is_named(outcomes: list[Outcome]) -> None:
    """The summary says what happened and what PKITS says, and the table marks it."""
    wrong = replace(outcomes[0], accepted=True, detail="")
    assert summary([wrong]) == (
        "1 cases of PKITS, 1 that differ\n"
        "4.4.1 Missing CRL Test1: accepted, but PKITS says refused: \n"
    )
    assert "| refused | **accepted** |" in table([wrong])
