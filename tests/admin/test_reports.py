"""Totals never go back when a worker is replaced, and a silent worker is noticed."""

import pytest

from gateway.admin.reports import FRESH_SECONDS, Reports
from gateway.telemetry.counters import Counters
from gateway.telemetry.messages import counters_message, restarts_message


class _Clock:
    """Seconds that a test sets."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def _message(worker: int, pid: int, accepted: int) -> dict[str, object]:
    counters = Counters(connections_accepted=accepted, connections_open=accepted)
    return counters_message(worker, counters) | {"pid": pid}


def test_totals_are_the_sum_over_workers() -> None:
    """A worker's message replaces its last one."""
    reports = Reports(workers=2, clock=_Clock())
    reports.receive_counters(_message(1, 11, 5))
    reports.receive_counters(_message(1, 11, 6))
    reports.receive_counters(_message(2, 12, 10))
    assert reports.totals().connections_accepted == 16


def test_totals_of_a_replaced_worker_are_kept() -> None:
    """A counter that goes back would look like a burst to Prometheus."""
    reports = Reports(workers=1, clock=_Clock())
    reports.receive_counters(_message(1, 11, 5))
    reports.receive_counters(_message(1, 12, 1))
    reports.receive_counters(_message(1, 12, 2))
    reports.receive_counters(_message(1, 13, 1))
    assert reports.totals().connections_accepted == 8
    assert reports.alive()[1].counters.connections_open == 1


def test_a_worker_that_says_nothing_is_silent() -> None:
    """Its gauges are not shown any longer; its totals are."""
    clock = _Clock()
    reports = Reports(workers=2, clock=clock)
    reports.receive_counters(_message(1, 11, 5))
    reports.receive_counters(_message(2, 12, 5))
    clock.now += FRESH_SECONDS
    reports.receive_counters(_message(2, 12, 6))
    assert list(reports.silent()) == []
    clock.now += 0.1
    assert list(reports.silent()) == [1]
    assert list(reports.alive()) == [2]
    assert reports.totals().connections_accepted == 11


def test_workers_are_silent_before_their_first_word() -> None:
    """A gateway that just began is not ready."""
    assert list(Reports(workers=2, clock=_Clock()).silent()) == [1, 2]


@pytest.mark.parametrize("worker", [0, 3, "1", None])
def test_a_worker_that_is_not_expected_is_refused(worker: object) -> None:
    """Its counters are nobody's."""
    reports = Reports(workers=2, clock=_Clock())
    with pytest.raises(ValueError, match="not one of ours"):
        reports.receive_counters(_message(1, 11, 5) | {"worker": worker})
    assert reports.totals().connections_accepted == 0


def test_restarts_are_those_of_the_last_message() -> None:
    """The supervisor counts; here the counts are kept."""
    reports = Reports(workers=1, clock=_Clock())
    reports.receive_restarts(restarts_message({"worker-1": 1}))
    reports.receive_restarts(restarts_message({"worker-1": 2, "control": 1}))
    assert reports.restarts == {"worker-1": 2, "control": 1}
    with pytest.raises(ValueError, match="restarts"):
        reports.receive_restarts({"restarts": None})
