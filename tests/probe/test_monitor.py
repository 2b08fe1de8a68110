"""The metrics of a probe that repeats itself."""

from datetime import UTC, datetime, timedelta

from prometheus_client import CollectorRegistry

from gateway.probe.monitor import Monitor
from gateway.probe.step import Report, Result, Step, failed, fine, skipped

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def report(result: Result, *, began: datetime = NOW) -> Report:
    """A report with one step that may vary."""
    steps = (Step("tcp", "TCP", 2.0, fine("there")), Step("sync", "Sync", 5.0, result))
    return Report("x", None, None, began, steps, server_expires=NOW + timedelta(days=1))


def value(monitor: Monitor, name: str, **labels: str) -> float | None:
    """A metric as a registry tells it."""
    registry = CollectorRegistry()
    registry.register(monitor)
    return registry.get_sample_value(f"eas_probe_{name}", labels)


class TestMonitor:
    """What is told after each report."""

    def test_before_the_first(self) -> None:
        """Nothing is up, and nothing is down."""
        monitor = Monitor()
        assert value(monitor, "up") is None
        assert value(monitor, "runs_total") == 0
        assert monitor.missing() == ["the first probe has not ended"]

    def test_success(self) -> None:
        """A report without a failure."""
        monitor = Monitor()
        monitor.record(report(fine()))
        assert value(monitor, "up") == 1
        assert value(monitor, "step_duration_seconds", step="sync") == 0.005
        last = value(monitor, "step_last_success_timestamp_seconds", step="sync")
        assert last == NOW.timestamp()
        expiry = "certificate_expiry_timestamp_seconds"
        assert value(monitor, expiry, whose="server") == (NOW + timedelta(days=1)).timestamp()
        assert value(monitor, expiry, whose="device") is None
        assert monitor.missing() == []

    def test_failure_after_success(self) -> None:
        """The last success stays what it was."""
        monitor = Monitor()
        monitor.record(report(fine()))
        monitor.record(report(failed("it is broken", "mend it"), began=NOW + timedelta(hours=1)))
        assert value(monitor, "up") == 0
        assert value(monitor, "step_success", step="sync") == 0
        last = value(monitor, "step_last_success_timestamp_seconds", step="sync")
        assert last == NOW.timestamp()
        assert value(monitor, "runs_total") == 2
        assert monitor.missing() == ["Sync: it is broken"]

    def test_skipped(self) -> None:
        """A step that was not taken is neither good nor bad."""
        monitor = Monitor()
        monitor.record(report(skipped("not now")))
        assert value(monitor, "step_success", step="sync") is None
        assert value(monitor, "step_success", step="tcp") == 1
