"""Messages between workers."""

import asyncio
import os
from collections.abc import Iterator

import pytest

from gateway.limits.bus import Bus, Pipes


@pytest.fixture
def pipes() -> Iterator[Pipes]:
    """Those of two workers."""
    made = Pipes(2)
    yield made
    made.close()


def _bus(pipes: Pipes, number: int) -> Bus:
    """The side of a worker, as it has inherited it."""
    saying = [os.dup(fd) for at, fd in enumerate(pipes.saying, 1) if at != number]
    return Bus(os.dup(pipes.hearing[number - 1]), saying)


async def test_what_was_said_before_is_heard_by_the_next_worker(pipes: Pipes) -> None:
    """In order and whole, though the worker that it was meant for has ended."""
    one, two = _bus(pipes, 1), _bus(pipes, 2)
    one.send(2**64 - 1, 1.5)
    two.close()
    next_two, heard = _bus(pipes, 2), asyncio.Queue[tuple[int, float]]()
    next_two.hear(lambda *message: heard.put_nowait(message))
    one.send(7, 2.5)
    async with asyncio.timeout(10):
        assert [await heard.get(), await heard.get()] == [(2**64 - 1, 1.5), (7, 2.5)]
    next_two.close()
    one.close()


async def test_more_than_is_taken_at_once_is_heard(pipes: Pipes) -> None:
    """The rest in the next turn of the event loop."""
    one, two = _bus(pipes, 1), _bus(pipes, 2)
    for number in range(250):
        one.send(number, 0.0)
    assert one.dropped == 0
    heard, all_heard = [], asyncio.Event()

    def take(digest: int, _moment: float) -> None:
        heard.append(digest)
        if len(heard) == 250:
            all_heard.set()

    two.hear(take)
    async with asyncio.timeout(10):
        await all_heard.wait()
    assert heard == list(range(250))
    one.close()
    two.close()


def test_a_full_pipe_drops_and_counts(pipes: Pipes) -> None:
    """A worker that hangs keeps nobody waiting."""
    one = _bus(pipes, 1)
    while not one.dropped:
        one.send(1, 1.0)
    one.close()


async def test_the_end_of_all_pipes_is_the_end_of_hearing(pipes: Pipes) -> None:
    """The supervisor is gone, and all workers are: what can be read for ever is read once."""
    two = _bus(pipes, 2)
    pipes.close()
    two.hear(lambda *_: None)
    for _ in range(10):
        await asyncio.sleep(0)
    assert not asyncio.get_running_loop().remove_reader(two._hearing)
    two.close()
