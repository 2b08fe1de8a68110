"""What the workers and the supervisor last said of themselves."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from gateway.telemetry.counters import Counters

FRESH_SECONDS: Final = 5.0
"""A worker that said nothing for so long counts as gone; it reports each second."""


@dataclass(frozen=True, slots=True)
class Report:
    """The last word of one worker.

    Attributes:
        pid: of the process that sent it.
        received_at: when it came, by the clock of `Reports`.
        counters: absolute totals and gauges.
    """

    pid: int
    received_at: float
    counters: Counters


class Reports:
    """The latest report of each worker; `clock` gives seconds that never go back.

    Attributes:
        restarts: how often each process was started again, by name.
        reload: whether the last reload succeeded, and when the settings in use were read, in
            seconds since the epoch; None before the supervisor said so.
    """

    def __init__(self, *, workers: int, clock: Callable[[], float]) -> None:
        self.restarts: Mapping[str, int] = {}
        self.reload: tuple[bool, float] | None = None
        self._expected = range(1, workers + 1)
        self._clock = clock
        self._latest: dict[int, Report] = {}
        self._gone = Counters()

    def receive_counters(self, message: Mapping[str, Any]) -> None:
        """Take a worker's message; the totals of a process it replaces are kept.

        Raises ValueError if the message is not one, or is of a worker that is not expected.
        """
        counters = Counters.from_snapshot(message)
        number, pid = message.get("worker"), message.get("pid")
        if not isinstance(number, int) or number not in self._expected or not isinstance(pid, int):
            raise ValueError(f"counters of worker {number!r}, process {pid!r}: not one of ours")
        before = self._latest.get(number)
        if before is not None and before.pid != pid:
            self._gone.add_totals(before.counters)
        self._latest[number] = Report(pid, self._clock(), counters)

    def receive_restarts(self, message: Mapping[str, Any]) -> None:
        """Take the supervisor's message; raises ValueError if it is not one."""
        try:
            self.restarts = {str(name): int(n) for name, n in message["restarts"].items()}
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not a message of restarts: {error!r}") from error

    def receive_reload(self, message: Mapping[str, Any]) -> None:
        """Take the supervisor's message; raises ValueError if it is not one."""
        try:
            self.reload = bool(message["succeeded"]), float(message["at"])
        except (KeyError, TypeError) as error:
            raise ValueError(f"not a message of a reload: {error!r}") from error

    @property
    def expected(self) -> int:
        """How many workers should run."""
        return len(self._expected)

    def totals(self) -> Counters:
        """The sum over all workers, those that were replaced included; its gauges say nothing."""
        totals = Counters()
        totals.add_totals(self._gone)
        for report in self._latest.values():
            totals.add_totals(report.counters)
        return totals

    def alive(self) -> Mapping[int, Report]:
        """The reports younger than `FRESH_SECONDS`, by worker."""
        oldest = self._clock() - FRESH_SECONDS
        return {
            number: report
            for number, report in sorted(self._latest.items())
            if report.received_at >= oldest
        }

    def silent(self) -> Iterable[int]:
        """The workers that should run and did not report within `FRESH_SECONDS`."""
        alive = self.alive()
        return [number for number in self._expected if number not in alive]
