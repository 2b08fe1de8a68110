"""What a probe that repeats itself remembers, as Prometheus metrics.

Of the past it keeps the latest report and one time for each step, so that it does not grow.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from gateway.probe.step import Outcome, Report

PREFIX: Final = "eas_probe_"
_GOOD: Final = (Outcome.OK, Outcome.WARNING)


class Monitor(Collector):
    """The metrics of one target: `record` each report, and let a registry collect them."""

    def __init__(self) -> None:
        self._latest: Report | None = None
        self._runs = 0
        self._successes: dict[str, datetime] = {}

    def record(self, report: Report) -> None:
        """The metrics are those of this report, until the next."""
        self._latest = report
        self._runs += 1
        for step in report.steps:
            if step.outcome in _GOOD:
                self._successes[step.name] = report.began

    def missing(self) -> list[str]:
        """What keeps phones out, by the latest report; that there is none yet, where that is so."""
        if self._latest is None:
            return ["the first probe has not ended"]
        cause = self._latest.cause
        return [] if cause is None else [f"{cause[0].title}: {cause[1].cause}"]

    def collect(self) -> Iterable[Metric]:
        """The metrics as they are now."""
        runs = CounterMetricFamily(f"{PREFIX}runs", "Probes that have ended.")
        runs.add_metric([], self._runs)
        yield runs
        if self._latest is not None:
            yield from self._of(self._latest)

    def _of(self, report: Report) -> Iterable[Metric]:
        up = _gauge("up", "Whether the latest probe found nothing that keeps phones out.")
        up.add_metric([], report.outcome in _GOOD)
        yield up
        began = _gauge("last_run_timestamp_seconds", "When the latest probe began.")
        began.add_metric([], report.began.timestamp())
        yield began
        yield from _expiries(report)
        good = _gauge("step_success", "Whether the step succeeded; not there if skipped.", "step")
        duration = _gauge("step_duration_seconds", "How long the step took.", "step")
        for step in report.steps:
            if step.outcome is not Outcome.SKIPPED:
                good.add_metric([step.name], step.outcome in _GOOD)
                duration.add_metric([step.name], step.milliseconds / 1000)
        last = _gauge("step_last_success_timestamp_seconds", "When it last succeeded.", "step")
        for name, moment in self._successes.items():
            last.add_metric([name], moment.timestamp())
        yield from (good, duration, last)


def _expiries(report: Report) -> Iterable[Metric]:
    expiry = _gauge("certificate_expiry_timestamp_seconds", "When a certificate ends.", "whose")
    for whose, ends in (("server", report.server_expires), ("device", report.device_expires)):
        if ends is not None:
            expiry.add_metric([whose], ends.timestamp())
    yield expiry


def _gauge(name: str, documentation: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"{PREFIX}{name}", documentation, labels=labels)
