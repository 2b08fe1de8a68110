"""What is to be stored is stored in order, in batches, once."""

import asyncio
from collections.abc import Sequence

import pytest

from gateway.errors import StateError
from gateway.runtime import batch_writer
from gateway.runtime.batch_writer import BATCH, BatchWriter
from gateway.tasks import Tasks


class _Rows:
    """A table that refuses the first `failures` writes."""

    def __init__(self, failures: int = 0) -> None:
        self.batches: list[list[int]] = []
        self._failures = failures

    @property
    def items(self) -> list[int]:
        return [item for batch in self.batches for item in batch]

    def write(self, records: Sequence[int]) -> None:
        if self._failures:
            self._failures -= 1
            raise StateError("the store is locked")
        self.batches.append(list(records))


async def test_what_was_added_is_written_in_order_when_it_ends() -> None:
    """A clean end loses nothing."""
    rows, tasks = _Rows(), Tasks()
    writer = BatchWriter("audit", rows.write)
    running = tasks.spawn(writer.run(), name="audit writer")
    for number in range(BATCH * 2 + 3):
        writer.add(number)
    writer.close()
    await running
    assert rows.items == list(range(BATCH * 2 + 3))
    assert max(len(batch) for batch in rows.batches) == BATCH


async def test_a_full_batch_does_not_wait_for_the_second_to_pass() -> None:
    """A flood is written as it comes."""
    written, loop = asyncio.Event(), asyncio.get_running_loop()

    def write(_: Sequence[int]) -> None:
        loop.call_soon_threadsafe(written.set)

    writer, tasks = BatchWriter("audit", write), Tasks()
    running = tasks.spawn(writer.run(), name="audit writer")
    for number in range(BATCH):
        writer.add(number)
    await asyncio.wait_for(written.wait(), 5)
    writer.close()
    await running


async def test_a_refused_batch_is_written_later_and_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that is locked for a while costs no record."""
    monkeypatch.setattr(batch_writer, "FLUSH_SECONDS", 0.01)
    rows, tasks = _Rows(failures=2), Tasks()
    written, loop = asyncio.Event(), asyncio.get_running_loop()

    def write(records: Sequence[int]) -> None:
        rows.write(records)
        loop.call_soon_threadsafe(written.set)

    writer = BatchWriter("audit", write)
    running = tasks.spawn(writer.run(), name="audit writer")
    writer.add(1)
    writer.add(2)
    await asyncio.wait_for(written.wait(), 5)
    writer.close()
    await running
    assert rows.items == [1, 2]


async def test_what_finds_the_buffer_full_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded while the store is away, and the loss is in the metrics."""
    monkeypatch.setattr(batch_writer, "MOST_WAITING", 3)
    rows = _Rows()
    writer = BatchWriter("audit", rows.write)
    for number in range(5):
        writer.add(number)
    assert writer.dropped == 2
    writer.close()
    await writer.run()
    assert rows.items == [0, 1, 2]
