"""The audit trail is bounded by age and by number."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from structlog.testing import capture_logs

from gateway.errors import StateError
from gateway.runtime import housekeeping
from gateway.runtime.housekeeping import keep_house, tidy
from gateway.store.store import Store
from gateway.tasks import Tasks

_NOW = datetime(2026, 3, 1, tzinfo=UTC)


def _fill(store: Store, days: int) -> None:
    """One record a day, the latest now."""
    for age in range(days, -1, -1):
        with time_machine.travel(_NOW - timedelta(days=age), tick=False):
            store.audit.append([{"age": age}])


def _ages(store: Store) -> list[object]:
    return [one.record["age"] for one in store.audit.list()]


def test_records_past_the_age_are_removed(store: Store) -> None:
    """What is kept is at most so old."""
    _fill(store, 5)
    with time_machine.travel(_NOW, tick=False):
        assert tidy(store, age=timedelta(days=2)) == 3
    assert _ages(store) == [2, 1, 0]


def test_only_the_latest_rows_are_kept(store: Store) -> None:
    """A flood of denials does not fill the disk."""
    _fill(store, 5)
    with time_machine.travel(_NOW, tick=False):
        assert tidy(store, rows=2) == 4
    assert _ages(store) == [1, 0]


@pytest.mark.parametrize("rows", [6, 7])
def test_as_many_as_allowed_stay(store: Store, rows: int) -> None:
    """Nothing is removed that may stay."""
    _fill(store, 5)
    with time_machine.travel(_NOW, tick=False):
        assert tidy(store, rows=rows) == 0


async def test_the_house_is_kept_again_and_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store that refuses once is asked again at the next time."""
    monkeypatch.setattr(housekeeping, "EVERY_SECONDS", 0.01)
    loop, twice = asyncio.get_running_loop(), asyncio.Event()
    calls: list[Store] = []

    def failing_once(given: Store) -> int:
        calls.append(given)
        if len(calls) == 1:
            raise StateError("the store is locked")
        loop.call_soon_threadsafe(twice.set)
        return 0

    monkeypatch.setattr(housekeeping, "tidy", failing_once)
    tasks = Tasks()
    with capture_logs() as logs:
        tasks.spawn(keep_house(store), name="keep house")
        await asyncio.wait_for(twice.wait(), 5)
        await tasks.close()
    assert logs[0]["event"] == "store.untidied"
