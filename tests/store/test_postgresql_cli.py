"""The commands on a shared store."""

from pathlib import Path

import pytest

from tests.cli.state_commands import Commands
from tests.store.postgresql_server import Server


@pytest.fixture
def commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Commands:
    """The command line with a state of its own."""
    return Commands(tmp_path, capsys)


def test_a_store_moves_to_postgresql_and_back(commands: Commands, server: Server) -> None:
    """Each time the other store then holds what the first did; a file is filled only if told."""
    url = server.new_database()
    commands.out("user", "add", "alice@x.test")
    out = commands.out("store", "copy", "--from", "sqlite", "--to", url)
    assert "holds 1 changes, 1 mailboxes" in out
    assert "set store.url in the configuration" in out
    commands.config.write_text(f'[state]\ndirectory = "state"\n[store]\nurl = "{url}"\n')
    assert "alice@x.test" in commands.out("user", "list")
    commands.out("user", "add", "bob@x.test")
    error = commands.refusal("store", "copy", "--from", url, "--to", "sqlite")
    assert "is not empty" in error
    commands.out("store", "copy", "--overwrite", "--from", url, "--to", "sqlite")
    with commands.store() as store:
        assert [one.upn for one in store.mailboxes.list()] == ["alice@x.test", "bob@x.test"]


def test_check_looks_at_the_database(commands: Commands, server: Server) -> None:
    """It finds that there is no store, and makes none; then that it is whole."""
    url = server.new_database()
    commands.config.write_text(f'[store]\nurl = "{url}"\n')
    for _ in range(2):
        out, _err = commands.run("check", "--json", status=1)
        assert "the database has no store yet" in out
    commands.out("user", "add", "alice@x.test")
    out, _err = commands.run("check", "--json", status=1)
    assert "is whole" in out
    assert "agree on the time" in out
