"""Opening, closing and the integrity of the store."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier

import pytest
import time_machine
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text

from gateway.core.mailbox import Mailbox
from gateway.errors import StateError
from gateway.store.schema import ChangeKind, metadata
from gateway.store.store import Store, open_store, store_exists
from tests.store.conftest import Place


class TestOpenStore:
    """`open_store`."""

    def test_keeps_what_was_stored(self, place: Place) -> None:
        """Opening a second time finds the mailbox and the same change id."""
        with place.open() as store:
            store.mailboxes.add(Mailbox("alice@example.test"))
            before = store.change_id()
        with place.open() as store:
            assert store.mailboxes.get("alice@example.test").upn == "alice@example.test"
            assert store.change_id() == before

    def test_migrations_make_the_schema_of_the_program(self, store: Store) -> None:
        """Alembic finds no difference between the migrated database and the tables."""
        with store.database.reading() as connection:
            context = MigrationContext.configure(connection)
            assert compare_metadata(context, metadata) == []

    def test_processes_that_start_at_once_share_one_store(self, place: Place) -> None:
        """Each of several that make the store at the same time finds it whole."""
        start = Barrier(6)

        def first_look(number: int) -> str:
            start.wait()
            with place.open() as store:
                store.mailboxes.add(Mailbox(f"u{number}@x.test"))
                return store.mailboxes.get(f"u{number}@x.test").upn

        with ThreadPoolExecutor(6) as pool:
            assert len(set(pool.map(first_look, range(6)))) == 6
        with place.open() as store:
            assert store.change_id() == 6

    def test_refuses_a_store_of_a_newer_program(self, place: Place) -> None:
        """An unknown schema version is named, and nothing is changed."""
        with place.open() as store, store.database.writing() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        with pytest.raises(StateError, match=r"schema 9999, which is newer"):
            place.open()


class TestStoreExists:
    """`store_exists`."""

    def test_says_whether_there_is_one(self, place: Place) -> None:
        """Asking makes none."""
        for _ in range(2):
            assert not store_exists(place.directory, place.location)
        place.open().close()
        assert store_exists(place.directory, place.location)


class TestStore:
    """`Store`."""

    def test_integrity_of_a_sound_store(self, store: Store) -> None:
        """A sound store raises nothing."""
        store.require_integrity()

    def test_the_clocks_of_one_machine_agree(self, store: Store) -> None:
        """The store's time is UTC, to the microsecond of the same clock."""
        before = datetime.now(UTC)
        assert before <= store.database.now() <= datetime.now(UTC)
        assert abs(store.clock_difference()) < timedelta(seconds=1)

    def test_a_clock_ahead_is_told_from_one_behind(self, store: Store, place: Place) -> None:
        """A machine whose clock is an hour ahead finds a server's an hour behind it."""
        with time_machine.travel(datetime.now(UTC) + timedelta(hours=1)):
            difference = store.clock_difference()
        wanted = timedelta(0) if place.is_sqlite else timedelta(hours=-1)
        assert abs(difference - wanted) < timedelta(minutes=1)


class TestChangesSince:
    """`Store.changes_since`."""

    def test_names_the_kinds(self, store: Store) -> None:
        """Of those after the id that is given, and none at the end of the log."""
        assert store.changes_since(None) == (0, frozenset())
        store.mailboxes.add(Mailbox(upn="alice@example.test"))
        first = store.change_id()
        store.valid_from.revoke("alice@example.test")
        last, kinds = store.changes_since(first)
        assert (last, kinds) == (store.change_id(), frozenset({ChangeKind.TOKEN_VALID_FROM}))
        assert ChangeKind.MAILBOX in store.changes_since(0)[1]
        assert store.changes_since(last) == store.changes_since(None) == (last, frozenset())

    def test_an_id_to_come_is_another_stores(self, store: Store) -> None:
        """All of the store may be another then."""
        assert store.changes_since(7) == (0, frozenset({ChangeKind.STORE}))


def test_a_store_that_was_lost_is_not_made_anew(tmp_path: Path) -> None:
    """A process that starts beside a running gateway says so, and leaves the folder as it was."""
    with pytest.raises(StateError, match=r"there is no store .*store\.db; `eas-gateway ca add`"):
        open_store(tmp_path, create=False)
    assert not list(tmp_path.iterdir())
