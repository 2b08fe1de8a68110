"""8,000 phones hold Pings over two workers: whom a change concerns is cut at once, nobody else.

The processes of the phones that hold Pings leave the CPUs to the gateway, as phones do.
"""

import contextlib
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest

from bench import processes
from bench.fleet import Order
from bench.phones import Phones
from tests.blackbox.bed import Bed, Running, until
from tests.helpers import Pki
from tests.scale import crls, fleet
from tests.scale.crls import DELTA, ISSUING, CrlSite
from tests.scale.figures import Figures, percentile, spread
from tests.scale.fleet import Event, Fleet
from tests.scale.nodes import (
    WORKERS,
    LagWatch,
    MailServer,
    command,
    fill,
    mail_server,
    new_node,
    store_of,
)
from tests.scale.phones import make_phones
from tests.scale.priority import before_others

PHONES = int(os.environ.get("EAS_GATEWAY_SCALE_PHONES", "8000"))
"""Smaller while something is tried out; the limits are those of 8,000."""

REVOKES = 100
_HALF = PHONES // 2
_PAIRED = PHONES // 8  # so many phones have a mailbox in common with the one `_HALF` further on
_LISTED = range(PHONES // 8, PHONES // 4)
_IN_DELTA = range(PHONES // 4, PHONES * 3 // 8)
_MANY = range(PHONES * 3 // 8, PHONES * 3 // 8 + PHONES // 20)
_SYNCING = 40
_SYNCS_PER_SECOND = 200.0
_LAG_LIMIT = 0.05
_JITTER = (1, 30)
_YIELDS = 5


@dataclass(frozen=True)
class Crowd:
    """The gateway, its surroundings and its phones; who has been cut stays away.

    Attributes:
        held: the fleet that holds Pings; `syncing`: the one that syncs meanwhile.
        worker: which one has a phone's connection.
        gone: the phones that were cut until now.
    """

    running: Running
    phones: Phones
    site: CrlSite
    mail: MailServer
    held: Fleet
    syncing: Fleet
    worker: dict[int, int]
    gone: set[int]

    @property
    def bed(self) -> Bed:
        """The gateway's folder."""
        return self.running.bed

    def others_cut(self, mark: int, wanted: Sequence[int]) -> list[int]:
        """Those that were cut since `mark` and should not have been."""
        return sorted(self.held.cut_since(mark).keys() - set(wanted) - self.gone)


def _mailbox(number: int) -> str:
    owner = number - _HALF if _HALF <= number < _HALF + _PAIRED else number
    return f"phone{owner:05d}@example.test"


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory, pki: Pki, figures: Figures) -> Iterator[Crowd]:
    """All phones are connected, hold a Ping, and it is known which worker has which."""
    folder = tmp_path_factory.mktemp("crowd")
    phones = make_phones(folder / "phones", pki, PHONES + _SYNCING, _mailbox)
    with contextlib.ExitStack() as stack:
        site = stack.enter_context(crls.serving(pki))
        with before_others():
            mail = stack.enter_context(mail_server(folder))
        bed = new_node(folder / "node", pki, mail)
        fill(bed, site, phones, delta=True)
        with before_others():
            running = stack.enter_context(bed.running())
            held = stack.enter_context(fleet.running(_orders(bed, phones)))
            syncing = stack.enter_context(fleet.running([_syncs(bed, phones)]))
        before = [processes.memory_kib([running.child(f"worker-{n}")]) for n in WORKERS]
        began = time.monotonic()
        held.until(lambda: len(held.held) == PHONES, "all phones have asked")
        until(lambda: mail.held() == PHONES, "the mail server holds all Pings")
        took = time.monotonic() - began
        after = [processes.memory_kib([running.child(f"worker-{n}")]) for n in WORKERS]
        worker = _workers(bed)
        figures.tell("8,000 Pings", "held by worker 1 / 2", _shares(worker))
        figures.tell("8,000 Pings", "connected and asked in", f"{took:.1f} s")
        memory = (sum(after) - sum(before)) / PHONES
        figures.tell("8,000 Pings", "memory of the workers for each", f"{memory:.1f} KiB")
        yield Crowd(running, phones, site, mail, held, syncing, worker, set())


def _orders(bed: Bed, phones: Phones) -> list[Order]:
    return [
        Order(
            port=bed.port,
            phones=str(phones.file),
            trusted=str(bed.pki.root_pem),
            key=str(phones.key),
            first=first,
            count=_HALF,
            nice=_YIELDS,
        )
        for first in (0, _HALF)
    ]


def _syncs(bed: Bed, phones: Phones) -> Order:
    return Order(
        port=bed.port,
        phones=str(phones.file),
        trusted=str(bed.pki.root_pem),
        key=str(phones.key),
        first=PHONES,
        count=_SYNCING,
        syncs_per_second=_SYNCS_PER_SECOND,
    )


def _workers(bed: Bed) -> dict[int, int]:
    """The worker of each phone, from the audit trail."""
    found: dict[int, int] = {}

    def all_there() -> bool:
        with store_of(bed) as store:
            for one in store.audit.list(limit=2 * PHONES):
                name = str(one.record["device_id"])
                if name.startswith("BENCHHELD"):
                    found[int(name.removeprefix("BENCHHELD"))] = int(str(one.record["worker"]))
        return len(found) == PHONES

    until(all_there, "the audit trail has every phone")
    return found


def _shares(worker: dict[int, int]) -> str:
    return " / ".join(str(sum(one == number for one in worker.values())) for number in WORKERS)


def _check_meanwhile(
    crowd: Crowd, figures: Figures, subject: str, sync_mark: int, lag: LagWatch
) -> None:
    """Who was not concerned has not noticed."""
    events = crowd.syncing.since(sync_mark)
    syncs = [event.seconds for event in events if event.kind == "sync"]
    figures.tell(subject, f"Sync, median / 99 of 100 / longest, {len(syncs)}", spread(syncs))
    figures.equal(subject, "other events of phones that sync", len(events) - len(syncs), 0)
    figures.at_most(subject, "Sync, 99 of 100", percentile(syncs, 99), _LAG_LIMIT, "s")
    for number in WORKERS:
        figures.at_most(subject, f"loop lag, worker {number}", lag.worst[number], _LAG_LIMIT, "s")


def _check_jitter(figures: Figures, subject: str, answers: Sequence[Event]) -> None:
    """Every answer tells its phone when to come back, each second as many as another."""
    waits = [wait for one in answers if (wait := one.retry_after) is not None]
    figures.equal(subject, "answers with Retry-After", len(waits), len(answers))
    figures.equal(subject, "Retry-After from, to", (min(waits), max(waits)), _JITTER)
    first, last = _JITTER
    busiest = max(waits.count(second) for second in range(first, last + 1))
    fair = len(answers) / (last - first + 1)
    figures.at_most(subject, "told the same second, times the mean", busiest / fair, 3, "")


def test_a_revoke_cuts_the_phones_of_one_mailbox_on_both_workers(
    crowd: Crowd, figures: Figures
) -> None:
    """Each mailbox has a phone on either worker: whichever worker sees the change last is in it."""
    subject = "user revoke"
    pairs = [
        (first, first + _HALF)
        for first in range(_PAIRED)
        if crowd.worker[first] != crowd.worker[first + _HALF]
    ][:REVOKES]
    figures.equal(subject, "mailboxes with a phone on each worker", len(pairs), REVOKES)
    delays, others, sync_mark = [], 0, crowd.syncing.mark()
    with store_of(crowd.bed) as store, LagWatch(crowd.running) as lag:
        for pair in pairs:
            mark = crowd.held.mark()
            store.valid_from.revoke(crowd.phones.mailboxes[pair[0]])
            committed = time.monotonic()
            crowd.held.until(lambda: not crowd.held.held & {*pair}, "both are cut", 10)  # noqa: B023 (called at once)
            cut = crowd.held.cut_since(mark)
            assert {cut[one].status for one in pair} == {503}
            delays.append(max(cut[one].at for one in pair) - committed)
            others += len(crowd.others_cut(mark, pair))
            crowd.gone.update(pair)
    figures.tell(subject, "to the later phone, median / 99 of 100 / longest", spread(delays))
    figures.at_most(subject, "to the later phone, 99 of 100", percentile(delays, 99), 1, "s")
    figures.equal(subject, "other phones that were cut", others, 0)
    until(lambda: crowd.mail.held() == PHONES - len(crowd.gone), "their Pings are called off")
    _check_meanwhile(crowd, figures, subject, sync_mark, lag)


@pytest.mark.parametrize("name", [ISSUING, DELTA])
def test_a_crl_cuts_all_that_it_lists(crowd: Crowd, figures: Figures, name: str) -> None:
    """A thousand on both workers, by the complete CRL or by a delta CRL that alone lists them."""
    chosen = _LISTED if name == ISSUING else _IN_DELTA
    subject = f"{name}, {len(chosen)} listed"
    serial_numbers = [crowd.phones.serial_numbers[one] for one in chosen]
    mark, sync_mark = crowd.held.mark(), crowd.syncing.mark()
    with LagWatch(crowd.running) as lag:
        if name == ISSUING:
            crowd.site.publish(serial_numbers)
        else:
            crowd.site.publish_delta(serial_numbers)
        command(crowd.bed, "ca", "refresh")
        crowd.held.until(lambda: crowd.held.held.isdisjoint(chosen), "all of them are cut", 20)
        time.sleep(2)  # for the workers' next two figures, and for what should not come
    cut = crowd.held.cut_since(mark)
    fetched = crowd.site.fetched(name)
    assert {cut[one].status for one in chosen} == {403}
    for number in WORKERS:
        delay = max(cut[one].at for one in chosen if crowd.worker[one] == number) - fetched
        figures.at_most(subject, f"last phone of worker {number}, from the fetch", delay, 2, "s")
    _check_jitter(figures, subject, [cut[one] for one in chosen])
    figures.equal(subject, "other phones that were cut", len(crowd.others_cut(mark, chosen)), 0)
    crowd.gone.update(chosen)
    until(lambda: crowd.mail.held() == PHONES - len(crowd.gone), "their Pings are called off")
    _check_meanwhile(crowd, figures, subject, sync_mark, lag)


def test_phones_that_are_cut_come_back_scattered(crowd: Crowd, figures: Figures) -> None:
    """Hundreds revoked at one moment come back over half a minute, and are let in by a new CRL."""
    subject = f"user revoke --from, {len(_MANY)}"
    file = crowd.bed.folder / "many.txt"
    file.write_text("\n".join(crowd.phones.mailboxes[one] for one in _MANY) + "\n")
    crowd.held.come_back()
    mark, sync_mark = crowd.held.mark(), crowd.syncing.mark()
    with LagWatch(crowd.running) as lag:
        command(crowd.bed, "user", "revoke", "--from", str(file))
        crowd.held.until(lambda: crowd.held.held.isdisjoint(_MANY), "all of them are cut", 20)
    cut = crowd.held.cut_since(mark)
    _check_meanwhile(crowd, figures, subject, sync_mark, lag)
    _check_jitter(figures, subject, [cut[one] for one in _MANY])
    listed = [crowd.phones.serial_numbers[one] for one in (*_LISTED, *_IN_DELTA)]
    crowd.site.publish(listed)
    command(crowd.bed, "ca", "refresh")
    crowd.held.until(lambda: _came_back(crowd, mark) == {*_MANY}, "all have come back", 60)
    back = _first_asked(crowd.held.since(mark))
    delays = [back[one] - cut[one].at for one in _MANY]
    figures.tell(subject, "came back after", f"{min(delays):.1f} to {max(delays):.1f} s")
    by_second = [sum(int(delay) == second for delay in delays) for second in range(32)]
    figures.tell(subject, "came back in the busiest second", max(by_second))
    figures.equal(subject, "other phones that were cut", len(crowd.others_cut(mark, _MANY)), 0)


def _first_asked(events: Sequence[Event]) -> dict[int, float]:
    found: dict[int, float] = {}
    for event in events:
        if event.kind == "asked":
            found.setdefault(event.phone, event.at)
    return found


def _came_back(crowd: Crowd, mark: int) -> set[int]:
    return _first_asked(crowd.held.since(mark)).keys() & set(_MANY)
