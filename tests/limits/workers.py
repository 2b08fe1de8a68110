"""The workers of one node, in one process: each with descriptors of its own."""

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from gateway.config_limits import Limits
from gateway.limits.counts import Counts
from gateway.limits.memory import Memory
from gateway.limits.node import Node, NodeLimits, Seat
from gateway.telemetry.counters import Counters


def own(seat: Seat) -> Seat:
    """As a process has inherited it."""
    return replace(seat, hearing=os.dup(seat.hearing), saying=tuple(map(os.dup, seat.saying)))


@dataclass
class Worker:
    """One worker's side, and what it said."""

    limits: NodeLimits
    counters: Counters
    said: list[str] = field(default_factory=list)


@contextlib.contextmanager
def workers(limits: Limits, count: int = 2) -> Iterator[Sequence[Worker]]:
    """So many workers of a new node."""
    node = Node(workers=count, connections=10)
    made = []
    for number in range(1, count + 1):
        counters, said = Counters(), list[str]()
        side = NodeLimits(
            own(node.seat(number)),
            limits,
            counters,
            say=lambda event, _, said=said: said.append(event),  # type: ignore[misc]  # mypy cannot infer a default
            learning_seconds=0,
        )
        made.append(Worker(side, counters, said))
    try:
        yield made
    finally:
        for one in made:
            one.limits.close()
        node.close()


def counts(node: Node, number: int) -> Counts:
    """The keys of a worker of that number, which begins."""
    seat = node.seat(number)
    return Counts(Memory(seat.memory, seat.layout, number))
