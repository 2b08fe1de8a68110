"""What devices saw, over time."""

import json

import pytest

from bench.seen import SLICES, Seen


def _seen() -> Seen:
    found = Seen(began=100.0, seconds=120.0)
    found.answered("Sync", 100.5, 0.01)
    found.answered("Ping", 161.0, None)
    found.answered("Ping", 161.5, 0.2)
    found.failed("closed without an answer", 219.9)
    found.outcomes["nothing new"] += 1
    found.reconnects["network change"] += 1
    found.held = 7
    found.note_held(101.5)
    return found


def test_each_moment_has_its_slice() -> None:
    """And moments outside of the run belong to its first or last one."""
    found = _seen()
    assert found.slice_seconds == 120.0 / SLICES
    assert found.slices[0].answered == {"Sync": 1}
    assert found.slices[61].answered == {"Ping": 2}
    assert found.slices[-1].errors == 1
    assert found.slice_at(0.0) is found.slices[0]
    assert found.slice_at(1e9) is found.slices[-1]


def test_a_ping_that_told_of_mail_has_no_latency() -> None:
    """It was answered when there was mail, which says nothing about the server."""
    found = _seen()
    assert found.latencies["Ping"].count == 1
    assert found.total("Ping") == 2
    assert found.slices[61].latencies.count == 0
    assert found.slices[0].latencies.count == 1


def test_slices_that_nobody_looked_at_are_as_the_next_look() -> None:
    """A process that has no CPU for a while has not lost its Pings meanwhile."""
    found = _seen()
    assert [one.held for one in found.slices[:3]] == [7, 7, 0]
    found.held = 3
    found.note_held(104.0)
    assert [one.held for one in found.slices[:6]] == [7, 3, 3, 3, 3, 0]


def test_processes_are_merged() -> None:
    """Whatever they saw, by way of JSON."""
    whole = _seen()
    whole.merge(Seen.from_json(json.loads(json.dumps(_seen().to_json()))))
    assert whole.total("Sync") == 2
    assert whole.slices[0].held == 14
    assert whole.errors == {"closed without an answer": 2}
    assert whole.reconnects == {"network change": 2}
    assert whole.outcomes == {"nothing new": 2}
    assert whole.latencies["Sync"].count == 2
    assert whole.latencies["Sync"].longest == pytest.approx(0.01)
