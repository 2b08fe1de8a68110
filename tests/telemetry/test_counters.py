"""Counters add up, survive the way through JSON, and have a bounded set of labels."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.telemetry.counters import COMMANDS, HANDSHAKE_OUTCOMES, LATENCY_BOUNDS, Counters

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


def _busy() -> Counters:
    counters = Counters(connections_accepted=7, connections_open=3, held_requests=2)
    counters.audit_dropped = 1
    counters.loop_lag_seconds = 0.25
    counters.pings_ended, counters.bus_dropped, counters.limits_unshared = 6, 8, 9
    counters.shedding, counters.serves = True, False
    counters.connections_refused["address"] += 2
    counters.upstream_hosts = {("mail", "http://a"): True, ("mail", "http://b"): False}
    counters.handshakes["ok"] += 5
    counters.decisions["CERTIFICATE_REVOKED"] += 4
    counters.count_request("Sync", 200)
    counters.observe_latency(0.003)
    return counters


def test_a_snapshot_gives_the_same_counters_again() -> None:
    """What a worker sends is what the control process has, after JSON."""
    counters = _busy()
    assert Counters.from_snapshot(json.loads(json.dumps(counters.snapshot()))) == counters


def test_a_snapshot_does_not_change_with_its_counters() -> None:
    """A snapshot is of its moment."""
    counters = _busy()
    before = json.dumps(snapshot := counters.snapshot())
    counters.handshakes["ok"] += 1
    counters.observe_latency(1)
    counters.count_request("Sync", 200)
    assert json.dumps(snapshot) == before


def test_every_outcome_and_reason_is_there_from_the_start() -> None:
    """A rate over a label that has not happened yet is 0, not absent."""
    counters = Counters()
    assert set(counters.handshakes) == set(HANDSHAKE_OUTCOMES)
    assert {"ALLOW", "CERTIFICATE_REVOKED", "OVERLOADED"} <= set(counters.decisions)


def test_unknown_commands_share_one_label() -> None:
    """A client that makes up commands makes no new metrics."""
    counters = Counters()
    for number in range(1000):
        counters.count_request(f"Made-up-{number}", 404)
    counters.count_request("Ping", 200)
    assert counters.requests == {("other", 404): 1000, ("Ping", 200): 1}


def test_the_number_of_request_labels_is_bounded() -> None:
    """An upstream that makes up statuses cannot make a snapshot too large to send."""
    counters = Counters()
    for status in range(600):
        for command in COMMANDS:
            counters.count_request(command, status)
    assert len(counters.requests) <= 1001
    assert sum(counters.requests.values()) == 600 * len(COMMANDS)


@pytest.mark.parametrize(
    ("seconds", "bucket"), [(0, 0), (0.0001, 0), (0.00011, 1), (1, 12), (1.01, 13), (90, 13)]
)
def test_a_latency_falls_into_the_bucket_whose_bound_it_does_not_pass(
    seconds: float, bucket: int
) -> None:
    """A bound belongs to its bucket, as Prometheus has it (le)."""
    counters = Counters()
    counters.observe_latency(seconds)
    assert counters.latency_counts.index(1) == bucket
    assert len(counters.latency_counts) == len(LATENCY_BOUNDS) + 1
    assert counters.latency_sum == seconds


def test_totals_of_a_gone_worker_are_added_without_its_gauges() -> None:
    """Counters never go back when a worker is replaced; its open connections are gone."""
    total = Counters(connections_open=1)
    total.add_totals(_busy())
    total.add_totals(_busy())
    assert (total.connections_accepted, total.audit_dropped) == (14, 2)
    assert (total.connections_open, total.held_requests, total.loop_lag_seconds) == (1, 0, 0.0)
    assert (total.pings_ended, total.bus_dropped, total.limits_unshared) == (12, 16, 18)
    assert total.connections_refused["address"] == 4
    assert not total.shedding
    assert total.handshakes["ok"] == 10
    assert total.decisions["CERTIFICATE_REVOKED"] == 8
    assert total.requests == {("Sync", 200): 2}
    assert sum(total.latency_counts) == 2
    assert total.latency_sum == pytest.approx(0.006)


@given(key=st.sampled_from(sorted(Counters().snapshot())), value=_JSON)
def test_a_snapshot_with_anything_in_it_is_read_or_refused(key: str, value: object) -> None:
    """A message that is no snapshot is a ValueError and nothing else."""
    with contextlib.suppress(ValueError):
        Counters.from_snapshot(_busy().snapshot() | {key: value})


def test_a_snapshot_of_another_number_of_buckets_is_refused() -> None:
    """A worker of another version is not added up with this one."""
    with pytest.raises(ValueError, match="buckets"):
        Counters.from_snapshot(_busy().snapshot() | {"latency_counts": [1, 2]})
