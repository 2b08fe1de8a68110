"""Connections of addresses and certificates, and who comes in under overload."""

import time
from collections.abc import Iterator, Sequence

import pytest

from gateway.config_limits import Limits
from gateway.limits.arrivals import KNOWN_SECONDS, Arrival, address_key
from tests.limits.workers import Worker, workers


@pytest.fixture
def two() -> Iterator[Sequence[Worker]]:
    """Two workers that take two connections of an address and of a certificate."""
    with workers(Limits(connections_address=2, connections_certificate=2)) as made:
        yield made


def _arrive(worker: Worker, address: str = "192.0.2.1") -> Arrival:
    arrival = Arrival(worker.limits.arrivals)
    assert arrival.came(address) is None
    return arrival


def _shed(worker: Worker) -> None:
    """The worker has too much to do."""
    worker.counters.loop_lag_seconds = 5.0
    worker.limits.tick()
    assert worker.counters.shedding


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("::1", "0.0.0.1", False),
        ("unknown", "unknown", True),
    ],
)
def test_whom_an_address_is_counted_for(one: str, other: str, *, same: bool) -> None:
    """An IPv4 address, or a whole /64."""
    assert (address_key(one) == address_key(other)) is same


def test_an_address_over_all_workers(two: Sequence[Worker]) -> None:
    """The third is refused wherever it comes; others are not; what ends makes room."""
    first, _ = _arrive(two[0]), _arrive(two[1])
    third = Arrival(two[0].limits.arrivals)
    refusal = third.came("192.0.2.1")
    assert refusal is not None
    assert refusal.cause == "address"
    third.gone()
    _arrive(two[0], "192.0.2.2")
    first.gone()
    _arrive(two[1])


def test_a_certificate_over_all_workers(two: Sequence[Worker]) -> None:
    """As an address."""
    arrivals = [_arrive(two[at % 2], f"192.0.2.{at}") for at in range(4)]
    assert arrivals[0].identified("ab", resumed=False) is None
    assert arrivals[1].identified("ab", resumed=True) is None
    refusal = arrivals[2].identified("ab", resumed=True)
    assert refusal is not None
    assert refusal.cause == "certificate"
    arrivals[2].gone()
    arrivals[0].gone()
    assert arrivals[3].identified("ab", resumed=False) is None


def test_no_limit(two: Sequence[Worker]) -> None:
    """0, after a reload."""
    two[0].limits.configure(Limits(connections_address=0, connections_certificate=0))
    for _ in range(50):
        assert _arrive(two[0]).identified("ab", resumed=False) is None


def test_handshakes_under_way(two: Sequence[Worker]) -> None:
    """From the first byte to the end of the handshake or of the connection, once each."""
    arrivals = two[0].limits.arrivals
    one, other = _arrive(two[0]), _arrive(two[0])
    assert arrivals.handshakes == 2
    one.identified("ab", resumed=False)
    assert arrivals.handshakes == 1
    one.gone()
    other.gone()
    assert arrivals.handshakes == 0


def test_without_a_certificate_there_is_none_to_count(two: Sequence[Worker]) -> None:
    """Who may look for the mail server without one is bounded by the address; and waits first."""
    for number in range(9):
        assert _arrive(two[0], f"192.0.2.{number}").identified("", resumed=False) is None
    _shed(two[0])
    assert _arrive(two[0]).identified("", resumed=True) == ("overload", "")


class TestOverload:
    """Who comes in while there is too much to do."""

    def test_without_it_everybody(self, two: Sequence[Worker]) -> None:
        """Nobody has to be known."""
        arrival = _arrive(two[0])
        assert not arrival.doubtful
        assert arrival.greeted(resumes=False) is None
        assert arrival.identified("ab", resumed=False) is None

    def test_an_unknown_phone_waits(self, two: Sequence[Worker]) -> None:
        """It is refused once its ClientHello shows no ticket, without a line for each."""
        _shed(two[0])
        arrival = _arrive(two[0])
        assert arrival.doubtful
        assert arrival.greeted(resumes=False) == ("overload", "")

    def test_a_ticket_lets_in_who_resumes(self, two: Sequence[Worker]) -> None:
        """Who shows a ticket that is none good is refused after the handshake."""
        _shed(two[0])
        arrival = _arrive(two[0])
        assert arrival.greeted(resumes=True) is None
        assert arrival.identified("ab", resumed=True) is None
        arrival = _arrive(two[0])
        assert arrival.greeted(resumes=True) is None
        assert arrival.identified("cd", resumed=False) == ("overload", "")

    def test_who_was_let_in_lately_is_known_to_all_workers(self, two: Sequence[Worker]) -> None:
        """By address for the handshake, by certificate after it; also after it has left."""
        before = _arrive(two[1])
        before.identified("ab", resumed=False)
        before.let_in()
        before.gone()
        _shed(two[0])
        again = _arrive(two[0])
        assert not again.doubtful
        assert again.identified("ab", resumed=False) is None
        roaming = _arrive(two[0], "192.0.2.77")
        assert roaming.doubtful
        assert roaming.greeted(resumes=True) is None
        assert roaming.identified("ab", resumed=False) is None
        neighbour = _arrive(two[0])
        assert neighbour.identified("cd", resumed=False) == ("overload", "")

    def test_who_only_connected_is_not_known(self, two: Sequence[Worker]) -> None:
        """A certificate that no mailbox belongs to, for example."""
        before = _arrive(two[0])
        before.identified("ab", resumed=False)
        _shed(two[0])
        assert _arrive(two[0]).doubtful

    def test_who_leaves_is_known_from_then_on(self, two: Sequence[Worker]) -> None:
        """A connection may last for longer than what was known at its beginning."""
        arrivals = two[0].limits.arrivals
        phone = _arrive(two[0])
        phone.let_in()
        moment = time.monotonic()
        phone.gone()
        count = arrivals.counts.take("address", "192.0.2.1")
        assert arrivals.is_known(count, moment + KNOWN_SECONDS)

    def test_nobody_is_known_for_ever(self, two: Sequence[Worker]) -> None:
        """An hour after it left, the entry is free again."""
        before = _arrive(two[0])
        before.identified("ab", resumed=False)
        before.let_in()
        before.gone()
        arrivals = two[0].limits.arrivals
        assert len(arrivals.counts) == 2
        arrivals.counts.sweep(time.monotonic() + KNOWN_SECONDS - 60)
        assert len(arrivals.counts) == 2
        arrivals.counts.sweep(time.monotonic() + KNOWN_SECONDS)
        assert len(arrivals.counts) == 0
