"""Prometheus metrics, made from the workers' latest reports whenever somebody asks.

prometheus_client has a multiprocess mode, in which every increment writes to a mapped file. Here a
worker adds to plain integers and sends them all once a second, which costs its hot path nothing
and leaves no files of dead processes behind.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Final

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from gateway import __version__
from gateway.admin.reports import Report, Reports
from gateway.telemetry.counters import LATENCY_BOUNDS, Counters

PREFIX: Final = "eas_gateway_"

HELP: Final[Mapping[str, str]] = MappingProxyType(
    {
        "connections": "TCP connections accepted.",
        "handshakes": "TLS handshakes ended, by outcome.",
        "decisions": "Decisions made or taken from a cached verdict, by ALLOW or reason.",
        "requests": "Requests answered, by EAS command and HTTP status.",
        "connections_refused": "Connections that were not taken, by cause.",
        "pings_ended": "Held Pings that were answered because the device sent a newer one.",
        "bus_dropped": "Messages between workers that were lost because a pipe was full.",
        "limits_unshared": "Keys of limits that one worker counted alone; their memory was full.",
        "added_latency_seconds": "Time that the gateway itself added to a request.",
        "audit_dropped": "Audit records lost because a buffer was full or the store failed.",
        "process_restarts": "Times a process was started again after it died.",
        "connections_open": "Connections that are open now.",
        "held_requests": "Ping and Sync requests that wait for the upstream now.",
        "worker_serves": "1 if the worker can let phones in; /readyz says what is in the way.",
        "event_loop_lag_seconds": "How late the worker's event loop last ran a timer.",
        "upstream_host_up": "1 if the worker takes this host of a mail server for up, else 0.",
        "shedding": "1 if the worker has too much to do and refuses unknown phones, else 0.",
        "workers_expected": "Workers that should run.",
        "workers_alive": "Workers that reported within the last 5 seconds.",
        "crl_age_seconds": "Time since thisUpdate of the CRL in use.",
        "crl_remaining_seconds": "Time to nextUpdate of the CRL in use; its CA fails closed at 0.",
        "crl_entries": "Revoked certificates on the CRL in use.",
        "crl_fetch_success": "1 if the last fetch of this CRL ended well, 0 if it failed.",
        "crl_last_fetch_timestamp_seconds": "When this CRL was last asked for.",
        "crl_effective_timestamp_seconds": "thisUpdate of the CRL in use.",
        "crl_next_update_timestamp_seconds": "nextUpdate of the CRL in use.",
        "crl_size_bytes": "Size of the CRL in use; the download limit is a key of [revocation].",
        "crl_near_limit": "1 if its last download took 80 % or more of a limit, else 0.",
        "crl_refused_from_timestamp_seconds": "When certificates of this CA are refused unless a "
        "newer CRL comes; past, or 0, if they are already; absent for an exempt CA.",
        "config_reload_success": "1 if the last reload (SIGHUP) succeeded or none was asked for.",
        "config_reload_timestamp_seconds": "When the configuration in use was read, Unix time.",
        "store_clock_difference_seconds": "How far the store's clock is ahead of this machine's.",
        "build": "The version that runs.",
    }
)
"""Every metric, without the prefix and the suffix of its kind, and its help text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CrlFacts:
    """One CRL as operations watch it.

    Attributes:
        authority: the id of the authority record (its SKI).
        kind: base, delta, or the name of a further source.
        this_update, next_update: of the CRL in use, UTC; None where there is none.
        entries: how many certificates it lists; None where there is none.
        fetched: whether the last fetch ended well; None before the first.
        last_fetch: when that was, UTC.
        size: octets of the CRL in use; None where there is none.
        near_limit: the last download took 80 % or more of a limit.
        refused_from: when the authority's certificates are refused; None if they are already.
        exempt: the authority's certificates are never refused for want of a CRL.
    """

    authority: str
    kind: str
    this_update: datetime | None
    next_update: datetime | None
    entries: int | None
    fetched: bool | None
    last_fetch: datetime | None = None
    size: int | None = None
    near_limit: bool = False
    refused_from: datetime | None = None
    exempt: bool = False


class GatewayCollector(Collector):
    """All metrics of the gateway.

    `crls` gives the CRLs of this moment, `dropped` the audit records lost in the control process,
    `clock` the time, aware, and `ahead` by how many seconds the store's clock is ahead; None where
    that is not known.
    """

    def __init__(
        self,
        *,
        reports: Reports,
        crls: Callable[[], Sequence[CrlFacts]],
        dropped: Callable[[], int],
        clock: Callable[[], datetime],
        ahead: Callable[[], float | None] = lambda: None,
    ) -> None:
        self._reports = reports
        self._crls = crls
        self._dropped = dropped
        self._clock = clock
        self._ahead = ahead

    def describe(self) -> Iterable[Metric]:
        """The names, for the registry, which asks before there are values."""
        return [Metric(PREFIX + name, text, "unknown") for name, text in HELP.items()]

    def collect(self) -> Iterable[Metric]:
        """The values of this moment."""
        yield InfoMetricFamily(PREFIX + "build", HELP["build"], {"version": __version__})
        totals = self._reports.totals()
        yield _counter("connections", {(): totals.connections_accepted})
        yield _counter("handshakes", _single(totals.handshakes), "outcome")
        yield _counter("decisions", _single(totals.decisions), "decision")
        yield _counter("requests", _by_command(totals), "command", "status")
        yield _counter("connections_refused", _single(totals.connections_refused), "cause")
        yield _counter("pings_ended", {(): totals.pings_ended})
        yield _counter("bus_dropped", {(): totals.bus_dropped})
        yield _counter("limits_unshared", {(): totals.limits_unshared})
        yield _counter("audit_dropped", {(): totals.audit_dropped + self._dropped()})
        yield _counter("process_restarts", _single(self._reports.restarts), "process")
        yield _latency(totals)
        yield from _workers(self._reports.alive(), self._reports.expected)
        if (reload := self._reports.reload) is not None:
            yield _gauge("config_reload_success", {(): float(reload[0])})
            yield _gauge("config_reload_timestamp_seconds", {(): reload[1]})
        ahead = self._ahead()
        yield _gauge("store_clock_difference_seconds", {} if ahead is None else {(): ahead})
        yield from _crls(self._crls(), self._clock())


def _single(counts: Mapping[str, int]) -> dict[tuple[str, ...], int]:
    return {(label,): count for label, count in counts.items()}


def _by_command(totals: Counters) -> dict[tuple[str, ...], int]:
    return {(command, str(status)): n for (command, status), n in totals.requests.items()}


def _counter(name: str, counts: Mapping[tuple[str, ...], int], *labels: str) -> CounterMetricFamily:
    family = CounterMetricFamily(PREFIX + name, HELP[name], labels=labels)
    for values, count in counts.items():
        family.add_metric(values, count)
    return family


def _gauge(name: str, values: Mapping[tuple[str, ...], float], *labels: str) -> GaugeMetricFamily:
    family = GaugeMetricFamily(PREFIX + name, HELP[name], labels=labels)
    for label_values, value in values.items():
        family.add_metric(label_values, value)
    return family


def _latency(totals: Counters) -> HistogramMetricFamily:
    bounds = [*(str(bound) for bound in LATENCY_BOUNDS), "+Inf"]
    below, buckets = 0, []
    for bound, count in zip(bounds, totals.latency_counts, strict=True):
        below += count
        buckets.append((bound, float(below)))
    name = "added_latency_seconds"
    family = HistogramMetricFamily(PREFIX + name, HELP[name])
    family.add_metric([], buckets, totals.latency_sum)
    return family


def _workers(alive: Mapping[int, Report], expected: int) -> Iterable[Metric]:
    counters = {(str(number),): report.counters for number, report in alive.items()}
    yield _gauge("workers_expected", {(): expected})
    yield _gauge("workers_alive", {(): len(alive)})
    yield _gauge(
        "connections_open", {key: c.connections_open for key, c in counters.items()}, "worker"
    )
    yield _gauge("worker_serves", {key: c.serves for key, c in counters.items()}, "worker")
    yield _gauge("shedding", {key: c.shedding for key, c in counters.items()}, "worker")
    yield _gauge("held_requests", {key: c.held_requests for key, c in counters.items()}, "worker")
    yield _gauge(
        "event_loop_lag_seconds", {key: c.loop_lag_seconds for key, c in counters.items()}, "worker"
    )
    hosts: dict[tuple[str, ...], float] = {
        (*key, *host): up for key, c in counters.items() for host, up in c.upstream_hosts.items()
    }
    yield _gauge("upstream_host_up", hosts, "worker", "upstream", "host")


def _crls(crls: Sequence[CrlFacts], now: datetime) -> Iterable[Metric]:
    values: dict[str, Callable[[CrlFacts], float | None]] = {
        "crl_age_seconds": lambda crl: _seconds(crl.this_update, now),
        "crl_remaining_seconds": lambda crl: _seconds(now, crl.next_update),
        "crl_entries": lambda crl: crl.entries,
        "crl_fetch_success": lambda crl: crl.fetched,
        "crl_last_fetch_timestamp_seconds": lambda crl: _timestamp(crl.last_fetch),
        "crl_effective_timestamp_seconds": lambda crl: _timestamp(crl.this_update),
        "crl_next_update_timestamp_seconds": lambda crl: _timestamp(crl.next_update),
        "crl_size_bytes": lambda crl: crl.size,
        "crl_near_limit": lambda crl: None if crl.fetched is None else crl.near_limit,
    }
    for name, value in values.items():
        known: dict[tuple[str, ...], float] = {
            (c.authority, c.kind): v for c in crls if (v := value(c)) is not None
        }
        yield _gauge(name, known, "authority", "kind")
    refused: dict[tuple[str, ...], float] = {
        (crl.authority,): _timestamp(crl.refused_from) or 0.0 for crl in crls if not crl.exempt
    }
    yield _gauge("crl_refused_from_timestamp_seconds", refused, "authority")


def _timestamp(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()


def _seconds(begin: datetime | None, end: datetime | None) -> float | None:
    return None if begin is None or end is None else (end - begin).total_seconds()
