"""Tasks are named and held; their failures are logged, and closing ends them all."""

import asyncio
import gc
from collections.abc import Iterator

import pytest
import structlog
from structlog.testing import LogCapture

from gateway.tasks import Tasks


@pytest.fixture
def log() -> Iterator[LogCapture]:
    """What is logged; the settings are as before afterwards."""
    before = structlog.get_config()
    captured = LogCapture()
    structlog.configure(processors=[captured], cache_logger_on_first_use=False)
    yield captured
    structlog.configure(**before)


async def test_task_is_named_and_runs() -> None:
    """The work is done by a task that bears the name."""
    names: list[str] = []

    async def work() -> None:
        task = asyncio.current_task()
        assert task is not None
        names.append(task.get_name())

    await Tasks().spawn(work(), name="follow")
    assert names == ["follow"]


async def test_task_is_held() -> None:
    """A task that only `Tasks` knows survives the garbage collector."""
    tasks, go, done = Tasks(), asyncio.Event(), asyncio.Event()

    async def work() -> None:
        await go.wait()
        done.set()

    tasks.spawn(work(), name="held")
    await asyncio.sleep(0)
    gc.collect()
    go.set()
    await done.wait()


async def test_failure_is_logged(log: LogCapture) -> None:
    """An exception ends the task alone and is one log line with the task's name."""

    async def work() -> None:
        raise ValueError("broken")

    tasks = Tasks()
    task = tasks.spawn(work(), name="refresh")
    await asyncio.wait([task])
    await asyncio.sleep(0)
    (entry,) = log.entries
    assert (entry["event"], entry["task"]) == ("task.failed", "refresh")
    assert "broken" in entry["error"]


async def test_close_ends_all(log: LogCapture) -> None:
    """After `close` every task has ended, and a cancelled one is no failure."""
    tasks = Tasks()
    ended: list[str] = []

    async def work(name: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(name)

    spawned = [tasks.spawn(work(name), name=name) for name in ("a", "b")]
    await asyncio.sleep(0)
    await tasks.close()
    assert sorted(ended) == ["a", "b"]
    assert all(task.cancelled() for task in spawned)
    assert log.entries == []


async def test_close_without_tasks() -> None:
    """There is nothing to wait for."""
    await Tasks().close()


async def test_failure_is_told_and_no_other_end_is() -> None:
    """The owner hears of an exception; a task that returns or is cancelled is none."""
    told: list[str] = []
    tasks = Tasks(failed=lambda: told.append("failed"))

    async def work(*, fails: bool) -> None:
        if fails:
            raise ValueError("broken")

    async def for_ever() -> None:
        await asyncio.Event().wait()

    tasks.spawn(for_ever(), name="for ever")
    await asyncio.wait([tasks.spawn(work(fails=False), name="returns")])
    await asyncio.sleep(0)
    assert told == []
    await asyncio.wait([tasks.spawn(work(fails=True), name="fails")])
    await asyncio.sleep(0)
    await tasks.close()
    assert told == ["failed"]
