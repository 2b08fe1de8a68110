"""A gateway under load, on sockets that outlive it as those of systemd do."""

import contextlib
import socket
import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from bench.fleet import Order
from bench.phones import Phones
from gateway.errors import GatewayError
from tests.blackbox.bed import HOST, Bed, Running
from tests.helpers import Pki
from tests.scale import crls, fleet
from tests.scale.figures import Figures
from tests.scale.fleet import Event, Fleet
from tests.scale.nodes import fill, mail_server, new_node, store_of
from tests.scale.phones import make_phones
from tests.scale.priority import before_others

HOLDING = 2000
SYNCING = 40
SYNCS_PER_SECOND = 200.0
PAUSE_SECONDS = SYNCING / SYNCS_PER_SECOND  # of each phone, before it asks again
REVOCABLE = 2000
_BETWEEN_REVOKES_SECONDS = 0.05
_YIELDS = 10


@dataclass
class Loaded:
    """A gateway that serves phones, and may be ended and started again.

    Attributes:
        now: the gateway that runs.
        held, syncing: phones that come back when they are cut.
        revoked: how many of the phones behind them have been revoked, by tests before too.
    """

    bed: Bed
    phones: Phones
    sockets: Sequence[int]
    now: Running
    held: Fleet
    syncing: Fleet
    revoked: int = field(default=0)

    def start(self) -> Running:
        """Another gateway on the same sockets."""
        with before_others():
            self.now = self.bed.start(sockets=self.sockets)
        return self.now

    def end(self) -> None:
        """The gateway that runs is ended."""
        self.now.end()

    def refused(self, first: int, count: int) -> int:
        """How many of these revocable phones are refused when they come anew."""
        begin = HOLDING + SYNCING + first
        with fleet.running([_order(self.bed, self.phones, begin, count)]) as asked:
            asked.until(lambda: len(_statuses(asked)) == count, "all of them were answered")
            return sum(one == 503 for one in _statuses(asked).values())


def _statuses(asked: Fleet) -> dict[int, int]:
    return {one.phone: one.status for one in asked.since(0) if one.kind == "answer"}


@contextlib.contextmanager
def running(folder: Path, pki: Pki) -> Iterator[Loaded]:
    """A gateway with two workers, its phones and their load."""
    count = HOLDING + SYNCING + REVOCABLE
    phones = make_phones(folder / "phones", pki, count, lambda n: f"phone{n:05d}@example.test")
    with contextlib.ExitStack() as stack:
        site = stack.enter_context(crls.serving(pki))
        with before_others():
            mail = stack.enter_context(mail_server(folder))
        bed = new_node(folder / "node", pki, mail)
        fill(bed, site, phones)
        listening = [
            stack.enter_context(socket.create_server((HOST, port), backlog=4096)).fileno()
            for port in (bed.port, bed.admin_port)
        ]
        with before_others():
            first = bed.start(sockets=listening)
            begun = stack.enter_context(contextlib.ExitStack())
            begun.callback(first.end)
            first.until_ready()
            held = stack.enter_context(
                fleet.running([_order(bed, phones, 0, HOLDING, returns=True)])
            )
            syncs = _order(bed, phones, HOLDING, SYNCING, returns=True, syncs=SYNCS_PER_SECOND)
            syncing = stack.enter_context(fleet.running([syncs]))
        loaded = Loaded(bed, phones, listening, first, held, syncing)
        stack.callback(loaded.end)
        begun.pop_all()
        held.until(lambda: len(held.held) == HOLDING, "all phones have asked")
        yield loaded


def _order(
    bed: Bed, phones: Phones, first: int, count: int, *, returns: bool = False, syncs: float = 0
) -> Order:
    return Order(
        port=bed.port,
        phones=str(phones.file),
        trusted=str(bed.pki.root_pem),
        key=str(phones.key),
        first=first,
        count=count,
        returns=returns,
        syncs_per_second=syncs,
        nice=0 if syncs else _YIELDS,
    )


@contextlib.contextmanager
def revoking(loaded: Loaded) -> Iterator[list[int]]:
    """One mailbox after the other is revoked; gives the numbers of those that were acknowledged."""
    acknowledged: list[int] = []
    over = threading.Event()

    def run() -> None:
        with store_of(loaded.bed) as store:
            for number in range(loaded.revoked, REVOCABLE):
                mailbox = loaded.phones.mailboxes[HOLDING + SYNCING + number]
                with contextlib.suppress(GatewayError):
                    store.valid_from.revoke(mailbox)
                    acknowledged.append(number)
                if over.wait(_BETWEEN_REVOKES_SECONDS):
                    return

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield acknowledged
    finally:
        over.set()
        thread.join()
        loaded.revoked += len(acknowledged)


def check_load(
    events: Sequence[Event], figures: Figures, subject: str, *, gap: float | None
) -> None:
    """Every Sync was answered right, if need be when it was asked once more.

    No phone waited longer than `gap` seconds for its next answer; None: that is only told.
    """
    by_phone: dict[int, list[float]] = defaultdict(list)
    for one in events:
        if one.kind == "sync":
            by_phone[one.phone].append(one.at)
    gaps = [
        later - at - PAUSE_SECONDS for times in by_phone.values() for at, later in pairwise(times)
    ]
    count = {kind: sum(one.kind == kind for one in events) for kind in ("sync", "closed")}
    told = f"{count['sync']}, {count['closed']}"
    figures.tell(subject, "Syncs answered, connections closed without an answer", told)
    figures.equal(subject, "no answer, asked once more", _number(events, "lost"), 0)
    figures.equal(subject, "wrong answers", _wrong(events), 0)
    what = "longest wait of a phone for its next answer"
    if gap is None:
        figures.tell(subject, what, f"{max(gaps):.3f} s")
    else:
        figures.at_most(subject, what, max(gaps), gap, "s")


def _number(events: Sequence[Event], kind: str) -> int:
    return sum(one.kind == kind for one in events)


def _wrong(events: Sequence[Event]) -> int:
    return sum(one.kind == "answer" and one.status != 200 for one in events)
