"""What workers count together."""

from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.limits.counts import ONE, Count, Counts
from gateway.limits.node import Node
from tests.limits.workers import counts


@pytest.fixture
def node() -> Iterator[Node]:
    """Two workers."""
    made = Node(workers=2, connections=10)
    yield made
    made.close()


def test_a_key_is_one_entry_of_a_worker(node: Node) -> None:
    """Two connections of one device share it."""
    one = counts(node, 1)
    assert one.take("device", "a") is one.take("device", "a")
    assert one.take("device", "a") is not one.take("device", "b")


def test_what_a_worker_tells_the_others_see(node: Node) -> None:
    """The numbers, and the latest moment."""
    one, two = counts(node, 1), counts(node, 2)
    here, there = one.take("device", "a"), two.take("device", "a")
    here.numbers, here.until = 3 * ONE + 2, 7.5
    one.tell(here)
    assert two.elsewhere(there) == (3 * ONE + 2, 7.5)
    assert one.elsewhere(here) == (0, 0.0)
    assert two.elsewhere(two.take("device", "b")) == (0, 0.0)


def test_an_entry_is_freed_once_nobody_has_it_and_its_moment_is_over(node: Node) -> None:
    """Not before: else a device would have a new bucket by closing its connection."""
    one, two = counts(node, 1), counts(node, 2)
    here, there = one.take("device", "a"), two.take("device", "a")
    here.until = 100.0
    one.tell(here)
    one.give_back(here)
    one.sweep(99.0)
    assert two.elsewhere(there)[1] == 100.0
    assert one.take("device", "a") is here
    one.sweep(101.0)
    assert len(one) == 1
    one.give_back(here)
    one.sweep(101.0)
    assert len(one) == 0
    assert two.elsewhere(there) == (0, 0.0)


def test_an_entry_whose_moment_moved_on_waits_for_that(node: Node) -> None:
    """It was given back, taken, used and given back again meanwhile."""
    one = counts(node, 1)
    here = one.take("device", "a")
    one.give_back(here)
    assert one.take("device", "a") is here
    here.until = 50.0
    one.give_back(here)
    one.sweep(40.0)
    assert len(one) == 1
    one.sweep(50.0)
    assert len(one) == 0


def test_a_cleared_worker_counts_no_more(node: Node) -> None:
    """What a killed worker had counted does not stand in anybody's way."""
    one, two = counts(node, 1), counts(node, 2)
    here, there = one.take("device", "a"), two.take("device", "a")
    here.numbers = 3
    one.tell(here)
    node.clear(1)
    assert two.elsewhere(there) == (0, 0.0)


def test_a_key_without_a_place_counts_in_its_worker_alone(node: Node) -> None:
    """Nobody is refused because the memory is full, and it is known how many there are."""
    one, two = counts(node, 1), counts(node, 2)
    taken = [one.take("device", str(number)) for number in range(3000)]
    assert 0 < one.unshared < 3000
    for count in taken:
        count.numbers = 1
        one.tell(count)
    seen = sum(two.elsewhere(two.take("device", str(n)))[0] for n in range(3000))
    assert seen == 3000 - one.unshared
    for count in taken:
        one.give_back(count)
    one.sweep(1.0)
    assert len(one) == 0


@given(
    st.lists(
        st.tuples(
            st.integers(1, 3), st.integers(0, 5), st.sampled_from(["add", "take away", "restart"])
        ),
        max_size=80,
    )
)
def test_the_counts_of_several_writers_add_up(steps: list[tuple[int, int, str]]) -> None:
    """As a dictionary says it, however workers count, end and begin anew."""
    node = Node(workers=3, connections=10)
    workers = {number: counts(node, number) for number in (1, 2, 3)}
    have: dict[int, list[tuple[int, Count]]] = {1: [], 2: [], 3: []}
    model: Counter[tuple[int, int]] = Counter()
    for worker, key, what in steps:
        mine = have[worker]
        if what == "restart":
            node.clear(worker)
            workers[worker], have[worker] = counts(node, worker), []
            for pair in [pair for pair in model if pair[0] == worker]:
                del model[pair]
        elif what == "add":
            one = workers[worker].take("device", str(key))
            one.numbers += 1
            workers[worker].tell(one)
            mine.append((key, one))
            model[worker, key] += 1
        elif mine:
            known, one = mine.pop(0)
            one.numbers -= 1
            workers[worker].tell(one)
            workers[worker].give_back(one)
            workers[worker].sweep(0.0)
            model[worker, known] -= 1
    for worker, own in workers.items():
        assert _sums(own) == [
            sum(model[other, key] for other in workers if other != worker) for key in range(6)
        ]
    node.close()


def _sums(own: Counts) -> list[int]:
    return [own.elsewhere(own.take("device", str(key)))[0] for key in range(6)]
