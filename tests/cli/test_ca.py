"""`eas-gateway ca`."""

import base64
import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import time_machine
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.pki.authority import CertificateAuthority
from gateway.pki.crl import Revocation
from gateway.pki.identity import ec_key
from tests.cli.state_commands import Commands, crl_of, serving
from tests.helpers import Pki

NOWHERE = "http://127.0.0.1:9/none.crl"  # the discard port: refused at once


@pytest.fixture
def commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Commands:
    """The commands, on an empty state folder."""
    return Commands(tmp_path, capsys)


def add_root(commands: Commands, pki: Pki, url: str = NOWHERE) -> str:
    """The root is a record; returns its id."""
    out, _ = commands.run("ca", "add", "--type", "root", "--cert", str(pki.root_pem), "--crl", url)
    return out.split()[0]


def add_both(commands: Commands, pki: Pki) -> tuple[str, str]:
    """Root and issuing CA are records; returns their ids."""
    root = add_root(commands, pki)
    issuing = ("--type", "intermediate", "--cert", str(pki.issuing_pem), "--crl", NOWHERE)
    return root, commands.run("ca", "add", *issuing)[0].split()[0]


class TestAdd:
    """`ca add`."""

    def test_prints_the_key_identifier_first(self, commands: Commands, pki: Pki) -> None:
        """The first line is the id alone, and with a CRL that comes there is nothing to say."""
        with serving({"/root.crl": crl_of(pki.root)}) as url:
            arguments = ("--type", "root", "--cert", str(pki.root_pem))
            out = commands.out("ca", "add", *arguments, "--crl", f"{url}/root.crl")
        assert out == pki.root.key_identifier.hex() + "\n"

    def test_succeeds_without_a_crl_and_says_so(self, commands: Commands, pki: Pki) -> None:
        """A URL that does not answer yet is no reason to refuse the record."""
        arguments = ("--type", "root", "--cert", str(pki.root_pem), "--crl", NOWHERE)
        out, err = commands.run("ca", "add", *arguments)
        assert out == pki.root.key_identifier.hex() + "\n"
        assert "certificates that no CRL answers for are refused" in err
        assert NOWHERE in err

    def test_reads_der_and_every_option(self, commands: Commands, pki: Pki, tmp_path: Path) -> None:
        """DER is taken like PEM; delta CRL and backdating are stored."""
        der = tmp_path / "root.der"
        der.write_bytes(pki.root.certificate.public_bytes(Encoding.DER))
        delta = "https://127.0.0.1:9/delta.crl"
        options = ("--crl", NOWHERE, "--delta-crl", delta, "--backdating", "600")
        commands.run("ca", "add", "--type", "root", "--cert", str(der), *options)
        (record,) = json.loads(commands.out("ca", "list", "--json"))
        assert record["deltaCrlDistributionPoint"] == delta
        assert record["backdatingSeconds"] == 600

    def test_refuses_an_intermediate_before_its_root(self, commands: Commands, pki: Pki) -> None:
        """The sentence says what to add first."""
        arguments = ("--type", "intermediate", "--cert", str(pki.issuing_pem), "--crl", NOWHERE)
        assert "add its root first" in commands.refusal("ca", "add", *arguments)

    def test_refuses_an_expired_ca(self, commands: Commands, tmp_path: Path) -> None:
        """The moment of expiry is named, and nothing is stored."""
        past = datetime.now(UTC) - timedelta(days=1)
        old = CertificateAuthority.root("Old", not_before=past - timedelta(days=9), not_after=past)
        (tmp_path / "old.pem").write_bytes(old.certificate_pem)
        arguments = ("--type", "root", "--cert", str(tmp_path / "old.pem"), "--crl", NOWHERE)
        assert "CN=Old expired at" in commands.refusal("ca", "add", *arguments)
        assert json.loads(commands.out("ca", "list", "--json")) == []

    def test_refuses_a_device_certificate(self, commands: Commands, pki: Pki) -> None:
        """What is no CA cannot be a record; the PEM file of a device has two certificates, too."""
        arguments = ("--type", "root", "--cert", str(pki.alice.pem), "--crl", NOWHERE)
        assert "holds 2 certificates" in commands.refusal("ca", "add", *arguments)
        (commands.folder / "a.der").write_bytes(pki.alice.der)
        arguments = ("--type", "root", "--cert", str(commands.folder / "a.der"), "--crl", NOWHERE)
        assert "is not a CA certificate" in commands.refusal("ca", "add", *arguments)

    @pytest.mark.parametrize("content", [b"", b"\x30\x00", b"-----BEGIN CERTIFICATE-----\n"])
    def test_refuses_a_file_that_is_no_certificate(
        self, commands: Commands, content: bytes
    ) -> None:
        """The file is named."""
        file = commands.folder / "wrong.pem"
        file.write_bytes(content)
        error = commands.refusal(
            "ca", "add", "--type", "root", "--cert", str(file), "--crl", NOWHERE
        )
        assert "wrong.pem: is no certificate in DER or PEM" in error

    def test_refuses_a_file_that_is_not_there(self, commands: Commands) -> None:
        """The file and the system's reason are named."""
        arguments = ("--type", "root", "--cert", "/no/such.pem", "--crl", NOWHERE)
        assert "/no/such.pem: cannot be read: No such file" in commands.refusal(
            "ca", "add", *arguments
        )

    @pytest.mark.parametrize(
        "url", ["ldap://x/y", "file:///etc/x", "http://", "x.crl", "http://a b/", "http://x:y/"]
    )
    def test_refuses_a_url_that_is_not_http(self, commands: Commands, pki: Pki, url: str) -> None:
        """CRLs come by http or https only."""
        arguments = ("--type", "root", "--cert", str(pki.root_pem), "--crl", url)
        assert "is not a URL of the form" in commands.refusal("ca", "add", *arguments)

    def test_refuses_a_url_with_a_password(self, commands: Commands, pki: Pki) -> None:
        """It would be stored and logged; what is printed does not hold it either."""
        root = add_root(commands, pki)
        url = ("--url", "http://ca:s3cret@x.test/x.crl")
        error = commands.refusal("ca", "source", "add", root, *url)
        assert "leave USER:PASSWORD@ out" in error
        assert "s3cret" not in error
        assert "leave USER" in commands.refusal("ca", "set", root, "--crl", url[1])


class TestListAndShow:
    """`ca list` and `ca show`."""

    def test_json_has_the_names_of_entra(self, commands: Commands, pki: Pki) -> None:
        """The record can be carried to Entra, and says what the CRL does here."""
        crl = crl_of(pki.root)
        with serving({"/root.crl": crl}) as url:
            ski = add_root(commands, pki, f"{url}/root.crl")
        (record,) = json.loads(commands.out("ca", "list", "--json"))
        assert record["authorityType"] == 0
        assert record["trustedIssuerSKI"] == ski
        assert record["trustedIssuer"] == "CN=Development root"
        assert record["crlDistributionPoint"] == f"{url}/root.crl"
        assert record["deltaCrlDistributionPoint"] is None
        der = base64.b64decode(record["trustedCertificate"])
        assert x509.load_der_x509_certificate(der) == pki.root.certificate
        base = record["revocation"]["base"]
        assert (base["result"], base["entries"]) == ("ok", 0)
        assert base["size"] == len(crl)
        assert base["effectiveDate"] < base["nextUpdate"] == record["revocation"]["refusedFrom"]
        assert record["revocation"]["delta"] is None
        shown = json.loads(commands.out("ca", "show", "--json", ski))
        assert shown == record | {"otherCertificates": []}

    def test_tables_name_each_ca(self, commands: Commands, pki: Pki) -> None:
        """A line each, with the CRL's state; an id may be abbreviated."""
        root, issuing = add_both(commands, pki)
        lines = commands.out("ca", "list").splitlines()
        assert [line.split()[:2] for line in lines[1:]] == [
            [root, "root"],
            [issuing, "intermediate"],
        ]
        assert "none: http://127.0.0.1:9/none.crl" in lines[1]
        shown = commands.out("ca", "show", issuing[:8])
        assert f"id              {issuing}\n" in shown
        assert "subject         CN=Development issuing CA\n" in shown

    def test_a_crl_in_force_is_described(self, commands: Commands, pki: Pki) -> None:
        """Its entries, its size and until when it decides, in the table and for one CA."""
        crl = crl_of(pki.root)
        with serving({"/root.crl": crl}) as url:
            ski = add_root(commands, pki, f"{url}/root.crl")
        for out in (commands.out("ca", "list"), commands.out("ca", "show", ski)):
            assert f", 0 entries, {len(crl)} bytes, in force until 2" in out

    def test_refusals_that_have_begun_are_said_to_have(self, commands: Commands) -> None:
        """By the time at which the CRL expired, or plainly where there never was one."""
        now = datetime.now(UTC).replace(microsecond=0)
        ca = CertificateAuthority.root("Late root", not_before=now - timedelta(days=1))
        (commands.folder / "late.pem").write_bytes(ca.certificate_pem)
        signed = ca.sign_crl(
            this_update=now - timedelta(hours=3), next_update=now - timedelta(hours=1)
        )
        crl = signed.public_bytes(Encoding.DER)
        arguments = ("--type", "root", "--cert", str(commands.folder / "late.pem"))
        with serving({"/a.crl": crl}) as url, time_machine.travel(now - timedelta(hours=2)):
            commands.out("ca", "add", *arguments, "--crl", f"{url}/a.crl")
        ended = f"{(now - timedelta(hours=1)).isoformat()[:19]}Z"
        assert f"now, since {ended}" in commands.out("ca", "list")

    def test_an_unknown_id_is_refused(self, commands: Commands) -> None:
        """The id is named."""
        commands.out("store", "migrate")
        assert "begins with abcd" in commands.refusal("ca", "show", "abcd")


class TestSet:
    """`ca set`."""

    def test_changes_what_is_given(self, commands: Commands, pki: Pki) -> None:
        """A new URL is asked at once; the rest stays."""
        ski = add_root(commands, pki)
        with serving({"/new.crl": crl_of(pki.root)}) as url:
            commands.out("ca", "set", ski[:8], "--crl", f"{url}/new.crl")
        commands.out("ca", "set", ski, "--backdating", "60")
        record = json.loads(commands.out("ca", "show", "--json", ski))
        assert record["crlDistributionPoint"] == f"{url}/new.crl"
        assert record["backdatingSeconds"] == 60
        assert record["revocation"]["base"]["result"] == "ok"

    def test_a_delta_url_comes_and_goes(self, commands: Commands, pki: Pki) -> None:
        """--no-delta-crl removes it; both at once contradict each other."""
        ski = add_root(commands, pki)
        commands.run("ca", "set", ski, "--delta-crl", NOWHERE)
        commands.run("ca", "set", ski, "--no-delta-crl")
        record = json.loads(commands.out("ca", "show", "--json", ski))
        assert record["deltaCrlDistributionPoint"] is None
        both = ("--delta-crl", NOWHERE, "--no-delta-crl")
        assert "contradict" in commands.refusal("ca", "set", ski, *both)

    def test_nothing_to_set_is_a_usage_error(self, commands: Commands) -> None:
        """The options are named."""
        assert "say what to set: --crl" in commands.refusal("ca", "set", "ab")


class TestSettings:
    """Exemption, the delta CRL's standing, and no CRL at all."""

    def test_a_ca_without_crl_must_be_exempt(self, commands: Commands, pki: Pki) -> None:
        """Else all its certificates would be refused, which nobody wants of a new record."""
        arguments = ("--type", "root", "--cert", str(pki.root_pem))
        error = commands.refusal("ca", "add", *arguments)
        assert "say where it is with --crl URL, or --exempt" in error
        assert json.loads(commands.out("ca", "list", "--json")) == []
        ski = commands.out("ca", "add", *arguments, "--exempt").strip()
        (record,) = json.loads(commands.out("ca", "list", "--json"))
        assert (record["id"], record["exempt"]) == (ski, True)
        assert "never: exempt" in commands.out("ca", "list")

    def test_where_crls_are_not_required_none_is_missed(self, commands: Commands, pki: Pki) -> None:
        """Entra's default, named in the configuration."""
        with commands.config.open("a", encoding="utf-8") as file:
            file.write("[revocation]\nrequire_crl_validation = false\n")
        commands.out("ca", "add", "--type", "root", "--cert", str(pki.root_pem))
        assert "never: exempt" in commands.out("ca", "list")

    def test_are_set_and_unset(self, commands: Commands, pki: Pki) -> None:
        """Each by its option and the opposite of it."""
        ski = add_root(commands, pki)
        for options, exempt, required in (
            (("--exempt", "--no-delta-required"), True, False),
            (("--no-exempt", "--delta-required"), False, True),
        ):
            commands.out("ca", "set", ski, *options)
            record = json.loads(commands.out("ca", "show", "--json", ski))
            assert (record["exempt"], record["deltaRequired"]) == (exempt, required)

    def test_the_crl_url_can_go(self, commands: Commands, pki: Pki) -> None:
        """With it the delta CRL's; what that means is said."""
        ski = add_root(commands, pki)
        commands.run("ca", "set", ski, "--delta-crl", NOWHERE)
        _, err = commands.run("ca", "set", ski, "--no-crl")
        assert "without a CRL its certificates are refused" in err
        record = json.loads(commands.out("ca", "show", "--json", ski))
        assert (record["crlDistributionPoint"], record["deltaCrlDistributionPoint"]) == (None, None)
        assert "no CRL that the delta" in commands.refusal("ca", "set", ski, "--delta-crl", NOWHERE)


class TestRollover:
    """Several certificates of one CA."""

    def test_old_and_new_stand_together_until_the_old_one_is_removed(
        self, commands: Commands
    ) -> None:
        """A renewed certificate needs no CRL URL: it has that of its CA."""
        key = ec_key()
        start = datetime.now(UTC) - timedelta(days=300)
        files = [commands.folder / "old.cer", commands.folder / "new.cer"]
        old = CertificateAuthority.root("Root", key=key, not_before=start)
        new = CertificateAuthority.root("Root", key=key)
        for file, ca in zip(files, (old, new), strict=True):
            file.write_bytes(ca.certificate.public_bytes(Encoding.DER))
        with serving({"/a.crl": crl_of(new)}) as url:
            first = ("--type", "root", "--cert", str(files[0]), "--crl", f"{url}/a.crl")
            ski = commands.out("ca", "add", *first).strip()
            assert commands.out("ca", "add", *first[:3], str(files[1])).strip() == ski
        listed = json.loads(commands.out("ca", "list", "--json"))
        assert [record["id"] for record in listed] == [ski, ski]
        shown = json.loads(commands.out("ca", "show", "--json", ski))
        (other,) = shown["otherCertificates"]
        assert shown["notBefore"] > other["notBefore"]
        gone = commands.out("ca", "remove", ski, "--certificate", other["fingerprint"][:16])
        assert gone.startswith(f"removed the certificate of {ski} CN=Root until ")
        (left,) = json.loads(commands.out("ca", "list", "--json"))
        assert left["fingerprint"] == shown["fingerprint"]
        assert left["revocation"]["base"]["entries"] == 0


class TestSource:
    """`ca source`."""

    def test_comes_is_listed_and_goes(self, commands: Commands, pki: Pki) -> None:
        """Its CRL is fetched at once; Entra's export does not know it."""
        with serving({"/root.crl": crl_of(pki.root), "/more.crl": crl_of(pki.root)}) as url:
            ski = add_root(commands, pki, f"{url}/root.crl")
            more = f"{url}/more.crl"
            assert commands.out("ca", "source", "add", ski[:8], "--url", more) == ski + "\n"
        listed = commands.out("ca", "source", "list", ski)
        assert more in listed
        assert "0 entries" in listed
        (one,) = json.loads(commands.out("ca", "source", "list", "--json", ski))
        assert one == {"url": more, "signer": None, "signerFingerprint": None}
        (record,) = json.loads(commands.out("ca", "list", "--json"))
        assert [source["url"] for source in record["revocation"]["sources"]] == [more]
        assert more not in commands.out("ca", "export")
        assert more in commands.out("ca", "source", "remove", ski, "--url", more)
        assert json.loads(commands.out("ca", "source", "list", "--json", ski)) == []

    def test_a_signer_is_kept_with_it(self, commands: Commands, pki: Pki) -> None:
        """Also one given with the record; one that no CA issued is refused."""
        signer = pki.root.intermediate("CRL signer")
        file = commands.folder / "signer.pem"
        file.write_bytes(signer.certificate_pem)
        arguments = ("--type", "root", "--cert", str(pki.root_pem))
        commands.run("ca", "add", *arguments, "--source", NOWHERE, "--signer", str(file))
        ski = pki.root.key_identifier.hex()
        (one,) = json.loads(commands.out("ca", "source", "list", "--json", ski))
        assert one["signer"] == "CN=CRL signer"
        file.write_bytes(CertificateAuthority.root("Stranger").certificate_pem)
        url = "http://127.0.0.1:9/other.crl"
        error = commands.refusal("ca", "source", "add", ski, "--url", url, "--signer", str(file))
        assert "issued by none of the CAs" in error

    def test_a_signer_without_a_source_is_a_usage_error(self, commands: Commands, pki: Pki) -> None:
        """The option that is missing is named."""
        arguments = ("--type", "root", "--cert", str(pki.root_pem), "--signer", str(pki.root_pem))
        assert "--source URL" in commands.refusal("ca", "add", *arguments)


class TestRollback:
    """`ca refresh --accept-rollback`."""

    def test_takes_an_older_crl_and_is_audited(self, commands: Commands, pki: Pki) -> None:
        """Who did it to which CA, and which CRL took the place of which."""
        newer = pki.root.sign_crl(number=9).public_bytes(Encoding.DER)
        older = pki.root.sign_crl(number=4).public_bytes(Encoding.DER)
        files = {"/root.crl": newer}
        with serving(files) as url:
            ski = add_root(commands, pki, f"{url}/root.crl")
            files["/root.crl"] = older
            assert "the last accepted was 9" in commands.run("ca", "refresh", ski, status=1)[0]
            out = commands.out("ca", "refresh", "--accept-rollback", ski)
        assert "CRL number 4" in out
        with commands.store() as store:
            (entry,) = store.audit.list()
        assert entry.record["event"] == "crl.rollback_accepted"
        assert (entry.record["authority"], entry.record["user_id"]) == (ski, os.getuid())
        before, after = entry.record["before"], entry.record["after"]
        assert "number 9" in str(before)
        assert "number 4" in str(after)

    def test_is_for_one_ca(self, commands: Commands) -> None:
        """Nobody accepts rollbacks of all CAs by the way."""
        assert "name its ID" in commands.refusal("ca", "refresh", "--accept-rollback")


def test_a_crl_near_a_limit_is_a_warning(commands: Commands, pki: Pki) -> None:
    """In `ca list` and at the refresh, with the key to change."""
    revoked = [Revocation(serial_number=2**150 + n) for n in range(30)]
    crl = pki.root.sign_crl(revoked).public_bytes(Encoding.DER)
    with commands.config.open("a", encoding="utf-8") as file:
        file.write(f"[revocation]\ndownload_limit_bytes = {len(crl)}\n")
    with serving({"/root.crl": crl}) as url:
        add_root(commands, pki, f"{url}/root.crl")
        for verb in ("list", "refresh"):
            _, err = commands.run("ca", verb)
            assert err.startswith("warning: ")
            assert "revocation.download_limit_bytes" in err


class TestRemove:
    """`ca remove`."""

    def test_a_crl_that_is_in_use_is_left(self, commands: Commands, pki: Pki) -> None:
        """The record goes all the same, and what stays is said."""
        ski = add_root(commands, pki)
        folder = commands.folder / "state" / "crl"
        (folder / f"{ski}.directory").mkdir()
        _, err = commands.run("ca", "remove", ski)
        assert f"its CRLs stay in {folder}: " in err
        assert json.loads(commands.out("ca", "list", "--json")) == []

    def test_the_record_and_its_crl_go(self, commands: Commands, pki: Pki) -> None:
        """What it meant is said; nothing of the CA is kept."""
        with serving({"/root.crl": crl_of(pki.root)}) as url:
            ski = add_root(commands, pki, f"{url}/root.crl")
        assert list((commands.folder / "state" / "crl").glob(f"{ski}*"))
        out = commands.out("ca", "remove", ski[:8])
        assert out == f"removed {ski} CN=Development root; its certificates are refused\n"
        assert list((commands.folder / "state" / "crl").glob(f"{ski}*")) == []
        assert json.loads(commands.out("ca", "list", "--json")) == []

    def test_says_when_no_root_is_left(self, commands: Commands, pki: Pki) -> None:
        """An intermediate alone leads nowhere."""
        root, _ = add_both(commands, pki)
        assert "no root is left" in commands.run("ca", "remove", root)[1]


class TestRefresh:
    """`ca refresh`."""

    def test_one_line_a_ca_and_1_if_one_failed(self, commands: Commands, pki: Pki) -> None:
        """The good one is fetched though the other fails."""
        files = {"/root.crl": crl_of(pki.root)}
        with serving(files) as url:
            root = add_root(commands, pki, f"{url}/root.crl")
            issuing = ("--type", "intermediate", "--cert", str(pki.issuing_pem))
            commands.run("ca", "add", *issuing, "--crl", f"{url}/issuing.crl")
            lines = commands.run("ca", "refresh", status=1)[0].splitlines()
            assert [line.split()[1] for line in lines] == ["ok:", "FAILED:"]
            assert commands.out("ca", "refresh", root[:6]).startswith(f"{root} ok: ")
            files["/issuing.crl"] = crl_of(pki.issuing)
            commands.out("ca", "refresh")

    def test_without_any_ca_is_refused(self, commands: Commands) -> None:
        """What to do is said."""
        commands.out("store", "migrate")
        assert "`ca add` adds one" in commands.refusal("ca", "refresh")

    def test_a_crl_folder_that_cannot_be_made_is_an_error(
        self, commands: Commands, pki: Pki
    ) -> None:
        """The folder is named."""
        add_root(commands, pki)
        folder = commands.folder / "state" / "crl"
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()
        folder.write_text("in the way", encoding="utf-8")
        assert f"{folder}: cannot be made" in commands.refusal("ca", "list")
