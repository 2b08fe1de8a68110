"""The memory of a node: each worker writes its region alone, and all find what is in it."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.limits.memory import PROBES, WORDS, Layout, Memory, NodeMemory

_PLACES = 1024


@pytest.fixture
def node() -> Iterator[NodeMemory]:
    """The memory of two workers."""
    made = NodeMemory(Layout.fitting(workers=2, connections=1))
    yield made
    made.close()


def _meeting(number: int) -> int:
    """Digests that all want the same place."""
    return (number + 1) * _PLACES + 7


def test_there_is_room_for_all_connections() -> None:
    """A table is half empty when every connection has four keys that no other one has."""
    for connections in (1, 1000, 16000, 100_000):
        assert Layout.fitting(workers=1, connections=connections).places >= connections * 8


def test_a_large_configuration_does_not_take_all_memory() -> None:
    """The table of a worker ends at 64 MB."""
    assert Layout.fitting(workers=1, connections=10**9).size < 65 * 1024 * 1024


def test_digests_are_the_same_in_all_workers_and_others_at_another_start(node: NodeMemory) -> None:
    """Nobody outside knows which names meet."""
    first, second = (Memory(node.fd, node.layout, number) for number in (1, 2))
    other = NodeMemory(node.layout)
    third = Memory(other.fd, other.layout, 1)
    assert first.digest("device", "a", "b") == second.digest("device", "a", "b")
    assert first.digest("device", "a", "b") != third.digest("device", "a", "b")
    assert first.digest("device", "a", "b") != first.digest("device", "ab", "")
    other.close()


def test_a_descriptor_is_not_needed_once_it_is_mapped(node: NodeMemory) -> None:
    """What is written goes on to be seen."""
    fd = os.dup(node.fd)
    first, second = Memory(fd, node.layout, 1), Memory(node.fd, node.layout, 2)
    os.close(fd)
    first.words[first.add(1234) + 1] = 5
    assert second.words[second.find(second.others[0], 1234) + 1] == 5


def test_a_full_neighbourhood_takes_no_more(node: NodeMemory) -> None:
    """-1 once all places in reach are taken; one that is freed is used again."""
    memory = Memory(node.fd, node.layout, 1)
    places = [memory.add(_meeting(number)) for number in range(PROBES)]
    assert len(set(places)) == PROBES
    assert memory.add(_meeting(99)) == -1
    memory.remove(places[3])
    assert memory.add(_meeting(99)) == places[3]
    assert memory.find(memory.own, _meeting(99)) == places[3]


def test_the_last_entry_of_a_region_leaves_the_next_region_alone(node: NodeMemory) -> None:
    """Behind the end of a region another worker's begins."""
    first, second = (Memory(node.fd, node.layout, number) for number in (1, 2))
    last = [first.add(number * _PLACES + _PLACES - 1) for number in range(1, PROBES + 2)]
    assert last[-1] == -1
    at = second.add(_PLACES)
    assert at == second.own
    for place in last[:-1]:
        first.remove(place)
    assert second.find(second.own, _PLACES) == at
    assert first.words[first.own : second.own].tolist() == [0] * node.layout.region_words


def test_a_cleared_region_is_empty_and_the_others_are_not(node: NodeMemory) -> None:
    """As after the end of a worker."""
    first, second = (Memory(node.fd, node.layout, number) for number in (1, 2))
    first.add(10)
    second.add(10)
    node.clear(1)
    assert first.find(first.own, 10) == -1
    assert first.find(second.own, 10) != -1


@given(
    st.lists(
        st.tuples(st.integers(1, 2), st.integers(0, 30), st.integers(0, 1 << 63)), max_size=200
    )
)
def test_a_region_is_a_dictionary(steps: list[tuple[int, int, int]]) -> None:
    """Whatever two writers add and remove, each finds all that is there, and nothing else.

    All keys want one of three neighbouring places, the last ones of a region.
    """
    node = NodeMemory(Layout(workers=2, places=_PLACES))
    memories = {number: Memory(node.fd, node.layout, number) for number in (1, 2)}
    model: dict[int, dict[int, int]] = {1: {}, 2: {}}
    for writer, key, value in steps:
        memory, known = memories[writer], model[writer]
        digest = (key + 1) * _PLACES + _PLACES - 1 - key % 3
        at = memory.find(memory.own, digest)
        if digest in known:
            memory.remove(at)
            del known[digest]
        elif (at := memory.add(digest)) != -1:
            memory.words[at + 1] = known[digest] = value
    for reader in memories.values():
        for writer, known in model.items():
            region = node.layout.region(writer)
            found = {
                digest: reader.words[at + 1]
                for key in range(31)
                if (
                    at := reader.find(region, digest := (key + 1) * _PLACES + _PLACES - 1 - key % 3)
                )
                != -1
            }
            assert found == known
    for writer, known in model.items():
        for digest in list(known):
            memories[writer].remove(memories[writer].find(memories[writer].own, digest))
    assert set(memories[1].words[memories[1].own :: WORDS]) == {0}
    node.close()
