"""`eas-gateway user`."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import time_machine
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.core.authority import Authority, AuthorityType
from gateway.core.mailbox import Mailbox
from gateway.pki.authority import CertificateAuthority
from gateway.store.certificates import SeenCertificate
from tests.cli.state_commands import Commands, crl_of, serving
from tests.helpers import Pki

UPN = "alice@example.test"
TOMORROW = (datetime.now(UTC) + timedelta(days=1)).isoformat()


@pytest.fixture
def commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Commands:
    """The commands, on an empty state folder."""
    return Commands(tmp_path, capsys)


def shown(commands: Commands, upn: str = UPN) -> dict[str, object]:
    """What `user show --json` says."""
    found: dict[str, object] = json.loads(commands.out("user", "show", upn, "--json"))
    return found


def trust(
    commands: Commands, authority: CertificateAuthority, *, url: str | None, backdating: int = 0
) -> str:
    """The CA is a record; returns its id."""
    record = Authority.from_der(
        authority.certificate.public_bytes(Encoding.DER),
        authority_type=AuthorityType.ROOT,
        crl_distribution_point=url,
        backdating=timedelta(seconds=backdating),
    )
    with commands.store() as store:
        store.authorities.add(record)
    return record.id


def show_certificate(commands: Commands, issuer_id: str, serial: int) -> None:
    """A phone of alice showed a certificate."""
    now = datetime.now(UTC)
    seen = SeenCertificate(
        issuer_id,
        serial,
        UPN,
        "CN=alice",
        "ab" * 32,
        now - timedelta(days=1),
        now + timedelta(days=1),
        now,
        now,
    )
    with commands.store() as store:
        store.certificates.record_seen([seen])


class TestMailboxes:
    """Adding, listing, showing, changing and removing mailboxes."""

    def test_every_option_of_add_is_shown(self, commands: Commands) -> None:
        """Addresses may have the forms of proxyAddresses, the name a domain."""
        options = ("--proxy", "SMTP:p@x.test", "--proxy", "a@x.test", "--sam", "CORP\\alice")
        ids = ("--certificate-user-id", "X509:<SKI>AB", "--certificate-user-id", "alice@local")
        others = ["--on-premises-upn", "alice@corp.local", "--sid", "S-1-5-21-1-2"]
        others += ["--group", "Staff", "--group", "Sales", "--upstream", "second"]
        assert commands.out("user", "add", UPN, *options, *ids, *others) == f"added {UPN}\n"
        assert shown(commands, UPN.upper()) == {
            "upn": UPN,
            "primary_address": "p@x.test",
            "proxy_addresses": ["a@x.test"],
            "sam_account_name": "alice",
            "netbios_domain": "CORP",
            "enabled": True,
            "certificate_user_ids": ["X509:<SKI>AB", "alice@local"],
            "on_premises_upn": "alice@corp.local",
            "security_identifier": "S-1-5-21-1-2",
            "groups": ["Sales", "Staff"],
            "upstream": "second",
            "token_valid_from": None,
        }
        lines = commands.out("user", "show", UPN).splitlines()
        assert "certificate ids   'X509:<SKI>AB', 'alice@local'" in lines
        assert "on-premises UPN   alice@corp.local" in lines
        assert "SID               S-1-5-21-1-2" in lines
        assert "groups            Sales, Staff" in lines
        assert "upstream          second" in lines

    def test_list_names_each_mailbox(self, commands: Commands) -> None:
        """As a table and as JSON."""
        commands.out("user", "add", UPN, "--primary", "a@x.test", "--sam", "alice")
        commands.out("user", "add", "bob@example.test", "--sam", "CORP\\bob")
        lines = commands.out("user", "list").splitlines()
        assert lines[1].split() == [UPN, "a@x.test", "-", "alice", "yes", "-"]
        assert lines[2].split() == ["bob@example.test", "-", "-", "CORP\\bob", "yes", "-"]
        assert [one["upn"] for one in json.loads(commands.out("user", "list", "--json"))] == [
            UPN,
            "bob@example.test",
        ]

    def test_an_address_of_two_mailboxes_is_refused(self, commands: Commands) -> None:
        """Address and mailboxes are named."""
        commands.out("user", "add", UPN, "--primary", "a@x.test")
        error = commands.refusal("user", "add", "bob@example.test", "--proxy", "A@x.test")
        assert f"the address a@x.test cannot be both of {UPN} and of bob@example.test" in error

    def test_contradicting_primary_addresses_are_refused(self, commands: Commands) -> None:
        """--primary and SMTP: must agree."""
        options = ("--primary", "a@x.test", "--proxy", "SMTP:b@x.test")
        assert "contradict" in commands.refusal("user", "add", UPN, *options)

    @pytest.mark.parametrize(
        ("option", "value"),
        [("--proxy", "smtp:"), ("--proxy", "x500:/o=foo"), ("--proxy", " "), ("--primary", "")],
    )
    def test_an_address_that_is_none_is_refused(
        self, commands: Commands, option: str, value: str
    ) -> None:
        """It is not dropped in silence: the option is named, and nothing is stored."""
        for verb in ("add", "set"):
            assert option in commands.refusal("user", verb, UPN, option, value)
        assert not (commands.folder / "state").exists()

    def test_set_changes_what_is_given(self, commands: Commands) -> None:
        """Each option changes its field and no other."""
        commands.out("user", "add", UPN, "--primary", "a@x.test", "--proxy", "b@x.test")
        commands.out("user", "set", UPN, "--disabled")
        commands.out("user", "set", UPN, "--sam", "CORP\\alice")
        commands.out("user", "set", UPN, "--proxy", "c@x.test", "--proxy", "d@x.test")
        commands.out("user", "set", UPN, "--primary", "e@x.test")
        found = shown(commands)
        assert (found["enabled"], found["netbios_domain"]) == (False, "CORP")
        assert found["proxy_addresses"] == ["c@x.test", "d@x.test"]
        assert found["primary_address"] == "e@x.test"
        commands.out("user", "set", UPN, "--enabled", "--no-proxy", "--sam", "al")
        found = shown(commands)
        assert (found["enabled"], found["proxy_addresses"]) == (True, [])
        assert (found["netbios_domain"], found["sam_account_name"]) == ("CORP", "al")

    def test_set_changes_what_certificates_may_name_it_by(self, commands: Commands) -> None:
        """Values take the place of those it had, and may be taken away."""
        commands.out("user", "add", UPN, "--certificate-user-id", "X509:<SKI>AB")
        commands.out("user", "set", UPN, "--certificate-user-id", "X509:<SKI>CD")
        commands.out("user", "set", UPN, "--on-premises-upn", "a@b.test", "--sid", "S-1-5-1")
        found = shown(commands)
        assert found["certificate_user_ids"] == ["X509:<SKI>CD"]
        assert (found["on_premises_upn"], found["security_identifier"]) == ("a@b.test", "S-1-5-1")
        commands.out("user", "set", UPN, "--no-certificate-user-id")
        commands.out("user", "set", UPN, "--on-premises-upn", "", "--sid", "")
        found = shown(commands)
        assert found["certificate_user_ids"] == []
        assert (found["on_premises_upn"], found["security_identifier"]) == (None, None)

    def test_set_changes_groups_and_upstream(self, commands: Commands) -> None:
        """Groups take the place of those it had; both may be taken away."""
        commands.out("user", "add", UPN, "--group", "a", "--upstream", "one")
        commands.out("user", "set", UPN, "--group", "b", "--group", "c", "--upstream", "two")
        found = shown(commands)
        assert (found["groups"], found["upstream"]) == (["b", "c"], "two")
        commands.out("user", "set", UPN, "--no-group", "--upstream", "")
        found = shown(commands)
        assert (found["groups"], found["upstream"]) == ([], None)
        error = commands.refusal("user", "set", UPN, "--group", "a", "--no-group")
        assert "--group and --no-group contradict each other" in error

    def test_a_wrong_value_is_refused(self, commands: Commands) -> None:
        """The value is named with what is wrong."""
        error = commands.refusal("user", "add", UPN, "--certificate-user-id", "X509:<SKI>x")
        assert "certificateUserIds: the value 'X509:<SKI>x' has 'x' where" in error
        assert "'S-1' is not a SID" in commands.refusal("user", "add", UPN, "--sid", "S-1")

    def test_set_without_options_or_with_contradicting_ones_is_refused(
        self, commands: Commands
    ) -> None:
        """The options are named."""
        assert "say what to set: --enabled" in commands.refusal("user", "set", UPN)
        assert "contradict" in commands.refusal("user", "set", UPN, "--enabled", "--disabled")
        both = ("--proxy", "a@x.test", "--no-proxy")
        assert "contradict" in commands.refusal("user", "set", UPN, *both)
        both = ("--certificate-user-id", "a@x.test", "--no-certificate-user-id")
        assert "contradict" in commands.refusal("user", "set", UPN, *both)

    def test_remove_says_what_it_did(self, commands: Commands) -> None:
        """The mailbox is gone; a second time is refused."""
        commands.out("user", "add", UPN)
        assert f"removed {UPN}; certificates" in commands.out("user", "remove", UPN)
        assert f"no mailbox has the UPN {UPN}" in commands.refusal("user", "remove", UPN)

    def test_a_nul_in_a_upn_is_refused(self, commands: Commands) -> None:
        """Nothing is stored."""
        assert "control character" in commands.refusal("user", "add", "a\0@example.test")


class TestImport:
    """`user import`."""

    def write(self, commands: Commands, text: str) -> str:
        """A CSV file with this text; returns its path."""
        path = commands.folder / "users.csv"
        path.write_text(text, encoding="utf-8")
        return str(path)

    def test_says_what_it_did(self, commands: Commands) -> None:
        """Counts on standard output, columns that are not used on standard error."""
        file = self.write(commands, f"upn,mail,city\n{UPN},a@x.test,Bonn\nbob@x.test,,\n")
        out, err = commands.run("user", "import", file)
        assert out == "2 added, 0 changed, 0 unchanged, 0 removed\n"
        assert err == f"{file}: not used: city\n"

    def test_a_wrong_file_changes_nothing(self, commands: Commands) -> None:
        """The good row is not stored either."""
        file = self.write(commands, f"upn,enabled\n{UPN},1\nbob@x.test,maybe\n")
        assert "users.csv: row 3, column 'enabled'" in commands.refusal("user", "import", file)
        assert not (commands.folder / "state").exists()

    def test_an_address_of_a_mailbox_in_the_store_is_refused(self, commands: Commands) -> None:
        """The file, the address and both mailboxes are named, and nothing is stored."""
        commands.out("user", "add", UPN, "--primary", "a@x.test")
        file = self.write(commands, "upn,mail\ncarol@x.test,\nbob@x.test,a@x.test\n")
        error = commands.refusal("user", "import", file)
        assert f"{file}: nothing was imported: the address a@x.test cannot be both" in error
        assert len(json.loads(commands.out("user", "list", "--json"))) == 1

    def test_a_disabled_mailbox_stays_so_unless_the_file_says_otherwise(
        self, commands: Commands
    ) -> None:
        """A file without an enabled column does not enable anybody."""
        commands.out("user", "add", UPN)
        commands.out("user", "set", UPN, "--disabled")
        commands.out("user", "import", self.write(commands, f"upn,mail\n{UPN},a@x.test\n"))
        assert (shown(commands)["enabled"], shown(commands)["primary_address"]) == (
            False,
            "a@x.test",
        )

    def test_missing_mailboxes_go_on_request(self, commands: Commands) -> None:
        """A file without any mailbox does not remove them all."""
        commands.out("user", "add", "bob@x.test")
        file = self.write(commands, f"upn\n{UPN}\n")
        assert commands.out("user", "import", file).endswith(" 0 removed\n")
        assert commands.out("user", "import", file, "--remove-missing").endswith(" 1 removed\n")
        empty = self.write(commands, "upn\n")
        assert "names no mailbox" in commands.refusal("user", "import", empty, "--remove-missing")


class TestTokenValidFrom:
    """`user revoke`, `set-valid-from` and `clear-valid-from`."""

    @pytest.fixture(autouse=True)
    def _alice(self, commands: Commands) -> None:
        with commands.store() as store:
            store.mailboxes.add(Mailbox(UPN))

    def test_revoke_stores_now(self, commands: Commands) -> None:
        """The time is printed as it is stored, and `show` has it."""
        before = datetime.now(UTC)
        lines = commands.out("user", "revoke", UPN).splitlines()
        with commands.store() as store:
            stored = store.valid_from.get(UPN)
        assert stored is not None
        assert before <= stored.value <= datetime.now(UTC)
        value = stored.value.isoformat().replace("+00:00", "Z")
        assert lines[0] == f"{UPN}: token-valid-from is {value}"
        assert shown(commands)["token_valid_from"] == value
        assert f"token valid from  {value}" in commands.out("user", "show", UPN)
        assert value in commands.out("user", "list")

    def test_says_that_without_a_ca_nobody_signs_in(self, commands: Commands) -> None:
        """There is no CRL to wait for."""
        assert "there is no CA, so nobody signs in at all" in commands.out("user", "revoke", UPN)

    def test_says_which_crl_lets_in_again(self, commands: Commands, pki: Pki) -> None:
        """The CRL in force is too old; backdating is taken off what is needed."""
        with serving({"/root.crl": crl_of(pki.root)}) as url:
            ski = trust(commands, pki.root, url=f"{url}/root.crl", backdating=600)
            commands.out("ca", "refresh")
        out = commands.out("user", "revoke", UPN)
        with commands.store() as store:
            stored = store.valid_from.get(UPN)
        assert stored is not None
        needed = (stored.value - timedelta(minutes=10)).isoformat().replace("+00:00", "Z")
        assert f"CN=Development root ({ski}): needs one of after {needed}; " in out
        assert "the next is due by" in out

    def test_says_when_the_crl_in_force_lets_in(self, commands: Commands, pki: Pki) -> None:
        """With a CRL accepted after the revocation, `show` says that it readmits."""
        with serving({"/root.crl": crl_of(pki.root)}) as url:
            trust(commands, pki.root, url=f"{url}/root.crl", backdating=600)
            commands.out("user", "revoke", UPN)
            commands.out("ca", "refresh")
        assert "lets in again" in commands.out("user", "show", UPN)

    def test_says_when_no_such_crl_can_come(self, commands: Commands) -> None:
        """A CA without a URL, and one that has expired since it was added."""
        soon = datetime.now(UTC) + timedelta(hours=1)
        ski = trust(commands, CertificateAuthority.root("No URL"), url=None)
        old = CertificateAuthority.root("Old", not_after=soon)
        trust(commands, old, url="http://127.0.0.1:9/none.crl")
        with time_machine.travel(soon + timedelta(hours=1)):
            out = commands.out("user", "revoke", UPN)
        assert f"no such CRL can come, as it has no URL; `ca set {ski} --crl URL`" in out
        assert "no such CRL can come, as the CA expired at" in out

    def test_says_when_the_last_fetch_failed(self, commands: Commands, pki: Pki) -> None:
        """The reason is repeated."""
        trust(commands, pki.root, url="http://127.0.0.1:9/none.crl")
        commands.run("ca", "refresh", status=1)
        out = commands.out("user", "revoke", UPN)
        assert "there is none in force; the last fetch failed: http://127.0.0.1:9/" in out

    def test_asks_only_the_cas_of_certificates_seen(self, commands: Commands, pki: Pki) -> None:
        """A CA that issued none of the mailbox's certificates is not mentioned."""
        ski = trust(commands, pki.root, url=None)
        trust(commands, CertificateAuthority.root("Other"), url=None)
        show_certificate(commands, ski, 0x4AF3)
        out = commands.out("user", "revoke", UPN)
        assert "CN=Other" not in out
        assert f"eas-gateway certificate block 0x4af3 --issuer {ski}   # CN=alice" in out

    def test_a_blocked_certificate_is_not_offered(self, commands: Commands, pki: Pki) -> None:
        """It is out already."""
        ski = trust(commands, pki.root, url=None)
        show_certificate(commands, ski, 7)
        commands.out("certificate", "block", "7", "--issuer", ski)
        assert "certificate block" not in commands.out("user", "revoke", UPN)

    def test_immediate_mode_is_explained(self, commands: Commands) -> None:
        """What keeps nobody out is not promised to."""
        with commands.config.open("a", encoding="utf-8") as config:
            config.write('[revocation]\nreauthentication = "immediate"\n')
        out = commands.out("user", "revoke", UPN)
        assert "reauthentication is immediate" in out
        assert "signs in again at once" in out

    def test_set_valid_from_stores_now(self, commands: Commands) -> None:
        """A time in the future is accepted, and is not what is stored."""
        lines = commands.out("user", "set-valid-from", UPN, TOMORROW).splitlines()
        value = shown(commands)["token_valid_from"]
        assert isinstance(value, str)
        assert datetime.fromisoformat(value) <= datetime.now(UTC)
        assert lines[:2] == [
            f"{UPN}: token-valid-from is {value}",
            f"sessions of {UPN} that began at or before {value} are refused",
        ]
        assert lines[2].startswith("a phone signs in again with a certificate issued after")

    def test_set_valid_from_refuses_the_past(self, commands: Commands) -> None:
        """Nothing is set."""
        error = commands.refusal("user", "set-valid-from", UPN, "2020-01-31T12:00:00Z")
        assert "is not in the future" in error
        assert shown(commands)["token_valid_from"] is None

    @pytest.mark.parametrize(
        ("text", "problem"),
        [("2090-01-31T12:00:00", "lacks its zone"), ("tomorrow", "is not ISO 8601")],
    )
    def test_set_valid_from_refuses_what_is_no_moment(
        self, commands: Commands, text: str, problem: str
    ) -> None:
        """A time without a zone means different moments to different readers."""
        assert problem in commands.refusal("user", "set-valid-from", UPN, text)

    def test_clear_says_what_was(self, commands: Commands) -> None:
        """The second time there is nothing to clear."""
        commands.out("user", "revoke", UPN)
        assert f"{UPN}: token-valid-from was 2" in commands.out("user", "clear-valid-from", UPN)
        assert shown(commands)["token_valid_from"] is None
        assert commands.out("user", "show", UPN).endswith("token valid from  -\n")
        assert "was not set" in commands.out("user", "clear-valid-from", UPN)

    def test_an_unknown_user_is_refused(self, commands: Commands) -> None:
        """The UPN is named."""
        for verb in ("revoke", "clear-valid-from", "show"):
            assert "no mailbox has the UPN x@y.test" in commands.refusal("user", verb, "x@y.test")
