"""`eas-gateway device wipe`."""

import io
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.core.authority import Authority, AuthorityType
from gateway.core.device import (
    Device,
    DeviceCertificate,
    Wipe,
    WipeKind,
    WipeProgress,
    WipeState,
)
from gateway.core.mailbox import Mailbox
from gateway.pki.crl import Revocation
from tests.cli.state_commands import Commands, serving
from tests.helpers import Pki

AT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
ALICE = "alice@x.test"
NAME = ALICE, "applf4"
SERIAL = 255


@pytest.fixture
def commands(tmp_path: Path, capsys: pytest.CaptureFixture[str], pki: Pki) -> Commands:
    """The commands, with a device that speaks 16.1."""
    made = Commands(tmp_path, capsys)
    shown = DeviceCertificate(pki.root.key_identifier.hex(), SERIAL, AT)
    with made.store() as store:
        store.mailboxes.add(Mailbox(ALICE))
        device = Device(ALICE, "ApplF4", AT, AT, protocol_version="16.1", certificate=shown)
        store.devices.record([device])
    return made


def wiped(commands: Commands) -> Wipe:
    """The device's wipe."""
    with commands.store() as store:
        return store.devices.list()[0].wipe


def trust(commands: Commands, pki: Pki, url: str | None = None) -> None:
    """The root is a record, and its CRL is fetched if it has one."""
    record = Authority.from_der(
        pki.root.certificate.public_bytes(Encoding.DER),
        authority_type=AuthorityType.ROOT,
        crl_distribution_point=url,
    )
    with commands.store() as store:
        store.authorities.add(record)
    if url is not None:
        commands.out("ca", "refresh")


@pytest.mark.parametrize(
    ("option", "kind", "words"),
    [
        ([], WipeKind.FULL, "wipe pending\n"),
        (["--account-only"], WipeKind.ACCOUNT_ONLY, "wipe pending (account only)\n"),
    ],
)
def test_wipe(commands: Commands, option: list[str], kind: WipeKind, words: str) -> None:
    """It is pending, and it is said what comes of it."""
    out = commands.out("device", "wipe", "applf4", "--yes", *option)
    assert f"the device ApplF4 of {ALICE}: {words}" in out
    assert "blocked once it has acknowledged" in out
    assert (wiped(commands).state, wiped(commands).kind) == (WipeState.PENDING, kind)


@pytest.mark.parametrize(
    ("answer", "status", "is_due"), [("y\n", 0, True), ("n\n", 130, False), ("", 130, False)]
)
def test_asks(
    commands: Commands,
    monkeypatch: pytest.MonkeyPatch,
    answer: str,
    status: int,
    is_due: bool,  # noqa: FBT001 (a case)
) -> None:
    """Without --yes it says what will be erased, and does it only if told so."""
    monkeypatch.setattr("sys.stdin", io.StringIO(answer))
    _, err = commands.run("device", "wipe", "ApplF4", status=status)
    assert f"erase ALL DATA on the device ApplF4 of {ALICE}? [y/N]" in err
    assert wiped(commands).is_due is is_due


def test_account_only_needs_a_version(commands: Commands) -> None:
    """A device that last spoke an older version is not wiped at all."""
    with commands.store() as store:
        store.devices.record([Device(ALICE, "ApplF4", AT, AT, protocol_version="14.1")])
    error = commands.refusal("device", "wipe", "ApplF4", "--account-only", "--yes")
    assert "does not speak 16.1, which --account-only needs; it spoke 14.1 last" in error
    assert not wiped(commands).is_due


class TestObstacles:
    """A wipe that cannot be delivered."""

    def test_revoked(self, commands: Commands, pki: Pki) -> None:
        """A certificate on a CRL is answered nothing: refused, unless it is wanted anyway."""
        crl = pki.root.sign_crl([Revocation(serial_number=SERIAL)]).public_bytes(Encoding.DER)
        with serving({"/root.crl": crl}) as url:
            trust(commands, pki, f"{url}/root.crl")
        _, err = commands.run("device", "wipe", "ApplF4", "--yes", status=1)
        assert "cannot be delivered: certificate 0xff of the device is on a CRL" in err
        assert not wiped(commands).is_due
        commands.run("device", "wipe", "ApplF4", "--yes", "--anyway")
        assert wiped(commands).is_due

    def test_not_revoked(self, commands: Commands, pki: Pki) -> None:
        """Nothing is said of a CRL that lists others."""
        crl = pki.root.sign_crl([Revocation(serial_number=7)]).public_bytes(Encoding.DER)
        with serving({"/root.crl": crl}) as url:
            trust(commands, pki, f"{url}/root.crl")
        commands.out("device", "wipe", "ApplF4", "--yes")

    def test_blocked(self, commands: Commands, pki: Pki) -> None:
        """The command that unblocks the certificate is named."""
        ski = pki.root.key_identifier.hex()
        with commands.store() as store:
            store.certificates.block(ski, SERIAL)
        _, err = commands.run("device", "wipe", "ApplF4", "--yes", status=1)
        assert f"`certificate unblock 0xff --issuer {ski}`" in err

    def test_no_mailbox(self, commands: Commands) -> None:
        """A certificate that leads nowhere is answered nothing either."""
        commands.out("user", "remove", ALICE)
        _, err = commands.run("device", "wipe", "ApplF4", "--yes", status=1)
        assert f"there is no mailbox {ALICE} any more" in err

    def test_disabled(self, commands: Commands) -> None:
        """A disabled mailbox is none: its devices may still be told."""
        commands.out("user", "set", ALICE, "--disabled")
        commands.out("device", "wipe", "ApplF4", "--yes")

    def test_certificate_is_not_known(self, commands: Commands) -> None:
        """Where no certificate is known, none is in the way."""
        with commands.store() as store:
            store.devices.record([Device(ALICE, "other", AT, AT)])
        commands.out("device", "wipe", "other", "--yes")


class TestCancel:
    """`device wipe --cancel`."""

    def test_pending(self, commands: Commands) -> None:
        """It is not told any more."""
        commands.out("device", "wipe", "ApplF4", "--yes")
        out = commands.out("device", "wipe", "ApplF4", "--cancel")
        assert out == f"the device ApplF4 of {ALICE} is no longer to be wiped\n"
        assert not wiped(commands).is_due

    def test_sent(self, commands: Commands) -> None:
        """It is said that this may come too late."""
        commands.out("device", "wipe", "ApplF4", "--yes")
        with commands.store() as store:
            at = datetime.now(UTC) + timedelta(minutes=1)
            store.devices.record([WipeProgress(ALICE, "ApplF4", WipeState.SENT, at)])
        _, err = commands.run("device", "wipe", "ApplF4", "--cancel")
        assert "it was told already, and may wipe itself all the same" in err

    def test_nothing(self, commands: Commands) -> None:
        """Where no wipe is under way there is nothing to cancel."""
        error = commands.refusal("device", "wipe", "ApplF4", "--cancel")
        assert "no wipe of the device ApplF4 is under way" in error

    @pytest.mark.parametrize("option", ["--account-only", "--anyway"])
    def test_contradiction(self, commands: Commands, option: str) -> None:
        """To cancel is not to wipe."""
        error = commands.refusal("device", "wipe", "ApplF4", "--cancel", option)
        assert "--cancel goes with neither" in error
