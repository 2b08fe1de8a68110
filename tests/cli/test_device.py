"""`eas-gateway device`."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.core.device import (
    Access,
    Device,
    DeviceCertificate,
    Wipe,
    WipeKind,
    WipeProgress,
    WipeState,
)
from gateway.core.mailbox import Mailbox
from tests.cli.state_commands import Commands

AT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
ALICE, BOB = "alice@x.test", "bob@x.test"
PHONE = Device(
    ALICE,
    "ApplF4",
    AT,
    AT,
    device_type="iPhone",
    model="iPhone14,2",
    os="iOS 15.1",
    user_agent="Apple-iPhone",
    protocol_version="16.1",
    policy_key=7,
    certificate=DeviceCertificate("ab", 255, AT),
)
TABLET = Device(ALICE, "Tab", AT + timedelta(hours=1), AT + timedelta(hours=1))
BOBS = Device(BOB, "tab", AT + timedelta(hours=2), AT + timedelta(hours=2))


@pytest.fixture
def commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Commands:
    """The commands, with two mailboxes and three devices."""
    made = Commands(tmp_path, capsys)
    with made.store() as store:
        store.mailboxes.import_all([Mailbox(ALICE, groups=frozenset({"Sales"})), Mailbox(BOB)])
        store.devices.record([PHONE, TABLET, BOBS])
    return made


def known(commands: Commands, device_id: str = "ApplF4") -> Device:
    """The first device of that id."""
    with commands.store() as store:
        return store.devices.find(device_id)[0]


def acknowledge(commands: Commands) -> None:
    """The phone says that it wiped itself, which it was to do."""
    with commands.store() as store:
        store.devices.wipe((ALICE, PHONE.key), WipeKind.FULL)
        at = datetime.now(UTC) + timedelta(minutes=1)
        store.devices.record([WipeProgress(ALICE, "ApplF4", WipeState.ACKNOWLEDGED, at)])


def shown(commands: Commands, *arguments: str) -> dict[str, Any]:
    """`device show` for programs."""
    found: dict[str, Any] = json.loads(commands.out("device", "show", *arguments, "--json"))
    return found


class TestList:
    """`device list`."""

    def test_table(self, commands: Commands) -> None:
        """One line each, with what it may do."""
        commands.out("device", "block", "Tab", "--mailbox", ALICE)
        lines = [line.split() for line in commands.out("device", "list").splitlines()]
        seen = "2026-03-04T05:06:07Z"
        assert lines[1] == [
            "ApplF4", ALICE, "iPhone", "iPhone14,2", "iOS", "15.1", seen, "allowed", "-",
        ]  # fmt: skip
        assert lines[2][-2:] == ["DEVICE_BLOCKED", "-"]
        assert len(lines) == 4

    def test_of_one_mailbox(self, commands: Commands) -> None:
        """In whatever case it is written; one that does not exist is named."""
        found = json.loads(commands.out("device", "list", "--mailbox", "BOB@x.test", "--json"))
        assert [one["deviceId"] for one in found] == ["tab"]
        error = commands.refusal("device", "list", "--mailbox", "nobody@x.test")
        assert "no mailbox has the UPN nobody@x.test" in error

    def test_limit(self, commands: Commands) -> None:
        """The configuration counts."""
        commands.config.write_text(
            '[state]\ndirectory = "state"\n[devices]\nper_mailbox = 1\n', encoding="utf-8"
        )
        found = json.loads(commands.out("device", "list", "--json"))
        assert [one["reason"] for one in found] == [None, "DEVICE_LIMIT", None]


class TestShow:
    """`device show`."""

    def test_every_attribute(self, commands: Commands) -> None:
        """For programs and for people."""
        found = shown(commands, "APPLF4")
        assert found == {
            "deviceId": "ApplF4",
            "mailbox": ALICE,
            "type": "iPhone",
            "model": "iPhone14,2",
            "os": "iOS 15.1",
            "userAgent": "Apple-iPhone",
            "protocolVersion": "16.1",
            "policyKey": 7,
            "certificate": {
                "serialNumber": "0xff",
                "issuer": "ab",
                "notBefore": "2026-03-04T05:06:07Z",
            },
            "firstSeen": "2026-03-04T05:06:07Z",
            "lastSeen": "2026-03-04T05:06:07Z",
            "personalAccess": None,
            "wipe": {"state": "none", "kind": "full", "at": None},
            "allowed": True,
            "reason": None,
            "detail": None,
        }
        lines = commands.out("device", "show", "ApplF4").splitlines()
        assert "model             iPhone14,2" in lines
        assert "certificate       0xff (255)" in lines
        assert "access            allowed" in lines

    def test_what_is_not_known(self, commands: Commands) -> None:
        """A dash, and null."""
        assert shown(commands, "tab", "--mailbox", BOB)["certificate"] is None
        assert "certificate       -" in commands.out("device", "show", "tab", "--mailbox", BOB)

    def test_why_it_is_refused(self, commands: Commands) -> None:
        """The rule is named, and groups of the mailbox count."""
        commands.out("device", "rule", "add", "--group", "sales", "quarantine")
        line = commands.out("device", "show", "ApplF4").splitlines()[-1]
        words = "DEVICE_QUARANTINED: the device is in quarantine: rule 1, group 'sales'"
        assert line == f"access            {words}"

    def test_wipe(self, commands: Commands) -> None:
        """How far it has come."""
        commands.out("device", "wipe", "ApplF4", "--account-only", "--yes")
        assert shown(commands, "ApplF4")["wipe"]["state"] == "pending"
        out = commands.out("device", "show", "ApplF4")
        assert "wipe              pending (account only) since 20" in out

    def test_which(self, commands: Commands) -> None:
        """Who names a device of two mailboxes is asked which; who names none, told so."""
        error = commands.refusal("device", "show", "TAB")
        assert f"the device TAB syncs {ALICE}, {BOB}; say which with --mailbox" in error
        assert shown(commands, "TAB", "--mailbox", ALICE)["mailbox"] == ALICE
        error = commands.refusal("device", "show", "nope")
        assert "no mailbox has the device nope; see `device list`" in error
        error = commands.refusal("device", "show", "ApplF4", "--mailbox", BOB)
        assert f"{BOB} has no device ApplF4" in error


class TestAccess:
    """`device allow`, `block` and `quarantine`."""

    @pytest.mark.parametrize(
        ("verb", "access"),
        [
            ("allow", Access.ALLOW),
            ("block", Access.BLOCK),
            ("quarantine", Access.QUARANTINE),
        ],
    )
    def test_known(self, commands: Commands, verb: str, access: Access) -> None:
        """The device has it, and the sentence names the device."""
        out = commands.out("device", verb, "applf4")
        assert out.startswith(f"the device ApplF4 (iPhone14,2) of {ALICE} is ")
        assert known(commands).access is access

    def test_unseen(self, commands: Commands) -> None:
        """With a mailbox, a device may be named before it comes; without one, it may not."""
        commands.out("device", "allow", "New-1", "--mailbox", "Alice@X.test")
        found = known(commands, "new-1")
        assert (found.mailbox_key, found.device_id, found.access) == (ALICE, "New-1", Access.ALLOW)
        assert "no mailbox has the device New-2" in commands.refusal("device", "allow", "New-2")
        error = commands.refusal("device", "allow", "New-2", "--mailbox", "nobody@x.test")
        assert "no mailbox has the UPN nobody@x.test" in error

    @pytest.mark.parametrize("device_id", ["a b", "", "\u00e9", "a" * 511])
    def test_no_device_id(self, commands: Commands, device_id: str) -> None:
        """What no device could be called is not stored."""
        error = commands.refusal("device", "allow", device_id, "--mailbox", ALICE)
        assert "is no DeviceId" in error

    def test_after_a_wipe(self, commands: Commands) -> None:
        """The device may come again, and it is said why it could not."""
        acknowledge(commands)
        assert shown(commands, "ApplF4")["reason"] == "DEVICE_BLOCKED"
        assert "it was wiped, which no longer" in commands.out("device", "allow", "ApplF4")
        assert shown(commands, "ApplF4")["allowed"]

    def test_during_a_wipe(self, commands: Commands) -> None:
        """The wipe stays, and it is said so."""
        commands.out("device", "wipe", "ApplF4", "--yes")
        assert "it is to be wiped all the same" in commands.out("device", "allow", "ApplF4")
        assert known(commands).wipe.is_due


class TestForget:
    """`device forget`."""

    def test_forgotten(self, commands: Commands) -> None:
        """Of two mailboxes' devices the one that is named is gone."""
        out = commands.out("device", "forget", "tab", "--mailbox", BOB)
        assert out.startswith(f"forgot the device tab of {BOB}; if it comes")
        with commands.store() as store:
            assert store.devices.list() == [PHONE, TABLET]

    def test_wiped(self, commands: Commands) -> None:
        """What keeps a wiped device out is not lost."""
        acknowledge(commands)
        assert "`device allow ApplF4` first" in commands.refusal("device", "forget", "ApplF4")
        assert known(commands).wipe == replace(known(commands).wipe, kind=WipeKind.FULL)
        assert known(commands).wipe != Wipe()
