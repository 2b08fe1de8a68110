"""Fleets of phones as processes, and what they saw, as soon as they saw it."""

import contextlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from bench.fleet import Order

_PATIENCE_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Event:
    """Something that a phone saw; see `bench.fleet`.

    Attributes:
        at: on the monotonic clock, which all processes of a machine share.
        more: what the kind of event has beside it.
    """

    kind: str
    phone: int
    at: float
    more: tuple[float | None, ...]

    @property
    def cuts(self) -> bool:
        """Whether the phone's request is over."""
        return self.kind in {"answer", "closed", "lost"}

    @property
    def status(self) -> int:
        """Of an answer; 0 if it is none."""
        return int(self.more[0] or 0) if self.kind == "answer" else 0

    @property
    def seconds(self) -> float:
        """How long a Sync took."""
        return self.more[0] or 0.0

    @property
    def retry_after(self) -> float | None:
        """Of an answer."""
        return self.more[1]


class Fleet:
    """The events of several processes; `held` are the phones whose request is under way."""

    def __init__(self) -> None:
        self.held: set[int] = set()
        self._events: list[Event] = []
        self._news = threading.Condition()
        self._processes: list[subprocess.Popen[str]] = []

    def mark(self) -> int:
        """How much was seen until now, for `since`."""
        with self._news:
            return len(self._events)

    def since(self, mark: int) -> Sequence[Event]:
        """What was seen after `mark`."""
        with self._news:
            return self._events[mark:]

    def cut_since(self, mark: int) -> dict[int, Event]:
        """The first event of each phone whose request was over after `mark`."""
        found: dict[int, Event] = {}
        for event in self.since(mark):
            if event.cuts:
                found.setdefault(event.phone, event)
        return found

    def until(self, condition: Callable[[], bool], what: str, patience: float = 0) -> None:
        """Return once `condition` holds; it must in a while."""
        end = time.monotonic() + (patience or _PATIENCE_SECONDS)
        with self._news:
            while not condition():
                assert all(one.poll() is None for one in self._processes), "a fleet has ended"
                left = end - time.monotonic()
                assert left > 0, f"never came true: {what}; {len(self.held)} are held"
                self._news.wait(min(left, 1.0))

    def come_back(self) -> None:
        """Phones that are cut from now on come back."""
        for one in self._processes:
            assert one.stdin is not None
            one.stdin.write("return\n")
            one.stdin.flush()

    def read(self, process: "subprocess.Popen[str]") -> None:
        """Take over what a process tells, to its end."""
        self._processes.append(process)
        assert process.stdout is not None
        for line in process.stdout:
            kind, phone, at, *more = json.loads(line)
            with self._news:
                self._events.append(Event(kind, phone, at, tuple(more)))
                if kind == "asked":
                    self.held.add(phone)
                elif kind != "sync":
                    self.held.discard(phone)
                self._news.notify_all()


@contextlib.contextmanager
def running(orders: Sequence[Order]) -> Iterator[Fleet]:
    """One process for each order, until the end; they are one fleet."""
    fleet = Fleet()
    with contextlib.ExitStack() as stack:
        for order in orders:
            process = stack.enter_context(_process(order))
            thread = threading.Thread(target=fleet.read, args=(process,))
            thread.start()
            stack.callback(thread.join)
            stack.callback(process.terminate)
        yield fleet


@contextlib.contextmanager
def _process(order: Order) -> Iterator["subprocess.Popen[str]"]:
    with subprocess.Popen(
        [sys.executable, "-m", "bench.fleet", order.to_json()],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()
