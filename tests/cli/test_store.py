"""`eas-gateway store`."""

from pathlib import Path

import pytest

from gateway.core.mailbox import Mailbox
from tests.cli.state_commands import Commands

ALICE = Mailbox("alice@x.test")


@pytest.fixture
def commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Commands:
    """The command line with a state of its own."""
    return Commands(tmp_path, capsys)


def add(commands: Commands, *upns: str) -> None:
    """The mailboxes are in the store."""
    with commands.store() as store:
        for upn in upns:
            store.mailboxes.add(Mailbox(upn))


def names(commands: Commands) -> list[str]:
    """The mailboxes in the store."""
    with commands.store() as store:
        return [one.upn for one in store.mailboxes.list()]


class TestMigrate:
    """`store migrate`."""

    def test_says_which_schema_the_store_has(self, commands: Commands) -> None:
        """A store that is not there is made."""
        out = commands.out("store", "migrate")
        assert "store.db is whole and has schema 00" in out


class TestBackupAndRestore:
    """`store backup` and `store restore`."""

    def test_there_and_back(self, commands: Commands, tmp_path: Path) -> None:
        """What was written after the backup is gone after it was restored; each says its rows."""
        add(commands, "alice@x.test")
        file = str(tmp_path / "backup")
        assert "1 mailboxes" in commands.out("store", "backup", file)
        add(commands, "bob@x.test")
        error = commands.refusal("store", "restore", file)
        assert "is not empty: it holds 2 changes, 2 mailboxes;" in error
        assert "--overwrite" in error
        assert names(commands) == ["alice@x.test", "bob@x.test"]
        assert "1 mailboxes" in commands.out("store", "restore", "--overwrite", file)
        assert names(commands) == ["alice@x.test"]

    def test_a_store_that_is_not_there_has_no_backup(
        self, commands: Commands, tmp_path: Path
    ) -> None:
        """None is made, and no file."""
        error = commands.refusal("store", "backup", str(tmp_path / "backup"))
        assert "there is no store in" in error
        assert not (tmp_path / "backup").exists()
        assert not (tmp_path / "state" / "store.db").exists()


class TestCopy:
    """`store copy`."""

    def test_refuses_one_store_for_both(self, commands: Commands) -> None:
        """It would be emptied."""
        error = commands.refusal("store", "copy", "--from", "sqlite", "--to", "sqlite")
        assert "are the same store" in error

    def test_refuses_what_is_no_url(self, commands: Commands) -> None:
        """The form is shown."""
        error = commands.refusal("store", "copy", "--from", "sqlite", "--to", "mysql://x/y")
        assert "'mysql://x/y' is neither sqlite nor postgresql://" in error

    def test_a_database_that_cannot_be_reached_is_named(
        self, commands: Commands, tmp_path: Path
    ) -> None:
        """Without its password; the other store is as it was."""
        add(commands, "alice@x.test")
        url = f"postgresql://joe:secret123@/none?host={tmp_path}"
        error = commands.refusal("store", "copy", "--from", "sqlite", "--to", url)
        assert "the store postgresql://joe@" in error
        assert "secret123" not in error
        assert names(commands) == ["alice@x.test"]
