"""Control sees new authorities and new revocations, and a store that cannot be read."""

import asyncio
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateway.core.authority import Authority
from gateway.core.mailbox import Mailbox
from gateway.runtime import store_watch
from gateway.runtime.store_watch import StoreWatch
from gateway.store.database import record_change
from gateway.store.schema import ChangeKind
from gateway.store.sqlite import FILE_NAME
from gateway.store.store import Store, open_store
from gateway.tasks import Tasks


async def test_authorities_are_those_of_the_store(store: Store, root: Authority) -> None:
    """A CA that was just added is seen with the next look."""
    watch = StoreWatch(store)
    assert watch.failure == "the store has not been read yet"
    await watch.look()
    assert not watch.failure
    assert not watch.authorities
    store.authorities.add(root)
    await watch.look()
    assert list(watch.authorities) == [root]


async def test_what_keeps_workers_from_serving(store: Store, root: Authority) -> None:
    """What the administrator can do about it comes first."""
    watch = StoreWatch(store)
    assert watch.obstacle == "the store has not been read yet"
    await watch.look()
    assert watch.obstacle == "no root CA is known"
    store.authorities.add(root)
    await watch.look()
    assert "state.max_staleness_seconds" in watch.obstacle


async def test_only_a_new_token_valid_from_counts_as_one(store: Store, root: Authority) -> None:
    """Neither an old one nor another change asks for all CRLs at once."""
    store.mailboxes.add(Mailbox(upn="alice@example.test"))
    store.valid_from.revoke("alice@example.test")
    watch = StoreWatch(store)
    assert not await watch.look()
    store.authorities.add(root)
    assert not await watch.look()
    store.valid_from.revoke("alice@example.test")
    assert await watch.look()
    assert not await watch.look()


async def test_a_change_of_the_whole_store_counts_as_one(store: Store) -> None:
    """Whoever a restored store keeps out waits for the next CRL, too."""
    watch = StoreWatch(store)
    assert not await watch.look()
    with store.database.writing() as connection:
        record_change(connection, ChangeKind.STORE, "", datetime.now(UTC))
    assert await watch.look()
    assert not await watch.look()


async def test_a_revocation_is_told_while_it_runs(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The schedule is asked to refresh now."""
    monkeypatch.setattr(store_watch, "POLL_SECONDS", 0.01)
    store.mailboxes.add(Mailbox(upn="alice@example.test"))
    watch, tasks, told = StoreWatch(store), Tasks(), asyncio.Event()
    await watch.look()
    tasks.spawn(watch.run(revoked=told.set), name="watch")
    await asyncio.to_thread(store.valid_from.revoke, "alice@example.test")
    await asyncio.wait_for(told.wait(), 5)
    await tasks.close()


async def test_a_store_that_cannot_be_read_is_a_sentence_and_one_log_line(
    store: Store, root: Authority, state_directory: Path
) -> None:
    """What was known stays known, and the log is not flooded."""
    store.authorities.add(root)
    watch = StoreWatch(store)
    await watch.look()
    store.database.forget_connections()
    (state_directory / FILE_NAME).rename(state_directory / "away")
    with capture_logs() as logs:
        await watch.look()
        await watch.look()
    assert [line["event"] for line in logs] == ["store.unreadable"]
    assert watch.failure is not None
    assert str(state_directory / FILE_NAME) in watch.failure
    assert list(watch.authorities) == [root]
    (state_directory / "away").rename(state_directory / FILE_NAME)
    await watch.look()
    assert watch.failure is None


def _replace(directory: Path, other: Path) -> None:
    """The store in `directory` is now that of `other`, as `rm` and `cp` leave it."""
    for file in directory.glob(f"{FILE_NAME}*"):
        file.unlink()
    shutil.copy(other / FILE_NAME, directory)


async def test_another_file_in_place_of_the_store_is_read(
    store: Store, root: Authority, state_directory: Path, tmp_path: Path
) -> None:
    """What an operator put back is what counts, its revocations too, not the deleted file."""
    watch = StoreWatch(store)
    await watch.look()
    with open_store(tmp_path / "other") as other:
        other.authorities.add(root)
        other.mailboxes.add(Mailbox(upn="alice@example.test"))
        other.valid_from.revoke("alice@example.test")
    _replace(state_directory, tmp_path / "other")
    assert await watch.look()
    assert list(watch.authorities) == [root]
    store.audit.append([{"n": 1}])
    with open_store(state_directory) as there:
        assert [one.record for one in there.audit.list()] == [{"n": 1}]
    assert not await watch.look()


async def test_a_clock_that_differs_is_known_and_logged(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store stamps revocations: more than a second is worth a warning."""
    watch = StoreWatch(store)
    await watch.compare()
    assert watch.ahead is not None
    assert abs(watch.ahead) < 1
    monkeypatch.setattr(store.database, "now", lambda: datetime.now(UTC) + timedelta(seconds=3))
    with capture_logs() as logs:
        await watch.compare()
    assert watch.ahead == pytest.approx(3, abs=0.5)
    assert [line["event"] for line in logs] == ["store.clock_differs"]
