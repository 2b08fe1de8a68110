"""`eas-gateway device rule`."""

import json
from pathlib import Path

import pytest

from gateway.core.device import Access, Characteristic, DeviceRule
from gateway.core.mailbox import Mailbox
from tests.cli.state_commands import Commands


@pytest.fixture
def commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Commands:
    """The commands, with a mailbox."""
    made = Commands(tmp_path, capsys)
    with made.store() as store:
        store.mailboxes.add(Mailbox("alice@x.test"))
    return made


@pytest.mark.parametrize(
    ("option", "characteristic"),
    [
        ("--type", Characteristic.DEVICE_TYPE),
        ("--model", Characteristic.MODEL),
        ("--os", Characteristic.OS),
        ("--user-agent", Characteristic.USER_AGENT),
        ("--mailbox", Characteristic.MAILBOX),
        ("--group", Characteristic.GROUP),
    ],
)
def test_add(commands: Commands, option: str, characteristic: Characteristic) -> None:
    """Each option is the characteristic of its name."""
    out = commands.out("device", "rule", "add", option, "a b*", "quarantine")
    assert out == f"rule 1: quarantine {characteristic.value.replace('_', ' ')} 'a b*'\n"
    with commands.store() as store:
        expected = DeviceRule(1, characteristic, "a b*", Access.QUARANTINE)
        assert store.device_rules.list() == [expected]


@pytest.mark.parametrize("options", [[], ["--os", "a", "--type", "b"]])
def test_one_characteristic(commands: Commands, options: list[str]) -> None:
    """A rule looks at one thing."""
    error = commands.refusal("device", "rule", "add", *options, "block")
    assert "say what of a device the rule looks at, by one of --type, --model" in error


def test_list_and_remove(commands: Commands) -> None:
    """Rules are shown with what holds where there is none."""
    commands.out("device", "rule", "add", "--os", "iOS 15*", "block")
    commands.out("device", "rule", "add", "--group", "Lab", "allow")
    lines = commands.out("device", "rule", "list").splitlines()
    assert [line.split() for line in lines[1:3]] == [
        ["1", "os", "iOS", "15*", "block"],
        ["2", "group", "Lab", "allow"],
    ]
    assert lines[3] == "every other device: allow"
    assert commands.out("device", "rule", "remove", "1") == "removed rule 1: block os 'iOS 15*'\n"
    assert json.loads(commands.out("device", "rule", "list", "--json")) == [
        {"id": 2, "characteristic": "group", "pattern": "Lab", "access": "allow"}
    ]
    assert "there is no rule 1" in commands.refusal("device", "rule", "remove", "1")
