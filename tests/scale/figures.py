"""What was measured beside what it may be, for the table at the end."""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One line of the table; `limit` is "" for what is only told."""

    subject: str
    what: str
    measured: str
    limit: str
    right: bool


class Figures:
    """The figures of a run, in the order in which they came.

    One that is not as it has to be fails its test, but only at the end: the others are told, too.
    """

    def __init__(self) -> None:
        self.all: list[Figure] = []

    def tell(self, subject: str, what: str, measured: object) -> None:
        """A figure that nothing depends on."""
        self.all.append(Figure(subject, what, str(measured), "", right=True))

    def at_most(self, subject: str, what: str, measured: float, limit: float, unit: str) -> None:
        """A figure that may not be larger than `limit`."""
        self._add(
            subject, what, f"{measured:.4g} {unit}", f"<= {limit:g} {unit}", right=measured <= limit
        )

    def equal(self, subject: str, what: str, measured: object, wanted: object) -> None:
        """A figure that has to be `wanted`."""
        self._add(subject, what, str(measured), str(wanted), right=measured == wanted)

    def _add(self, subject: str, what: str, measured: str, limit: str, *, right: bool) -> None:
        self.all.append(Figure(subject, what, measured, limit, right))

    def missed(self, since: int) -> list[str]:
        """A sentence for each figure after the first `since` that is not as it has to be."""
        return [
            f"{one.subject}: {one.what}: {one.measured}, and it has to be {one.limit}"
            for one in self.all[since:]
            if not one.right
        ]

    def table(self) -> str:
        """All of them, a line each."""
        rows = [("", "measured", "has to be", "")]
        rows += [(f"{one.subject}: {one.what}", one.measured, one.limit, "") for one in self.all]
        widths = [max(len(row[column]) for row in rows) for column in range(3)]
        marks = ["", *("" if one.right else "MISSED" for one in self.all)]
        return "\n".join(
            f"{row[0]:{widths[0]}}  {row[1]:>{widths[1]}}  {row[2]:>{widths[2]}}  {mark}".rstrip()
            for row, mark in zip(rows, marks, strict=True)
        )


def percentile(values: Iterable[float], percent: int) -> float:
    """The least of `values` that as many percent of them do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]


def spread(values: Sequence[float], unit: str = "s") -> str:
    """Median, 99 of 100, and the largest."""
    parts = (statistics.median(values), percentile(values, 99), max(values))
    return " / ".join(f"{part:.3f}" for part in parts) + f" {unit}"
