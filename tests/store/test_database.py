"""Transactions: whole or not at all."""

import threading

import pytest
from sqlalchemy import delete, insert, select, text

from gateway.core.mailbox import Mailbox
from gateway.errors import StateError
from gateway.store.database import latest_change, record_change
from gateway.store.schema import ChangeKind, changes, mailboxes
from gateway.store.store import Store


class TestWriting:
    """`Database.writing`."""

    def test_an_exception_undoes_the_write_and_its_change(self, store: Store) -> None:
        """Neither the row nor the change is there after an error half-way."""

        def write_half() -> None:
            with store.database.writing() as connection:
                row = {"key": "k", "upn": "k", "proxy_addresses": "", "enabled": True}
                connection.execute(insert(mailboxes).values(row))
                record_change(connection, ChangeKind.MAILBOX, "k", store.database.now())
                raise RuntimeError

        with pytest.raises(RuntimeError):
            write_half()
        assert store.mailboxes.list() == []
        assert store.change_id() == 0

    def test_a_database_error_names_the_store(self, store: Store) -> None:
        """A constraint of the database becomes a StateError."""
        with (
            pytest.raises(
                StateError, match=r"the store .* cannot be written: .*(NOT NULL|not-null)"
            ),
            store.database.writing() as connection,
        ):
            connection.execute(insert(changes).values({"kind": "mailbox"}))

    def test_writers_wait_for_each_other(self, store: Store) -> None:
        """Two threads that write at once both succeed, and their change ids differ."""
        start = threading.Barrier(2)
        failed: list[Exception] = []

        def add(prefix: str) -> None:
            start.wait()
            try:
                for number in range(20):
                    store.mailboxes.add(Mailbox(f"{prefix}{number}@example.test"))
            except StateError as error:
                failed.append(error)

        threads = [threading.Thread(target=add, args=[prefix]) for prefix in "ab"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failed == []
        assert store.change_id() == len(store.mailboxes.list()) == 40

    def test_a_reader_sees_one_state(self, store: Store) -> None:
        """What is committed during a read transaction is not seen in it."""
        with store.database.reading() as connection:
            before = connection.execute(text("SELECT count(*) FROM mailboxes")).scalar()
            store.mailboxes.add(Mailbox("alice@example.test"))
            after = connection.execute(text("SELECT count(*) FROM mailboxes")).scalar()
        assert (before, after) == (0, 0)
        assert len(store.mailboxes.list()) == 1

    def test_change_ids_are_never_given_twice(self, store: Store) -> None:
        """Removing the last rows of the log does not bring their ids back."""
        store.mailboxes.add(Mailbox("alice@example.test"))
        with store.database.writing() as connection:
            connection.execute(delete(changes))
        store.mailboxes.add(Mailbox("bob@example.test"))
        assert store.change_id() == 2

    def test_change_ids_follow_in_the_order_of_commits(self, store: Store) -> None:
        """Whoever has read up to an id never misses a smaller one that is committed later."""
        done = threading.Event()
        seen: list[int] = []

        def read() -> None:
            while not done.is_set():
                with store.database.reading() as connection:
                    ids = connection.execute(select(changes.c.id).order_by(changes.c.id)).scalars()
                    seen.append(len(ids.all()) - (latest_change(connection)))

        reader = threading.Thread(target=read)

        def write(name: str) -> None:
            for number in range(15):
                store.mailboxes.add(Mailbox(f"{name}{number}@x.test"))

        writers = [threading.Thread(target=write, args=[name]) for name in "abc"]
        for thread in (reader, *writers):
            thread.start()
        for thread in writers:
            thread.join()
        done.set()
        reader.join()
        assert set(seen) == {0}


class TestNow:
    """`Database.now`."""

    def test_is_asked_within_a_write(self, store: Store) -> None:
        """It goes on in a transaction, rather than standing at its beginning."""
        with store.database.writing():
            first = store.database.now()
            assert first < store.database.now()
