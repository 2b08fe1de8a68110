"""`eas-gateway audit`."""

import json
import select
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.telemetry.audit import AuditRecord
from tests.cli.state_commands import Commands

AT = datetime(2030, 1, 31, 12, tzinfo=UTC)
ALICE = AuditRecord(
    at=AT, reference="A", decision="allow", mailbox="alice@example.test", command="Ping"
).to_json()
BOB = AuditRecord(
    at=AT, reference="B", decision="deny", reason="REVOKED", mailbox="bob@example.test"
).to_json()


@pytest.fixture
def commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Commands:
    """The commands, on a store with two records."""
    found = Commands(tmp_path, capsys)
    with found.store() as store:
        store.audit.append([ALICE, BOB])
    return found


class TestList:
    """`audit list`."""

    def test_records_are_printed_oldest_first(self, commands: Commands) -> None:
        """One line a record, a dash for what is not known."""
        title, *lines = commands.out("audit", "list").splitlines()
        assert title.split("  ")[0] == "AT"
        assert [line.split() for line in lines] == [
            [AT.isoformat(), "allow", "-", "alice@example.test", "-", "Ping", "-", "A", "-"],
            [AT.isoformat(), "deny", "REVOKED", "bob@example.test", "-", "-", "-", "B", "-"],
        ]

    def test_json_has_the_whole_record(self, commands: Commands) -> None:
        """With its place in the trail."""
        found = json.loads(commands.out("audit", "list", "--json"))
        assert found == [{"id": 1, **ALICE}, {"id": 2, **BOB}]

    def test_of_one_mailbox(self, commands: Commands) -> None:
        """Its UPN is compared without case; nobody else's records are shown."""
        found = json.loads(commands.out("audit", "list", "--json", "--mailbox", "Bob@example.test"))
        assert [one["reference"] for one in found] == ["B"]

    def test_a_limit_keeps_the_latest(self, commands: Commands) -> None:
        """The oldest are left out; none at all is no limit."""
        found = json.loads(commands.out("audit", "list", "--json", "--limit", "1"))
        assert [one["reference"] for one in found] == ["B"]
        assert "--limit" in commands.refusal("audit", "list", "--limit", "0")


@pytest.mark.parametrize("as_json", [True, False])
def test_follow_prints_what_is_stored_from_now_on(commands: Commands, *, as_json: bool) -> None:
    """New records of the mailbox alone, each at once and on one line, until Ctrl-C."""
    arguments = ["audit", "follow", "--mailbox", "bob@example.test", "-c", str(commands.config)]
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway", *arguments, *["--json"] * as_json],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        with commands.store() as store:
            printed = ""
            while not printed:  # it may not have begun to follow when the first ones are stored
                store.audit.append([ALICE, BOB])
                printed = _line(process, seconds=0.5)
        if as_json:
            assert json.loads(printed)["reference"] == "B"
        else:
            assert printed.split()[:4] == [AT.isoformat(), "deny", "REVOKED", "bob@example.test"]
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=20)
        assert "alice" not in rest
        assert process.returncode == 130
    finally:
        process.kill()
        process.wait()


def _line(process: "subprocess.Popen[str]", *, seconds: float) -> str:
    """The next line, or nothing if none comes for so long while the process lives."""
    assert process.poll() is None
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], seconds)
    return process.stdout.readline() if ready else ""
