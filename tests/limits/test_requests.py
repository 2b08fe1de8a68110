"""Requests of devices and mailboxes, within their limits, over all workers of a node."""

import asyncio
import math
import time
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.config_limits import Limits
from gateway.core.decision import Deny
from gateway.core.reasons import Reason
from gateway.limits.counts import ONE
from gateway.limits.requests import Allowance, Bound
from tests.limits.workers import Worker, workers


@dataclass
class _Asking:
    """A request that came at that moment; notes whether a newer Ping ended it."""

    began: float = 1000.0
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def superseded(self) -> None:
        self.ended.set()


@dataclass
class _Phone:
    """One connection to one worker."""

    worker: Worker
    mailbox: str = "alice"
    device: str | None = "d1"

    def __post_init__(self) -> None:
        self.allowance = Allowance(self.worker.limits.requests)

    def ask(self, at: float = 1000.0, *, held: bool = False, ping: bool = False) -> Deny | None:
        """Begin a request."""
        self.asking = _Asking(at)
        return self.allowance.begin(self.mailbox, self.device, self.asking, held=held, ping=ping)


def _off(**limits: Any) -> Limits:
    """No limits but these."""
    off = {
        "requests_per_minute_device": 0,
        "requests_per_minute_mailbox": 0,
        "concurrent_requests_device": 0,
        "concurrent_requests_mailbox": 0,
        "held_requests_device": 0,
        "held_requests_mailbox": 0,
    }
    return Limits(**(off | limits))


def _is_refused(denial: Deny | None, key: str, seconds: int) -> bool:
    assert denial is not None
    assert denial.reason is Reason.TOO_MANY_REQUESTS
    return f"limits.{key})" in denial.detail and denial.retry_after == seconds


class TestRate:
    """A bucket of tokens of each device and each mailbox."""

    def test_a_burst_then_the_rate(self) -> None:
        """Retry-After is when the next token is there, in whole seconds."""
        with workers(_off(requests_per_minute_device=6, request_burst_device=3)) as (one, _):
            phone = _Phone(one)
            for _ in range(3):
                assert phone.ask() is None
                phone.allowance.end()
            assert _is_refused(phone.ask(), "requests_per_minute_device", 10)
            assert _is_refused(phone.ask(1003.5), "requests_per_minute_device", 7)
            assert phone.ask(1010.0) is None
            phone.allowance.end()
            assert phone.ask(1010.0) is not None

    def test_it_is_one_bucket_of_all_workers_and_connections(self) -> None:
        """A device gains nothing by another connection, nor by closing the one before."""
        limits = _off(requests_per_minute_device=6, request_burst_device=3)
        now = time.monotonic()
        with workers(limits, 3) as several:
            for worker in several:
                phone = _Phone(worker)
                assert phone.ask(now) is None
                phone.allowance.close()
                worker.limits.tick()
            assert all(_Phone(worker).ask(now) is not None for worker in several)
            assert _Phone(several[0], device="d2").ask(now) is None
            assert _Phone(several[1], mailbox="bob").ask(now) is None

    def test_a_mailbox_has_one_for_all_its_devices(self) -> None:
        """Also for requests that name no device."""
        with workers(_off(requests_per_minute_mailbox=60, request_burst_mailbox=2)) as (one, two):
            assert _Phone(one).ask() is None
            assert _Phone(two, device=None).ask() is None
            refused = _Phone(one, device="d2").ask()
            assert _is_refused(refused, "requests_per_minute_mailbox", 1)

    def test_other_limits_after_a_reload_know_what_was_counted(self) -> None:
        """What was sent before counts on, and counts as under way until it ends."""
        with workers(_off(concurrent_requests_device=1)) as (one, _):
            phone = _Phone(one)
            assert phone.ask() is None
            assert _Phone(one).ask() is not None
            one.limits.configure(_off(concurrent_requests_device=2))
            other = _Phone(one)
            assert other.ask() is None
            assert _Phone(one).ask() is not None
            other.allowance.end()
            phone.allowance.end()
            assert _Phone(one).ask() is None

    @given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 30_000)), max_size=60))
    def test_it_is_what_a_bucket_of_tokens_lets_in(self, steps: list[tuple[int, int]]) -> None:
        """Three workers together let in what one bucket does; times are in milliseconds."""
        rate, burst, now = 10, 4, 0
        tokens = float(burst)
        with workers(_off(requests_per_minute_device=rate, request_burst_device=burst), 3) as all3:
            phones = [_Phone(worker) for worker in all3]
            for worker, passed in steps:
                now += passed
                tokens = min(burst, tokens + passed * rate / 60_000)
                denial = phones[worker].ask(1000 + now / 1000)
                if abs(tokens - 1) < 1e-6:
                    return  # within the error of either way to count
                assert (denial is None) == (tokens >= 1)
                if denial is None:
                    tokens -= 1
                    phones[worker].allowance.end()
                else:
                    assert denial.retry_after == math.ceil((1 - tokens) * 60 / rate - 1e-6)


class TestConcurrent:
    """Requests at once."""

    def test_so_many_and_no_more(self) -> None:
        """Over two workers; one that ends makes room for the next."""
        with workers(_off(concurrent_requests_device=2)) as (one, two):
            first, second, third = _Phone(one), _Phone(two), _Phone(one)
            assert first.ask() is None
            assert second.ask() is None
            assert _is_refused(third.ask(), "concurrent_requests_device", 10)
            second.allowance.close()
            assert third.ask() is None

    def test_held_ones_by_themselves(self) -> None:
        """Others of the device go on while it has all that it may have of these."""
        with workers(_off(held_requests_mailbox=1)) as (one, two):
            assert _Phone(one).ask(held=True) is None
            refused = _Phone(two, device="d2").ask(held=True)
            assert _is_refused(refused, "held_requests_mailbox", 10)
            assert _Phone(two, device="d2").ask() is None
            assert one.counters.held_requests == 1

    def test_one_that_turns_out_to_be_held(self) -> None:
        """It counts as such at all workers, and is refused where there is no room."""
        limits = _off(held_requests_device=1, concurrent_requests_device=2)
        with workers(limits) as (one, two):
            first, second = _Phone(one), _Phone(two)
            assert first.ask() is None
            assert second.ask() is None
            assert first.allowance.hold() is None
            assert _is_refused(second.allowance.hold(), "held_requests_device", 10)
            second.allowance.end()
            assert _is_refused(second.ask(held=True), "held_requests_device", 10)
            first.allowance.end()
            assert one.counters.held_requests == 0
            assert second.ask(held=True) is None

    def test_a_refused_request_counts_for_nothing(self) -> None:
        """Neither as under way nor as one of the rate."""
        limits = _off(
            concurrent_requests_mailbox=1,
            concurrent_requests_device=1,
            requests_per_minute_device=1,
            request_burst_device=1,
        )
        with workers(limits) as (one, _):
            busy, phone = _Phone(one, device="d2"), _Phone(one)
            assert busy.ask() is None
            assert phone.ask() is not None
            phone.allowance.end()
            busy.allowance.end()
            assert phone.ask() is None

    def test_a_connection_that_serves_another_device(self) -> None:
        """What it took goes back; letter case is no difference."""
        with workers(_off(concurrent_requests_device=1)) as (one, two):
            phone = _Phone(one)
            assert phone.ask() is None
            phone.allowance.end()
            phone.device = "d2"
            assert phone.ask() is None
            assert _Phone(two, device="D2").ask() is not None
            assert _Phone(two, device="d1").ask() is None


class TestPing:
    """A newer Ping of a device ends the one before."""

    def test_in_the_same_worker(self) -> None:
        """At once, and the new one is not refused for the old one's sake."""
        with workers(_off(held_requests_device=1, concurrent_requests_device=1)) as (one, _):
            old, new = _Phone(one), _Phone(one)
            assert old.ask(held=True, ping=True) is None
            assert new.ask(1001.0, held=True, ping=True) is None
            assert old.asking.ended.is_set()
            assert not new.asking.ended.is_set()

    async def test_in_another_worker(self) -> None:
        """By a message; one that is newer than the message stays."""
        with workers(_off()) as (one, two):
            one.limits.hear()
            old, new, late = _Phone(one), _Phone(two), _Phone(two)
            assert old.ask(held=True, ping=True) is None
            assert new.ask(1001.0, held=True, ping=True) is None
            await asyncio.wait_for(old.asking.ended.wait(), 10)
            old.allowance.end()
            newer, other = _Phone(one), _Phone(one, device="d9")
            assert newer.ask(1003.0, held=True, ping=True) is None
            assert other.ask(1000.0, held=True, ping=True) is None
            assert late.ask(1002.0, held=True, ping=True) is None
            last = _Phone(two, device="d9")
            assert last.ask(1001.0, held=True, ping=True) is None
            await asyncio.wait_for(other.asking.ended.wait(), 10)  # it was sent after the other
            assert not newer.asking.ended.is_set()

    def test_only_the_same_devices(self) -> None:
        """Another mailbox on the same phone is another partnership; Sync ends nothing."""
        with workers(_off()) as (one, _):
            phones = [_Phone(one), _Phone(one, mailbox="bob"), _Phone(one, device="d2")]
            for phone in phones:
                assert phone.ask(held=True, ping=True) is None
            assert _Phone(one).ask(held=True) is None
            assert not any(phone.asking.ended.is_set() for phone in phones)

    def test_one_that_has_ended_is_not_ended(self) -> None:
        """The mail server has answered it."""
        with workers(_off()) as (one, _):
            old = _Phone(one)
            assert old.ask(held=True, ping=True) is None
            old.allowance.end()
            assert _Phone(one).ask(1001.0, held=True, ping=True) is None
            assert not old.asking.ended.is_set()


def test_no_limit_is_no_limit() -> None:
    """0 in the configuration."""
    bound = Bound.of("device", rate=0, burst=5, concurrent=0, held=0)
    assert (bound.interval, bound.window) == (0, math.inf)
    assert min(bound.concurrent // ONE, bound.held) >= 2**32 - 1
