"""Transactions: whole or not at all."""

import sqlite3
import threading

import pytest
from sqlalchemy import insert

from gateway.core.mailbox import Mailbox
from gateway.errors import StateError
from gateway.store.database import record_change
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

    def test_a_database_error_names_the_file(self, store: Store) -> None:
        """A constraint of the database becomes a StateError."""
        with (
            pytest.raises(StateError, match=r"store\.db cannot be written: .*NOT NULL"),
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
            before = connection.exec_driver_sql("SELECT count(*) FROM mailboxes").scalar()
            store.mailboxes.add(Mailbox("alice@example.test"))
            after = connection.exec_driver_sql("SELECT count(*) FROM mailboxes").scalar()
        assert (before, after) == (0, 0)
        assert len(store.mailboxes.list()) == 1

    def test_change_ids_are_never_given_twice(self, store: Store) -> None:
        """Removing the last rows of the log does not bring their ids back."""
        store.mailboxes.add(Mailbox("alice@example.test"))
        with sqlite3.connect(store.database.path) as connection:
            connection.execute("DELETE FROM changes")
        connection.close()
        store.mailboxes.add(Mailbox("bob@example.test"))
        assert store.change_id() == 2
