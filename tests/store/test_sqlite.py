"""The embedded database: files, and what may befall them."""

import shutil
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.core.authority import Authority, AuthorityType
from gateway.core.mailbox import Mailbox
from gateway.errors import StateError
from gateway.store.follow import Follower
from gateway.store.store import Store, open_store
from tests.helpers import Pki
from tests.store.conftest import Place

ALICE = Mailbox("alice@x.test", "a@x.test")


def file_of(store: Store) -> Path:
    """The database file."""
    return Path(store.database.name)


class TestFile:
    """The file behind `open_store`."""

    def test_makes_a_directory_and_file_for_the_owner_alone(self, tmp_path: Path) -> None:
        """Nobody else may enter the directory or read the file."""
        with open_store(tmp_path / "new" / "state") as store:
            assert stat.S_IMODE((tmp_path / "new" / "state").stat().st_mode) == 0o700
            assert stat.S_IMODE(file_of(store).stat().st_mode) == 0o600

    def test_commits_are_durable(self, file_store: Store) -> None:
        """The journal is write-ahead, commits are synced, foreign keys hold."""
        with file_store.database.reading() as connection:
            pragmas = ("journal_mode", "synchronous", "foreign_keys")
            values = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in pragmas]
        assert values == ["wal", 2, 1]

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


class TestDamage:
    """`Store.require_integrity`, and writes to a file that is gone."""

    def test_integrity_of_a_damaged_store(self, file_store: Store) -> None:
        """A column without the value that it must have is found."""
        file_store.mailboxes.add(Mailbox("alice@example.test"))
        schema = "UPDATE sqlite_master SET sql = replace(sql, '{}', '{}')"
        for statement in (
            schema.format("upn TEXT NOT NULL", "upn TEXT"),
            "UPDATE mailboxes SET upn = NULL",
            schema.format("upn TEXT", "upn TEXT NOT NULL"),
        ):
            connection = sqlite3.connect(file_of(file_store), isolation_level=None)
            connection.execute("PRAGMA writable_schema = ON")
            connection.execute(statement)
            connection.close()
        file_store.close()
        with pytest.raises(StateError, match=r"is damaged: NULL value in mailboxes\.upn"):
            file_store.require_integrity()

    def test_integrity_of_a_file_that_cannot_be_read(self, file_store: Store) -> None:
        """A page that was overwritten is an error, too."""
        names = (f"user{number}@example.test" for number in range(500))
        file_store.mailboxes.import_all([Mailbox(name, name) for name in names])
        file_store.close()
        content = bytearray(file_of(file_store).read_bytes())
        content[len(content) // 2 : len(content) // 2 + 4096] = b"\x55" * 4096
        file_of(file_store).write_bytes(content)
        with pytest.raises(StateError, match=r"the store .* (is damaged|cannot be read)"):
            file_store.require_integrity()

    def test_a_store_that_vanished_is_not_replaced(self, file_store: Store) -> None:
        """A write after the file is gone fails, and makes no new file."""
        file_store.close()
        file_of(file_store).unlink()
        with pytest.raises(StateError, match="cannot be written"):
            file_store.mailboxes.add(Mailbox("alice@example.test"))
        assert not file_of(file_store).exists()


@pytest.fixture
def follower(file_place: Place, file_store: Store) -> Iterator[Follower]:
    """A follower in a process of its own, as far as the store can tell."""
    with file_place.open() as own:
        following = Follower(own)
        yield following
        following.close()


@pytest.fixture
def root(pki: Pki) -> Authority:
    """A root CA."""
    return Authority.from_der(
        pki.root.certificate.public_bytes(Encoding.DER),
        authority_type=AuthorityType.ROOT,
        crl_distribution_point=None,
    )


class TestFollowing:
    """`Follower.poll` when the file goes away."""

    def test_a_store_that_vanished_is_an_error_until_it_is_back(
        self, file_store: Store, follower: Follower, tmp_path: Path
    ) -> None:
        """The file's name is in the error; a poll after its return is well again."""
        file_store.mailboxes.add(ALICE)
        follower.poll()
        file_store.close()
        path = file_of(file_store)
        path.rename(tmp_path / "away")
        for _ in range(2):
            with pytest.raises(StateError, match=r"store\.db cannot be read"):
                follower.poll()
        (tmp_path / "away").rename(path)
        follower.poll()
        file_store.valid_from.revoke(ALICE.upn)
        snapshot = follower.poll()
        assert snapshot is not None
        assert snapshot.token_valid_from(ALICE.key) is not None

    def test_another_file_in_its_place_is_read_whole(
        self, file_store: Store, follower: Follower, tmp_path: Path
    ) -> None:
        """A restored store with the same change id does not pass for the old one."""
        file_store.mailboxes.add(ALICE)
        follower.poll()
        with open_store(tmp_path / "other") as other:
            other.mailboxes.add(Mailbox("bob@x.test"))
        file_store.close()
        for leftover in ("store.db-wal", "store.db-shm"):
            file_of(file_store).with_name(leftover).unlink()
        (tmp_path / "other" / "store.db").replace(file_of(file_store))
        snapshot = follower.poll()
        assert snapshot is not None
        assert snapshot.change_id == 1
        assert snapshot.find_by_upn(ALICE.upn) is None
        assert snapshot.find_by_upn("bob@x.test") is not None

    def test_a_new_store_without_a_root_is_not_followed(
        self, file_store: Store, follower: Follower, tmp_path: Path, root: Authority
    ) -> None:
        """It hides that the old one was lost, which is an error until that is back."""
        file_store.authorities.add(root)
        follower.poll()
        file_store.close()
        path = file_of(file_store)
        shutil.copytree(path.parent, tmp_path / "saved")
        for file in path.parent.iterdir():
            file.unlink()
        with open_store(path.parent) as empty:
            for _ in range(2):
                with pytest.raises(StateError, match="replaced by one without any root CA"):
                    follower.poll()
            empty.mailboxes.add(ALICE)
            with pytest.raises(StateError, match="replaced by one without any root CA"):
                follower.poll()
        for file in path.parent.iterdir():
            file.unlink()
        shutil.copytree(tmp_path / "saved", path.parent, dirs_exist_ok=True)
        snapshot = follower.poll()
        assert snapshot is not None
        assert snapshot.authorities == {root.id: root}
        with open_store(path.parent) as back:
            back.authorities.remove(root.id)
        snapshot = follower.poll()
        assert snapshot is not None
        assert not snapshot.authorities

    def test_a_new_store_with_a_root_is_followed(
        self, file_store: Store, follower: Follower, root: Authority
    ) -> None:
        """The error of the empty one ends as soon as a CA is added to it."""
        file_store.authorities.add(root)
        follower.poll()
        file_store.close()
        path = file_of(file_store)
        for file in path.parent.iterdir():
            file.unlink()
        with open_store(path.parent) as new:
            with pytest.raises(StateError):
                follower.poll()
            new.authorities.add(root)
            new.mailboxes.add(ALICE)
            snapshot = follower.poll()
        assert snapshot is not None
        assert snapshot.find_by_upn(ALICE.upn) == ALICE
