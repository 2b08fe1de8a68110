"""`eas-gateway user revoke`: who is revoked, and what returns."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.core.authority import Authority, AuthorityType
from gateway.core.mailbox import Mailbox
from gateway.pki.authority import CertificateAuthority
from gateway.pki.crl import Revocation
from gateway.store.certificates import SeenCertificate
from tests.cli.state_commands import Commands, serving
from tests.helpers import Pki

ALICE, BOB = "alice#EXT#@example.test", "bob@example.test"
RETURN = "no CRL lists these certificates yet, and they return with the next one that does not"


@pytest.fixture
def commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Commands:
    """The command line with a state of its own, and two mailboxes."""
    made = Commands(tmp_path, capsys)
    with made.store() as store:
        store.mailboxes.add(Mailbox(ALICE))
        store.mailboxes.add(Mailbox(BOB))
    return made


def trust(
    commands: Commands,
    ca: CertificateAuthority,
    url: str | None = None,
    delta_url: str | None = None,
) -> Authority:
    """The CA is a record."""
    record = Authority.from_der(
        ca.certificate.public_bytes(Encoding.DER),
        authority_type=AuthorityType.ROOT,
        crl_distribution_point=url,
        delta_crl_distribution_point=delta_url,
    )
    with commands.store() as store:
        return store.authorities.add(record)


def show_certificate(commands: Commands, issuer: Authority, serial: int, upn: str = ALICE) -> None:
    """A phone showed a certificate."""
    now, day = datetime.now(UTC), timedelta(days=1)
    seen = SeenCertificate(
        issuer.id, serial, upn.casefold(), f"CN=phone {serial}", "", now - day, now + day, now, now
    )
    with commands.store() as store:
        store.certificates.record_seen([seen])


def revoked(commands: Commands) -> set[str]:
    """The UPNs of the mailboxes with a token-valid-from."""
    found = json.loads(commands.out("user", "list", "--json"))
    return {one["upn"] for one in found if one["token_valid_from"]}


class TestFrom:
    """`user revoke --from FILE`."""

    def test_every_mailbox_of_the_file_is_revoked(self, commands: Commands, pki: Pki) -> None:
        """At one moment; blank lines and comments are none, and what returns is listed."""
        root = trust(commands, pki.root)
        show_certificate(commands, root, 7)
        show_certificate(commands, root, 8, BOB)
        file = commands.folder / "upns"
        file.write_bytes(f"\ufeff{ALICE}\r\n\r\n# lost\r\n  {BOB.upper()}\r\n".encode())
        out = commands.out("user", "revoke", "--from", str(file))
        assert revoked(commands) == {ALICE, BOB}
        times = [line.rpartition(" ")[2] for line in out.splitlines()[:2]]
        assert times[0] == times[1]
        assert "sessions of 2 mailboxes that began" in out
        assert all(f"certificate block {one} --issuer {root.id}" in out for one in ("0x7", "0x8"))

    def test_one_that_is_unknown_keeps_all(self, commands: Commands) -> None:
        """Each unknown one is named, with the file."""
        file = commands.folder / "upns"
        file.write_text(f"{ALICE}\nx@y.test\nz@y.test\n")
        error = commands.refusal("user", "revoke", "--from", str(file))
        assert f"{file}: nobody was revoked: no mailbox has the UPN x@y.test" in error
        assert "no mailbox has the UPN z@y.test" in error
        assert revoked(commands) == set()

    @pytest.mark.parametrize(
        ("content", "problem"), [(b"# nobody\n", "names no mailbox"), (b"\xff", "cannot be read")]
    )
    def test_a_file_without_any_is_refused(
        self, commands: Commands, content: bytes, problem: str
    ) -> None:
        """Rather than taken for success."""
        file = commands.folder / "upns"
        file.write_bytes(content)
        assert problem in commands.refusal("user", "revoke", "--from", str(file))

    @pytest.mark.parametrize(
        ("arguments", "problem"),
        [
            ((), "say whom"),
            ((ALICE, "--from", "x"), "--from goes with neither"),
            (("--certificate", "7", "--from", "x"), "--from goes with neither"),
            ((ALICE, "--issuer", "ab"), "--issuer belongs to --certificate"),
        ],
    )
    def test_contradictions_are_refused(
        self, commands: Commands, arguments: tuple[str, ...], problem: str
    ) -> None:
        """Nothing is guessed."""
        assert problem in commands.refusal("user", "revoke", *arguments)


class TestCertificate:
    """`user revoke --certificate SERIAL`."""

    def test_one_phone_alone_is_blocked(self, commands: Commands, pki: Pki) -> None:
        """The mailbox itself is not revoked; the second time says that it was so already."""
        root = trust(commands, pki.root)
        show_certificate(commands, root, 7)
        out = commands.out("user", "revoke", ALICE, "--certificate", "7")
        assert "0x7 (7), CN=phone 7 of alice#ext#@example.test, is blocked until" in out
        assert "already" in commands.out("user", "revoke", "--certificate", "7")
        with commands.store() as store:
            snapshot = store.snapshot()
        assert snapshot.is_blocked(root.id, 7)
        assert revoked(commands) == set()
        shown = commands.out("user", "show", ALICE)
        command = f"eas-gateway certificate unblock 0x7 --issuer {root.id}"
        assert f"its certificate CN=phone 7 is blocked until {command}" in shown

    def test_another_mailbox_does_not_have_it(self, commands: Commands, pki: Pki) -> None:
        """Nor is a certificate guessed that no phone showed."""
        show_certificate(commands, trust(commands, pki.root), 7)
        error = commands.refusal("user", "revoke", BOB, "--certificate", "7")
        assert f"no phone of {BOB} has shown certificate 0x7 (7)" in error
        assert "x@y.test" in commands.refusal("user", "revoke", "x@y.test", "--certificate", "7")

    def test_a_serial_number_of_two_cas_needs_the_issuer(
        self, commands: Commands, pki: Pki
    ) -> None:
        """Both are named; with one of them it is clear."""
        one, other = trust(commands, pki.root), trust(commands, CertificateAuthority.root("Other"))
        for issuer in (one, other):
            show_certificate(commands, issuer, 7)
        error = commands.refusal("user", "revoke", "--certificate", "7")
        assert one.id in error
        assert other.id in error
        commands.out("user", "revoke", "--certificate", "7", "--issuer", other.id[:12].upper())
        with commands.store() as store:
            assert [one.issuer_id for one in store.certificates.blocked()] == [other.id]


class TestWhatReturns:
    """The list of certificates that no CRL lists yet."""

    def test_those_on_the_crl_are_left_out(self, commands: Commands, pki: Pki) -> None:
        """Of two phones the CRL lists one, so that the other returns."""
        crl = pki.root.sign_crl([Revocation(serial_number=7)]).public_bytes(Encoding.DER)
        with serving({"/root.crl": crl}) as url:
            root = trust(commands, pki.root, f"{url}/root.crl")
            commands.out("ca", "refresh")
        for serial in (7, 8):
            show_certificate(commands, root, serial)
        lines = commands.out("user", "revoke", ALICE).splitlines()
        assert any(RETURN in line for line in lines)
        offered = [line for line in lines if "certificate block" in line]
        assert len(offered) == 1
        assert "certificate block 0x8" in offered[0]

    def test_a_newer_delta_decides(self, commands: Commands, pki: Pki) -> None:
        """It lists one phone more, and takes another off the list, which therefore returns."""
        on, off = (Revocation(serial_number=number) for number in (7, 8))
        off_again = replace(off, reason=x509.ReasonFlags.remove_from_crl)
        base = pki.root.sign_crl([off], number=1)
        delta = pki.root.sign_crl([on, off_again], number=2, base_number=1)
        files = {
            "/base.crl": base.public_bytes(Encoding.DER),
            "/delta.crl": delta.public_bytes(Encoding.DER),
        }
        with serving(files) as url:
            root = trust(commands, pki.root, f"{url}/base.crl", f"{url}/delta.crl")
            for serial in (7, 8):
                show_certificate(commands, root, serial)
            revoke = commands.out("user", "revoke", ALICE)
            assert revoke.count("certificate block") == 2
            commands.out("ca", "refresh")
        lines = commands.out("user", "revoke", ALICE).splitlines()
        offered = [line for line in lines if "certificate block" in line]
        assert len(offered) == 1
        assert "certificate block 0x8" in offered[0]

    def test_nothing_is_warned_of_when_all_are_listed(self, commands: Commands, pki: Pki) -> None:
        """There is nothing to do."""
        crl = pki.root.sign_crl([Revocation(serial_number=7)]).public_bytes(Encoding.DER)
        with serving({"/root.crl": crl}) as url:
            root = trust(commands, pki.root, f"{url}/root.crl")
            commands.out("ca", "refresh")
        show_certificate(commands, root, 7)
        assert RETURN not in commands.out("user", "revoke", ALICE)

    def test_a_certificate_of_no_known_ca_does_not_return(
        self, commands: Commands, pki: Pki
    ) -> None:
        """Its CA was removed, so that it is refused anyway."""
        root = trust(commands, pki.root)
        show_certificate(commands, root, 7)
        with commands.store() as store:
            store.authorities.remove(root.id)
        assert RETURN not in commands.out("user", "revoke", ALICE)


class TestShow:
    """What `user show` says keeps a mailbox out."""

    def test_an_exempt_ca_lets_in_by_issue_date_alone(self, commands: Commands, pki: Pki) -> None:
        """No CRL is waited for."""
        root = trust(commands, pki.root)
        with commands.store() as store:
            store.authorities.set(root.id, exempt=True)
            value = store.valid_from.revoke(ALICE).value.isoformat().replace("+00:00", "Z")
        shown = commands.out("user", "show", ALICE)
        assert f"no CRL is consulted, so the certificate has to be issued after {value}" in shown

    def test_a_disabled_mailbox_is_named(self, commands: Commands) -> None:
        """With the command that enables it."""
        commands.out("user", "set", BOB, "--disabled")
        shown = commands.out("user", "show", BOB)
        assert f"{BOB} is disabled; `user set {BOB} --enabled` lets it in" in shown
