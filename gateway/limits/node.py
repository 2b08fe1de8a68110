"""The limits of a node: what its supervisor makes for them, and what each worker makes of that."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from gateway.config_limits import Limits
from gateway.limits.arrivals import Arrivals
from gateway.limits.bus import Bus, Pipes
from gateway.limits.counts import Counts
from gateway.limits.memory import Layout, Memory, NodeMemory
from gateway.limits.requests import RequestLimits
from gateway.limits.shedding import LEARNING_SECONDS, Shedding
from gateway.telemetry.counters import Counters


@dataclass(frozen=True, slots=True)
class Seat:
    """Where one worker counts, and talks with the others.

    Attributes:
        number: of the worker, from 1.
        layout: of the memory.
        memory: its descriptor.
        hearing: the descriptor of the worker's end of its pipe.
        saying: those of the other workers' pipes.
    """

    number: int
    layout: Layout
    memory: int
    hearing: int
    saying: tuple[int, ...]

    @property
    def descriptors(self) -> tuple[int, ...]:
        """All of them."""
        return (self.memory, self.hearing, *self.saying)


class Node:
    """The supervisor's side."""

    def __init__(self, *, workers: int, connections: int) -> None:
        """For workers that have so many connections each."""
        self._memory = NodeMemory(Layout.fitting(workers=workers, connections=connections))
        self._pipes = Pipes(workers)

    def seat(self, worker: int) -> Seat:
        """For the process of worker `worker`, whenever it is started."""
        pipes = self._pipes
        others = tuple(fd for at, fd in enumerate(pipes.saying, 1) if at != worker)
        hearing = pipes.hearing[worker - 1]
        return Seat(worker, self._memory.layout, self._memory.fd, hearing, others)

    def clear(self, worker: int) -> None:
        """Nothing is counted for `worker`, whose process has ended."""
        self._memory.clear(worker)

    def close(self) -> None:
        """Close what the processes inherit."""
        self._memory.close()
        self._pipes.close()


class NodeLimits:
    """A worker's side.

    Attributes:
        requests: of devices and mailboxes.
        arrivals: connections of certificates and addresses.
    """

    def __init__(
        self,
        seat: Seat,
        limits: Limits,
        counters: Counters,
        *,
        say: Callable[[str, str], None],
        learning_seconds: float = LEARNING_SECONDS,
    ) -> None:
        """`say` takes an event and its detail, for the log."""
        self._counts = Counts(Memory(seat.memory, seat.layout, seat.number))
        self._bus = Bus(seat.hearing, seat.saying)
        self._counters = counters
        self._say = say
        shedding = Shedding(say, learned=time.monotonic() + learning_seconds)
        self.requests = RequestLimits(self._counts, self._bus, limits, counters)
        self.arrivals = Arrivals(self._counts, limits, shedding)

    def hear(self) -> None:
        """From now on a newer Ping at another worker ends the one here."""
        self._bus.hear(self.requests.pinged_elsewhere)

    def configure(self, limits: Limits) -> None:
        """Go by these from now on; what was counted stays counted."""
        self.requests.configure(limits)
        self.arrivals.limits = limits

    def tick(self) -> None:
        """To be called each second, with the counters of this moment."""
        now, counters = time.monotonic(), self._counters
        self._counts.sweep(now)
        self.arrivals.look(
            lag=counters.loop_lag_seconds, connections=counters.connections_open, now=now
        )
        counters.shedding = self.arrivals.shedding.on
        counters.bus_dropped = self._bus.dropped
        unshared = self._counts.unshared
        if unshared > counters.limits_unshared:
            detail = f"{unshared - counters.limits_unshared} keys are counted by this worker alone"
            self._say("limits.memory_full", f"{detail}; raise limits.connections and restart")
        counters.limits_unshared = unshared

    def close(self) -> None:
        """Close the descriptors."""
        self._bus.close()
