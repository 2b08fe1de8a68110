"""The picture of a run, and the lines for the terminal."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import fleet_plot, fleet_report
from bench.seen import Seen


def _points(picture: str) -> list[list[tuple[float, float]]]:
    lines = re.findall(r'points="([^"]*)"', picture)
    return [
        [(float(x), float(y)) for x, y in (pair.split(",") for pair in line.split())]
        for line in lines
    ]


def test_an_empty_run_has_flat_lines() -> None:
    """Nothing was held, nothing went wrong, nothing took time."""
    picture = fleet_plot.svg(Seen(0.0, 60.0), "no devices")
    assert picture.startswith('<svg xmlns="http://www.w3.org/2000/svg"')
    assert len(_points(picture)) == 4
    assert all(len({y for _, y in line}) == 1 for line in _points(picture))


def test_a_title_is_text() -> None:
    """Nothing in it is markup."""
    assert "&lt;script&gt;" in fleet_plot.svg(Seen(0.0, 60.0), "<script>")


@given(st.lists(st.integers(0, 20_000), min_size=1, max_size=20))
def test_every_point_is_in_the_picture(held: list[int]) -> None:
    """And the highest value is highest."""
    seen = Seen(0.0, 120.0)
    for one, number in zip(seen.slices, held, strict=False):
        one.held = number
    first, *_ = _points(fleet_plot.svg(seen, "run"))
    assert all(0 <= x <= fleet_plot.WIDTH for x, _ in first)
    top = min(y for _, y in first)
    assert first[held.index(max(held))][1] == top >= 0


@pytest.mark.parametrize(
    ("value", "above"), [(0, 1), (1, 1), (1.1, 1.5), (999, 1000), (1001, 1500), (0.07, 0.08)]
)
def test_the_scale_ends_at_a_plain_number(value: float, above: float) -> None:
    """Which is not less than the largest value."""
    assert fleet_plot._round_up(value) == pytest.approx(above)


def test_the_report() -> None:
    """Counts, milliseconds, and what went wrong by its kind."""
    seen = Seen(0.0, 60.0)
    seen.answered("Sync", 1.0, 0.010)
    seen.failed("answered 503", 2.0)
    seen.reconnects["network change"] += 3
    lines = list(fleet_report.lines(seen))
    sync = next(line for line in lines if line.startswith("Sync"))
    assert sync.split() == ["Sync", "1", "10.0", "10.0", "10.0", "10.0"]
    assert "errors: 1 answered 503" in lines
    assert "reconnects: 3 network change" in lines
    assert "Pings that ended: none" in lines
