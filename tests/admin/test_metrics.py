"""The metrics are right, well named, and can be read by Prometheus."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from gateway import __version__
from gateway.admin.metrics import HELP, PREFIX, CrlFacts, GatewayCollector
from gateway.admin.reports import Reports
from gateway.telemetry.counters import Counters
from gateway.telemetry.messages import counters_message, reload_message, restarts_message

_NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
_CRLS = (
    CrlFacts(
        authority="ab12",
        kind="base",
        this_update=_NOW - timedelta(hours=1),
        next_update=_NOW + timedelta(hours=3),
        entries=17,
        fetched=False,
        last_fetch=_NOW - timedelta(minutes=5),
        size=4711,
        near_limit=True,
        refused_from=_NOW + timedelta(hours=2),
    ),
    CrlFacts(
        authority="ab12",
        kind="delta",
        this_update=None,
        next_update=None,
        entries=None,
        fetched=None,
    ),
)
Labels = dict[str, str]


@pytest.fixture
def registry() -> CollectorRegistry:
    """A gateway of two workers; one of them has been replaced, the other has said nothing."""
    reports = Reports(workers=2, clock=lambda: 0.0)
    counters = Counters(connections_accepted=5, connections_open=3, held_requests=2)
    counters.loop_lag_seconds = 0.5
    counters.upstream_hosts = {("mail", "http://a"): True, ("mail", "http://b"): False}
    counters.audit_dropped = 2
    counters.pings_ended, counters.bus_dropped, counters.limits_unshared = 1, 2, 3
    counters.connections_refused["certificate"] = 4
    counters.shedding, counters.serves = True, False
    counters.handshakes["ok"] = 4
    counters.decisions["CERTIFICATE_REVOKED"] = 1
    counters.count_request("Ping", 200)
    counters.count_request("Sync", 503)
    for seconds in (0.00005, 0.0002, 0.0002, 7):
        counters.observe_latency(seconds)
    reports.receive_counters(counters_message(1, counters) | {"pid": 1})
    reports.receive_counters(counters_message(1, counters) | {"pid": 2})
    reports.receive_restarts(restarts_message({"worker-1": 1, "worker-2": 0, "control": 0}))
    reports.receive_reload(reload_message(succeeded=False, at=1234.5))
    return _registry(reports, _CRLS)


def _registry(reports: Reports, crls: Sequence[CrlFacts]) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(
        GatewayCollector(reports=reports, crls=lambda: crls, dropped=lambda: 3, clock=lambda: _NOW)
    )
    return registry


def _samples(registry: CollectorRegistry) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    families = text_string_to_metric_families(generate_latest(registry).decode())
    return {
        (sample.name.removeprefix(PREFIX), tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def test_totals_gauges_and_crls_have_their_values(registry: CollectorRegistry) -> None:
    """What Prometheus reads is what the workers said."""
    samples = _samples(registry)
    base = (("authority", "ab12"), ("kind", "base"))
    worker = (("worker", "1"),)
    expected: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {
        ("build_info", (("version", __version__),)): 1,
        ("connections_total", ()): 10,
        ("handshakes_total", (("outcome", "ok"),)): 8,
        ("handshakes_total", (("outcome", "timeout"),)): 0,
        ("decisions_total", (("decision", "CERTIFICATE_REVOKED"),)): 2,
        ("decisions_total", (("decision", "ALLOW"),)): 0,
        ("requests_total", (("command", "Ping"), ("status", "200"))): 2,
        ("requests_total", (("command", "Sync"), ("status", "503"))): 2,
        ("audit_dropped_total", ()): 7,
        ("pings_ended_total", ()): 2,
        ("bus_dropped_total", ()): 4,
        ("limits_unshared_total", ()): 6,
        ("connections_refused_total", (("cause", "certificate"),)): 8,
        ("connections_refused_total", (("cause", "overload"),)): 0,
        ("process_restarts_total", (("process", "worker-1"),)): 1,
        ("process_restarts_total", (("process", "control"),)): 0,
        ("config_reload_success", ()): 0,
        ("config_reload_timestamp_seconds", ()): 1234.5,
        ("workers_expected", ()): 2,
        ("workers_alive", ()): 1,
        ("connections_open", worker): 3,
        ("held_requests", worker): 2,
        ("shedding", worker): 1,
        ("worker_serves", worker): 0,
        ("event_loop_lag_seconds", worker): 0.5,
        ("upstream_host_up", (("host", "http://a"), ("upstream", "mail"), *worker)): 1,
        ("upstream_host_up", (("host", "http://b"), ("upstream", "mail"), *worker)): 0,
        ("crl_age_seconds", base): 3600,
        ("crl_remaining_seconds", base): 3 * 3600,
        ("crl_entries", base): 17,
        ("crl_fetch_success", base): 0,
        ("crl_last_fetch_timestamp_seconds", base): _NOW.timestamp() - 300,
        ("crl_effective_timestamp_seconds", base): _NOW.timestamp() - 3600,
        ("crl_next_update_timestamp_seconds", base): _NOW.timestamp() + 3 * 3600,
        ("crl_size_bytes", base): 4711,
        ("crl_near_limit", base): 1,
    }
    assert {key: samples.get(key) for key in expected} == expected


def test_the_histogram_is_cumulative(registry: CollectorRegistry) -> None:
    """Each bucket holds those below it (le), the last one all."""
    samples = _samples(registry)
    name = "added_latency_seconds"
    assert samples[f"{name}_bucket", (("le", "0.0001"),)] == 2
    assert samples[f"{name}_bucket", (("le", "0.00025"),)] == 6
    assert samples[f"{name}_bucket", (("le", "1.0"),)] == 6
    assert samples[f"{name}_bucket", (("le", "+Inf"),)] == 8
    assert samples[f"{name}_count", ()] == 8
    assert samples[f"{name}_sum", ()] == pytest.approx(14.0009)


def test_refusals_are_seen_coming_and_seen_when_they_have_come() -> None:
    """A moment, 0 from then on, and nothing for a CA whose CRL nobody asks."""
    end = _NOW + timedelta(hours=2)
    crls = [
        replace(_CRLS[1], authority="coming", refused_from=end),
        replace(_CRLS[1], authority="come", refused_from=None),
        replace(_CRLS[1], authority="exempt", exempt=True),
    ]
    samples = _samples(_registry(Reports(workers=1, clock=lambda: 0.0), crls))
    name = "crl_refused_from_timestamp_seconds"
    found = {key[1][0][1]: value for key, value in samples.items() if key[0] == name}
    assert found == {"coming": end.timestamp(), "come": 0}


def test_a_crl_that_is_not_there_has_no_values(registry: CollectorRegistry) -> None:
    """An age of 0 would be a lie."""
    assert not [key for key in _samples(registry) if ("kind", "delta") in key[1]]


def test_every_metric_of_the_table_is_there_and_no_other(registry: CollectorRegistry) -> None:
    """The table is the documentation."""
    families = list(registry.collect())
    assert {family.name for family in families} == {PREFIX + name for name in HELP}
    assert all(family.documentation for family in families)


def test_a_gateway_without_workers_can_be_asked() -> None:
    """The first scrape may come before the first report."""
    samples = _samples(_registry(Reports(workers=1, clock=lambda: 0.0), ()))
    assert samples["workers_alive", ()] == 0
    assert samples["connections_total", ()] == 0


def test_two_collectors_of_one_name_are_refused(registry: CollectorRegistry) -> None:
    """The registry learns the names when the collector is registered."""
    other = GatewayCollector(
        reports=Reports(workers=1, clock=lambda: 0.0),
        crls=lambda: (),
        dropped=lambda: 0,
        clock=lambda: _NOW,
    )
    with pytest.raises(ValueError, match="Duplicated"):
        registry.register(other)
