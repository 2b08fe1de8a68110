"""Opening, closing and the integrity of the store."""

import sqlite3
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from gateway.core.mailbox import Mailbox
from gateway.errors import StateError
from gateway.store.schema import metadata
from gateway.store.store import Store, open_store


def file_of(store: Store) -> Path:
    """The database file."""
    return store.database.path


class TestOpenStore:
    """`open_store`."""

    def test_makes_a_directory_and_file_for_the_owner_alone(self, tmp_path: Path) -> None:
        """Nobody else may enter the directory or read the file."""
        with open_store(tmp_path / "new" / "state") as store:
            assert stat.S_IMODE((tmp_path / "new" / "state").stat().st_mode) == 0o700
            assert stat.S_IMODE(file_of(store).stat().st_mode) == 0o600

    def test_keeps_what_was_stored(self, tmp_path: Path) -> None:
        """Opening a second time finds the mailbox and the same change id."""
        with open_store(tmp_path) as store:
            store.mailboxes.add(Mailbox("alice@example.test"))
            before = store.change_id()
        with open_store(tmp_path) as store:
            assert store.mailboxes.get("alice@example.test").upn == "alice@example.test"
            assert store.change_id() == before

    def test_migrations_make_the_schema_of_the_program(self, store: Store) -> None:
        """Alembic finds no difference between the migrated database and the tables."""
        with store.database.reading() as connection:
            context = MigrationContext.configure(connection)
            assert compare_metadata(context, metadata) == []

    def test_commits_are_durable(self, store: Store) -> None:
        """The journal is write-ahead, commits are synced, foreign keys hold."""
        with store.database.reading() as connection:
            pragmas = ("journal_mode", "synchronous", "foreign_keys")
            values = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in pragmas]
        assert values == ["wal", 2, 1]

    def test_processes_that_start_at_once_share_one_store(self, tmp_path: Path) -> None:
        """Each of several that make the store at the same time finds it whole."""
        start = Barrier(6)

        def first_look(number: int) -> str:
            start.wait()
            with open_store(tmp_path / "state") as store:
                store.mailboxes.add(Mailbox(f"u{number}@x.test"))
                return store.mailboxes.get(f"u{number}@x.test").upn

        with ThreadPoolExecutor(6) as pool:
            assert len(set(pool.map(first_look, range(6)))) == 6
        with open_store(tmp_path / "state") as store:
            assert store.change_id() == 6

    def test_refuses_a_store_of_a_newer_program(self, tmp_path: Path) -> None:
        """An unknown schema version is named, and nothing is changed."""
        open_store(tmp_path).close()
        with sqlite3.connect(tmp_path / "store.db") as connection:
            connection.execute("UPDATE alembic_version SET version_num = '9999'")
        with pytest.raises(StateError, match=r"schema 9999, which is newer"):
            open_store(tmp_path)

    def test_refuses_a_file_that_is_no_database(self, tmp_path: Path) -> None:
        """The error names the file, and the file stays as it was."""
        (tmp_path / "store.db").write_bytes(b"not a database, but long enough to be read" * 100)
        with pytest.raises(StateError, match=r"store\.db cannot be read: file is not a database"):
            open_store(tmp_path)
        assert (tmp_path / "store.db").read_bytes().startswith(b"not a database")

    def test_refuses_a_directory_that_is_a_file(self, tmp_path: Path) -> None:
        """The error names the path."""
        (tmp_path / "state").write_text("in the way")
        with pytest.raises(StateError, match=r"state/store\.db cannot be opened"):
            open_store(tmp_path / "state")

    def test_odd_characters_in_the_path_are_no_matter(self, tmp_path: Path) -> None:
        """A question mark, a hash and a per cent sign are part of the name."""
        with open_store(tmp_path / "a?b#c%41") as store:
            assert store.change_id() == 0
        assert (tmp_path / "a?b#c%41" / "store.db").exists()


class TestStore:
    """`Store`."""

    def test_integrity_of_a_sound_store(self, store: Store) -> None:
        """A sound store raises nothing."""
        store.require_integrity()

    def test_integrity_of_a_damaged_store(self, store: Store) -> None:
        """A column without the value that it must have is found."""
        store.mailboxes.add(Mailbox("alice@example.test"))
        schema = "UPDATE sqlite_master SET sql = replace(sql, '{}', '{}')"
        for statement in (
            schema.format("upn TEXT NOT NULL", "upn TEXT"),
            "UPDATE mailboxes SET upn = NULL",
            schema.format("upn TEXT", "upn TEXT NOT NULL"),
        ):
            connection = sqlite3.connect(file_of(store), isolation_level=None)
            connection.execute("PRAGMA writable_schema = ON")
            connection.execute(statement)
            connection.close()
        store.close()
        with pytest.raises(StateError, match=r"is damaged: NULL value in mailboxes\.upn"):
            store.require_integrity()

    def test_integrity_of_a_file_that_cannot_be_read(self, store: Store) -> None:
        """A page that was overwritten is an error, too."""
        names = (f"user{number}@example.test" for number in range(500))
        store.mailboxes.import_all([Mailbox(name, name) for name in names])
        store.close()
        content = bytearray(file_of(store).read_bytes())
        content[len(content) // 2 : len(content) // 2 + 4096] = b"\x55" * 4096
        file_of(store).write_bytes(content)
        with pytest.raises(StateError, match=r"the store .* (is damaged|cannot be read)"):
            store.require_integrity()

    def test_a_store_that_vanished_is_not_replaced(self, store: Store) -> None:
        """A write after the file is gone fails, and makes no new file."""
        store.close()
        file_of(store).unlink()
        with pytest.raises(StateError, match="cannot be written"):
            store.mailboxes.add(Mailbox("alice@example.test"))
        assert not file_of(store).exists()
