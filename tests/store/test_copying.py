"""Backup, restore and copy between stores of each kind."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import Select, delete, select, text

from gateway.core.authority import Authority, AuthorityType, CrlSource
from gateway.core.device import Access, Characteristic, Device, DeviceCertificate
from gateway.core.mailbox import Mailbox
from gateway.errors import StateError
from gateway.store.backup import back_up, opened_copy, restore
from gateway.store.certificates import SeenCertificate
from gateway.store.copying import copy_rows
from gateway.store.follow import Follower
from gateway.store.schema import ChangeKind, changes, metadata
from gateway.store.store import Store, open_store
from tests.helpers import Pki
from tests.store.conftest import KINDS, Place, make_place

ALICE = Mailbox(
    "Älice@x.test", "a@x.test", ("aa@x.test", "ab@x.test"), "alice", "X", False, ("alice@local",)
)


@pytest.fixture(params=KINDS)
def other(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """A second store, of each kind."""
    with make_place(request, tmp_path / "other", request.param).open() as opened:
        yield opened


def fill(store: Store, pki: Pki) -> None:
    """Every table has a row, and some have many."""
    der = pki.root.certificate.public_bytes(Encoding.DER)
    source = CrlSource("http://x.test/more.crl", None)
    root = Authority.from_der(
        der, authority_type=AuthorityType.ROOT, crl_distribution_point="http://x.test/"
    )
    store.authorities.add(root)
    store.authorities.add_source(root.id, source)
    store.mailboxes.add(ALICE)
    store.mailboxes.import_all([Mailbox(f"u{number}@x.test") for number in range(1200)])
    store.valid_from.revoke(ALICE.upn)
    store.certificates.block(root.id, 2**150)
    now = store.database.now()
    day = timedelta(days=1)
    seen = SeenCertificate(
        root.id, 2**70, ALICE.key, "CN=Ä", "00" * 32, now - day, now + day, now, now
    )
    store.certificates.record_seen([seen])
    certificate = DeviceCertificate(root.id, 2**70, now)
    device = Device(ALICE.key, "D", now, now, policy_key=2**32 - 1, certificate=certificate)
    store.devices.record([device])
    store.device_rules.add(Characteristic.OS, "*", Access.BLOCK)
    store.audit.append([{"mailbox": ALICE.upn, "n": number} for number in range(3)])


def rows(store: Store) -> dict[str, list[tuple[Any, ...]]]:
    """All that is in the store."""
    with store.database.reading() as connection:
        return {
            table.name: [tuple(row) for row in connection.execute(_ordered(table.name))]
            for table in metadata.sorted_tables
        }


def _ordered(name: str) -> "Select[tuple[Any, ...]]":
    table = metadata.tables[name]
    statement = select(*table.c).order_by(*table.primary_key)
    if name == "changes":
        return statement.where(table.c.kind != ChangeKind.STORE.value)
    return statement


class TestCopyRows:
    """`copy_rows`."""

    def test_every_row_is_the_same(self, store: Store, other: Store, pki: Pki) -> None:
        """In every table, to the last microsecond, and counted."""
        fill(store, pki)
        counts = copy_rows(store, other)
        copied = rows(other)
        assert copied == rows(store)
        assert counts == {name: len(found) for name, found in copied.items()}
        assert all(counts.values())

    def test_numbers_go_on_after_those_copied(self, store: Store, other: Store, pki: Pki) -> None:
        """The next change and the next audit record get ids that nobody had."""
        fill(store, pki)
        copy_rows(store, other)
        last = other.change_id()
        assert last > store.change_id()
        assert other.valid_from.revoke(ALICE.upn).change_id > last
        other.audit.append([{"n": 4}])
        assert [one.record["n"] for one in other.audit.list()] == [0, 1, 2, 4]

    def test_a_store_that_holds_anything_is_refused(
        self, store: Store, other: Store, pki: Pki
    ) -> None:
        """Unless told; then what it held is gone, and its followers notice."""
        fill(store, pki)
        other.mailboxes.add(Mailbox("bob@x.test"))
        before = rows(other)
        with pytest.raises(StateError, match=r"is not empty: it holds .*1 mailboxes"):
            copy_rows(store, other)
        assert rows(other) == before
        follower = Follower(other)
        old = follower.poll()
        assert old is not None
        copy_rows(store, other, overwrite=True)
        assert rows(other) == rows(store)
        assert other.change_id() > old.change_id
        new = None
        while new is None:
            new = follower.poll()
        assert new == other.snapshot()
        assert (new.find_by_upn("bob@x.test"), new.find_by_upn(ALICE.upn)) == (None, ALICE)
        follower.close()
        other.database.forget_connections()

    def test_the_id_rises_above_that_of_either(self, store: Store, other: Store) -> None:
        """Also where the store that is replaced had seen more changes."""
        store.mailboxes.add(ALICE)
        for number in range(3):
            other.mailboxes.add(Mailbox(f"u{number}@x.test"))
        copy_rows(store, other, overwrite=True)
        assert other.change_id() == 4

    def test_a_row_that_cannot_be_copied_keeps_all_out(
        self, store: Store, other: Store, pki: Pki
    ) -> None:
        """The target is as it was."""
        fill(store, pki)
        other.mailboxes.add(Mailbox("bob@x.test"))
        before = rows(other)
        with other.database.writing() as connection:
            connection.execute(text("ALTER TABLE audit RENAME COLUMN record TO other"))
        with pytest.raises(StateError, match=r"cannot be written: .*record"):
            copy_rows(store, other, overwrite=True)
        with other.database.writing() as connection:
            connection.execute(text("ALTER TABLE audit RENAME COLUMN other TO record"))
        assert rows(other) == before


class TestBackUp:
    """`back_up` and `restore`."""

    def test_there_and_back(self, store: Store, other: Store, tmp_path: Path, pki: Pki) -> None:
        """A store of each kind is restored into one of each kind."""
        fill(store, pki)
        file = tmp_path / "backup"
        counts = back_up(store, file)
        assert file.stat().st_mode & 0o777 == 0o600
        assert [path.name for path in tmp_path.iterdir() if "backup" in path.name] == ["backup"]
        assert restore(other, file)["mailboxes"] == counts["mailboxes"] == 1201
        assert rows(other) == rows(store)

    def test_a_file_that_is_there_is_kept(self, store: Store, tmp_path: Path) -> None:
        """No backup takes the place of another."""
        file = tmp_path / "backup"
        file.write_text("an older one")
        with pytest.raises(StateError, match="is there already"):
            back_up(store, file)
        assert file.read_text() == "an older one"

    def test_a_folder_that_is_not_there_is_named(self, store: Store, tmp_path: Path) -> None:
        """Nothing is made."""
        with pytest.raises(StateError, match=r"none/backup: the backup cannot be written"):
            back_up(store, tmp_path / "none" / "backup")

    @pytest.mark.parametrize("content", [b"", b"no database" * 1000])
    def test_what_is_no_backup_is_refused(
        self, store: Store, tmp_path: Path, content: bytes
    ) -> None:
        """The file is named, and the store is as it was."""
        store.mailboxes.add(ALICE)
        file = tmp_path / "backup"
        file.write_bytes(content)
        with pytest.raises(StateError, match=r"backup( is no store|: cannot be read as a store)"):
            restore(store, file, overwrite=True)
        with pytest.raises(StateError, match="none is not there"):
            restore(store, tmp_path / "none")
        assert store.mailboxes.list() == [ALICE]

    def test_a_damaged_backup_is_refused(self, store: Store, tmp_path: Path) -> None:
        """One whose pages were overwritten."""
        store.mailboxes.import_all([Mailbox(f"u{number}@x.test") for number in range(500)])
        file = tmp_path / "backup"
        back_up(store, file)
        content = bytearray(file.read_bytes())
        content[len(content) // 2 : len(content) // 2 + 4096] = b"\x55" * 4096
        file.write_bytes(content)
        before = rows(store)
        with pytest.raises(StateError, match=r"backup"):
            restore(store, file, overwrite=True)
        assert rows(store) == before

    def test_a_backup_of_a_newer_program_is_refused(self, store: Store, tmp_path: Path) -> None:
        """With the file's name."""
        file = tmp_path / "backup"
        with open_store(tmp_path / "newer") as newer:
            with newer.database.writing() as connection:
                connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
            newer.close()
        (tmp_path / "newer" / "store.db").rename(file)
        with pytest.raises(StateError, match=r"backup: .* has schema 9999, which is newer"):
            restore(store, file)

    def test_is_of_one_moment(self, place: Place, tmp_path: Path, pki: Pki) -> None:
        """What others write meanwhile is in it with its change, or not at all."""
        done = threading.Event()
        with place.open() as store, place.open() as writer:
            fill(store, pki)

            def write() -> None:
                while not done.is_set():
                    writer.valid_from.revoke(ALICE.upn)

            thread = threading.Thread(target=write)
            thread.start()
            try:
                back_up(store, tmp_path / "backup")
            finally:
                done.set()
                thread.join()
        with opened_copy(tmp_path / "backup") as backup:
            revoked = backup.valid_from.get(ALICE.upn)
            assert revoked is not None
            assert revoked.change_id == max(row[0] for row in rows(backup)["changes"])

    def test_a_log_that_was_shortened_is_no_matter(
        self, store: Store, other: Store, pki: Pki
    ) -> None:
        """The next id is higher than that of any revocation."""
        fill(store, pki)
        revoked = store.valid_from.revoke(ALICE.upn)
        with store.database.writing() as connection:
            connection.execute(delete(changes))
        copy_rows(store, other)
        assert other.change_id() > revoked.change_id
