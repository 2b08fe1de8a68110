"""A store that is not there stays so, unless a command is there to begin one."""

from pathlib import Path

import pytest

from tests.cli.state_commands import Commands

_UPN = "alice@example.test"
_OLD = "2020-01-01T00:00:00Z"


@pytest.mark.parametrize(
    "arguments",
    [
        ("ca", "list"),
        ("ca", "show", "ab"),
        ("ca", "set", "ab", "--exempt"),
        ("ca", "remove", "ab"),
        ("ca", "export"),
        ("ca", "refresh"),
        ("ca", "source", "list", "ab"),
        ("certificate", "list"),
        ("certificate", "block", "1", "--issuer", "ab"),
        ("certificate", "unblock", "1", "--issuer", "ab"),
        ("user", "list"),
        ("user", "show", _UPN),
        ("user", "set", _UPN, "--disabled"),
        ("user", "remove", _UPN),
        ("user", "revoke", _UPN),
        ("user", "set-valid-from", _UPN, _OLD),
        ("user", "clear-valid-from", _UPN),
    ],
    ids=" ".join,
)
def test_a_lost_store_is_not_replaced_by_an_empty_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    """What only reads or changes says that there is none: a gateway would follow an empty one."""
    commands = Commands(tmp_path, capsys)
    state = tmp_path / "state"
    state.mkdir()
    noun, verb, *rest = arguments
    error = commands.refusal(noun, verb, *rest)
    assert f"{state} has no store yet; `eas-gateway ca add` makes one" in error
    assert not list(state.iterdir())
