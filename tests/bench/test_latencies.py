"""Percentiles out of ranges."""

import json

from hypothesis import given
from hypothesis import strategies as st

from bench.latencies import Latencies

_SECONDS = st.floats(min_value=0, max_value=3600)


def _of(values: list[float]) -> Latencies:
    found = Latencies()
    for value in values:
        found.add(value)
    return found


def test_none() -> None:
    """Nothing took no time."""
    found = Latencies()
    assert (found.count, found.percentile(99), found.longest) == (0, 0.0, 0.0)


@given(st.lists(_SECONDS, min_size=1), st.sampled_from([1, 50, 90, 99, 100]))
def test_a_percentile_is_right_to_five_percent(values: list[float], percent: int) -> None:
    """So many do not exceed it, and it is not much more than the one that it stands for."""
    exact = sorted(values)[max(0, -(-len(values) * percent // 100) - 1)]
    found = _of(values).percentile(percent)
    assert exact <= found * 1.000001 + 1e-9
    assert found <= max(exact * 1.0501, 1e-5)


@given(st.lists(_SECONDS), st.lists(_SECONDS))
def test_merged_is_as_if_seen_by_one(some: list[float], others: list[float]) -> None:
    """And so is what has been through JSON."""
    merged = _of(some)
    merged.merge(Latencies.from_json(json.loads(json.dumps(_of(others).to_json()))))
    assert merged.to_json() == _of(some + others).to_json()


def test_negative_and_endless() -> None:
    """A clock that went back, and what never ends, have a range, too."""
    found = _of([-1.0, 1e12])
    assert found.count == 2
    assert found.percentile(50) == 1e-5
    assert found.percentile(100) <= found.longest == 1e12
