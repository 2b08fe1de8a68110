"""`eas-gateway certificate`."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.core.authority import Authority, AuthorityType
from gateway.core.mailbox import Mailbox
from gateway.store.certificates import SeenCertificate
from tests.cli.state_commands import Commands
from tests.helpers import Pki

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


@pytest.fixture
def commands(tmp_path: Path, capsys: pytest.CaptureFixture[str], pki: Pki) -> Commands:
    """The commands, with the root as a record."""
    made = Commands(tmp_path, capsys)
    root = Authority.from_der(
        pki.root.certificate.public_bytes(Encoding.DER),
        authority_type=AuthorityType.ROOT,
        crl_distribution_point=None,
    )
    with made.store() as store:
        store.authorities.add(root)
        store.mailboxes.import_all([Mailbox("alice@x.test"), Mailbox("bob@x.test")])
    return made


def see(commands: Commands, issuer: str, serial: int, mailbox: str) -> None:
    """A phone showed a certificate that led to `mailbox`."""
    day = timedelta(days=1)
    seen = SeenCertificate(
        issuer, serial, mailbox, "CN=phone", "ab" * 32, NOW - day, NOW + day, NOW, NOW
    )
    with commands.store() as store:
        store.certificates.record_seen([seen])


class TestBlock:
    """`certificate block` and `unblock`."""

    @pytest.mark.parametrize("text", ["0x4af3", "4af3", "4A:F3", "19187"])
    def test_says_which_number_was_understood(
        self, commands: Commands, pki: Pki, text: str
    ) -> None:
        """Hexadecimal and decimal are taken; both are printed; the issuer may be abbreviated."""
        ski = pki.root.key_identifier.hex()
        out = commands.out("certificate", "block", text, "--issuer", ski[:8])
        assert out.startswith("certificate 0x4af3 (19187) of CN=Development root is blocked")
        with commands.store() as store:
            assert store.snapshot().is_blocked(ski, 0x4AF3)
        out = commands.out("certificate", "unblock", text, "--issuer", ski[:8])
        assert "is no longer blocked" in out
        with commands.store() as store:
            assert not store.snapshot().is_blocked(ski, 0x4AF3)

    def test_blocking_twice_is_said(self, commands: Commands, pki: Pki) -> None:
        """It stays blocked."""
        options = ("7", "--issuer", pki.root.key_identifier.hex())
        commands.out("certificate", "block", *options)
        assert "is already blocked" in commands.out("certificate", "block", *options)

    def test_unblocking_what_is_not_blocked_is_refused(self, commands: Commands, pki: Pki) -> None:
        """The certificate is named."""
        ski = pki.root.key_identifier.hex()
        error = commands.refusal("certificate", "unblock", "7", "--issuer", ski)
        assert f"certificate 0x7 (7) of CA {ski} is not blocked" in error

    def test_unblocks_after_the_ca_was_removed(self, commands: Commands, pki: Pki) -> None:
        """The block can still be taken back."""
        ski = pki.root.key_identifier.hex()
        commands.out("certificate", "block", "7", "--issuer", ski)
        commands.run("ca", "remove", ski)
        assert "no longer blocked" in commands.out("certificate", "unblock", "7", "--issuer", ski)

    def test_an_unknown_issuer_and_an_odd_serial_are_refused(self, commands: Commands) -> None:
        """What was wrong is named."""
        assert "no CA has an id" in commands.refusal("certificate", "block", "7", "--issuer", "zz")
        error = commands.refusal("certificate", "block", "0xyz", "--issuer", "ab")
        assert "'0xyz' is neither decimal nor hexadecimal" in error


class TestList:
    """`certificate list`."""

    def test_seen_and_blocked_certificates_are_listed(self, commands: Commands, pki: Pki) -> None:
        """A blocked certificate that no phone showed is listed as well."""
        ski = pki.root.key_identifier.hex()
        see(commands, ski, 0x4AF3, "alice@x.test")
        for serial in ("0x4af3", "5"):
            commands.out("certificate", "block", serial, "--issuer", ski)
        seen, unseen = json.loads(commands.out("certificate", "list", "--json"))
        assert (seen["serialNumber"], seen["mailbox"]) == ("0x4af3", "alice@x.test")
        assert seen["lastSeen"] == "2026-03-04T05:06:07Z"
        assert seen["blockedAt"] is not None
        assert (unseen["serialNumber"], unseen["mailbox"]) == ("0x5", None)
        assert seen.keys() == unseen.keys()
        lines = commands.out("certificate", "list").splitlines()
        assert [line.split()[:3] for line in lines[1:]] == [
            ["0x4af3", ski, "alice@x.test"],
            ["0x5", ski, "-"],
        ]

    def test_one_mailbox_is_listed(self, commands: Commands, pki: Pki) -> None:
        """Others' certificates are left out; an unknown mailbox is an error."""
        ski = pki.root.key_identifier.hex()
        see(commands, ski, 1, "alice@x.test")
        see(commands, ski, 2, "bob@x.test")
        out = commands.out("certificate", "list", "--mailbox", "BOB@x.test", "--json")
        assert [one["serialNumber"] for one in json.loads(out)] == ["0x2"]
        error = commands.refusal("certificate", "list", "--mailbox", "carol@x.test")
        assert "no mailbox has the UPN carol@x.test" in error
