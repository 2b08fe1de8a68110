"""`eas-gateway pki` does what it says, prints what it made, and refuses with a sentence."""

import json
import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import pkcs12

from gateway.cli.main import main
from gateway.pki.folder import PkiFolder, read_certificates

Output = pytest.CaptureFixture[str]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A new PKI of this test's own."""
    PkiFolder.create(tmp_path / "pki")
    return tmp_path / "pki"


def serial_of(path: Path) -> int:
    """The serial number of the leaf in a PEM file."""
    return read_certificates(path)[0].serial_number


def revoked_in(directory: Path) -> list[int]:
    """The serial numbers on the issuing CA's CRL."""
    crl = x509.load_der_x509_crl((directory / "issuing.crl").read_bytes())
    return [one.serial_number for one in crl]


class TestInit:
    """pki init."""

    def test_makes_a_pki_for_the_hosts(self, tmp_path: Path, capsys: Output) -> None:
        """The server certificate has the extra names, and the output lists what was made."""
        hosts = ["--hostname", "gw.example.test", "--hostname", "192.0.2.1"]
        assert main(["pki", "init", "--directory", str(tmp_path), *hosts, "--json"]) == 0
        made = json.loads(capsys.readouterr().out)
        assert made["directory"] == str(tmp_path)
        assert {"issuing", "server", "alice", "bob"} <= set(made["issued"])
        (server, _) = read_certificates(tmp_path / "server.pem")
        names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert names.get_values_for_type(x509.DNSName) == ["localhost", "gw.example.test"]
        addresses = [str(one) for one in names.get_values_for_type(x509.IPAddress)]
        assert addresses == ["127.0.0.1", "::1", "192.0.2.1"]

    def test_refuses_an_existing_pki(self, directory: Path, capsys: Output) -> None:
        """A second run changes nothing and says why, unless that is what was asked for."""
        before = (directory / "pki.json").read_bytes()
        assert main(["pki", "init", "--directory", str(directory)]) == 2
        sentence = f"there is a PKI in {directory} already; it stays as it is\n"
        assert capsys.readouterr().err == f"eas-gateway: {sentence}"
        assert main(["pki", "init", "--directory", str(directory), "--if-missing"]) == 0
        assert capsys.readouterr() == ("", sentence)
        assert (directory / "pki.json").read_bytes() == before

    def test_wrong_host_is_named(self, tmp_path: Path, capsys: Output) -> None:
        """A URL is no host name."""
        command = ["pki", "init", "--directory", str(tmp_path), "--hostname", "https://x.test"]
        assert main(command) == 2
        assert "'https://x.test' is no host name" in capsys.readouterr().err

    def test_prints_no_key(self, tmp_path: Path, capsys: Output) -> None:
        """Secrets go into files only."""
        main(["pki", "init", "--directory", str(tmp_path)])
        printed = capsys.readouterr()
        assert printed.out.startswith(f"PKI made in {tmp_path}")
        assert "PRIVATE" not in printed.out + printed.err


class TestIssue:
    """pki issue."""

    def test_takes_the_file_name_from_the_owner(self, directory: Path, capsys: Output) -> None:
        """The local part of the UPN names the files, whose paths and serial number are printed."""
        command = ["pki", "issue", "--directory", str(directory), "--upn", "carol@example.test"]
        assert main([*command, "--days", "2", "--json"]) == 0
        printed = json.loads(capsys.readouterr().out)
        pem, key = directory / "carol.pem", directory / "carol.key"
        assert printed == {"serial": f"{serial_of(pem):x}", "files": [str(pem), str(key)]}
        leaf = read_certificates(pem)[0]
        assert (leaf.not_valid_after_utc - leaf.not_valid_before_utc).days == 2
        assert stat.S_IMODE(key.stat().st_mode) == 0o600

    def test_p12_makes_its_password(self, directory: Path, capsys: Output) -> None:
        """A missing password file is made with mode 0600, and its content opens the PKCS#12."""
        password = directory / "password.pem"
        command = ["pki", "issue", "--directory", str(directory), "--email", "carol@example.test"]
        assert main([*command, "--p12", "--password-file", str(password)]) == 0
        secret = password.read_bytes().strip()
        assert len(secret) >= 20
        assert stat.S_IMODE(password.stat().st_mode) == 0o600
        assert secret.decode() not in capsys.readouterr().out
        assert pkcs12.load_pkcs12((directory / "carol.p12").read_bytes(), secret).key is not None

    def test_p12_uses_the_password_that_is_there(self, directory: Path) -> None:
        """An existing password file is read, without its line end, and left alone."""
        password = directory / "carol.txt"
        password.write_bytes(b"chosen\n")
        command = ["pki", "issue", "--directory", str(directory), "--upn", "carol@example.test"]
        assert main([*command, "--p12", "--password-file", str(password)]) == 0
        assert password.read_bytes() == b"chosen\n"
        assert pkcs12.load_pkcs12((directory / "carol.p12").read_bytes(), b"chosen").key

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            ([], "--upn, --email or both"),
            (["--upn", ""], "must not be empty"),
            (["--upn", "x@y.test", "--p12"], "--password-file"),
            (["--upn", "x@y.test", "--password-file", "pw"], "--p12"),
            (["--upn", "x@y.test", "--name", "../x"], "'../x' is no file name"),
            (["--upn", "älice@y.test"], "'älice' is no file name"),
            (["--upn", "x@y.test", "--name", "bob"], "bob.key is there already"),
            (["--upn", "x@y.test", "--name", "root"], "root.key is there already"),
            (["--email", "älice@y.test", "--name", "a"], "cannot be an RFC822 name"),
            (["--upn", "x@y.test", "--days", "0"], "--days"),
        ],
    )
    def test_refuses_and_leaves_the_folder_alone(
        self, directory: Path, capsys: Output, options: list[str], said: str
    ) -> None:
        """Each mistake is named, with status 2, and nothing is written."""
        before = {one.name: one.read_bytes() for one in directory.iterdir()}
        assert main(["pki", "issue", "--directory", str(directory), *options]) == 2
        assert said in capsys.readouterr().err
        assert {one.name: one.read_bytes() for one in directory.iterdir()} == before

    def test_an_empty_password_file_is_refused(self, directory: Path, capsys: Output) -> None:
        """An empty password would leave the key open."""
        password = directory / "empty"
        password.write_bytes(b"\n")
        command = ["pki", "issue", "--directory", str(directory), "--upn", "carol@example.test"]
        assert main([*command, "--p12", "--password-file", str(password)]) == 2
        assert f"--password-file: {password} is empty" in capsys.readouterr().err
        assert not (directory / "carol.key").exists()

    def test_a_refused_issue_leaves_no_password(self, directory: Path) -> None:
        """A password that was made for nothing is taken away, one that was there stays."""
        made, given = directory / "made", directory / "given"
        given.write_bytes(b"chosen")
        command = ["pki", "issue", "--directory", str(directory), "--upn", "bob@example.test"]
        assert main([*command, "--p12", "--password-file", str(made)]) == 2
        assert main([*command, "--p12", "--password-file", str(given)]) == 2
        assert not made.exists()
        assert given.read_bytes() == b"chosen"

    def test_a_password_file_nowhere_is_named(self, directory: Path, capsys: Output) -> None:
        """A folder that does not exist is an error about that folder."""
        command = ["pki", "issue", "--directory", str(directory), "--upn", "carol@example.test"]
        assert main([*command, "--p12", "--password-file", str(directory / "no" / "pw")]) == 2
        assert (
            f"{directory / 'no' / 'pw'}: cannot be written: No such file" in capsys.readouterr().err
        )
        assert not (directory / "carol.key").exists()

    def test_without_a_pki_says_how_to_make_one(self, tmp_path: Path, capsys: Output) -> None:
        """The sentence has the command to run."""
        assert main(["pki", "issue", "--directory", str(tmp_path), "--upn", "x@y.test"]) == 2
        assert f"eas-gateway pki init --directory {tmp_path}" in capsys.readouterr().err


class TestRevoke:
    """pki revoke."""

    @pytest.mark.parametrize("form", ["hex", "openssl", "colons", "path", "name"])
    def test_a_certificate_can_be_named_in_every_form(self, directory: Path, form: str) -> None:
        """Hexadecimal in either case, with colons, a path, and a file name within the folder."""
        path = directory / "alice.pem"
        serial = f"{serial_of(path):040x}"
        forms = {
            "hex": serial,
            "openssl": serial.upper(),
            "colons": ":".join(serial[at : at + 2] for at in range(0, 40, 2)),
            "path": str(path),
            "name": "alice.pem",
        }
        assert main(["pki", "revoke", "--directory", str(directory), forms[form]]) == 0
        assert revoked_in(directory) == [serial_of(path)]

    def test_prints_what_was_revoked(self, directory: Path, capsys: Output) -> None:
        """The JSON has name, serial number, CA, date and reason."""
        command = ["pki", "revoke", "--directory", str(directory), "bob.pem"]
        assert main([*command, "--reason", "keycompromise", "--json"]) == 0
        printed = json.loads(capsys.readouterr().out)
        assert printed["serial"] == f"{serial_of(directory / 'bob.pem'):x}"
        assert (printed["name"], printed["issuer"]) == ("bob", "issuing")
        assert printed["reason"] == "keyCompromise"

    def test_twice_says_since_when(self, directory: Path, capsys: Output) -> None:
        """The second time is no error and names the first time's date."""
        command = ["pki", "revoke", "--directory", str(directory), "bob.pem"]
        assert main(command) == 0
        assert capsys.readouterr().out.startswith("Revoked bob (")
        assert main(command) == 0
        assert "is revoked since 20" in capsys.readouterr().out

    @pytest.mark.parametrize(
        ("named", "said"),
        [
            ("no-such.pem", "'no-such.pem' is neither a file nor a serial number"),
            ("1234", "serial number 1234 (hexadecimal)"),
            ("foreign.pem", "no certificate with serial number"),
            ("issuing.crl", "issuing.crl: holds no PEM certificate"),
        ],
    )
    def test_refuses_what_is_not_of_this_pki(
        self, directory: Path, capsys: Output, named: str, said: str
    ) -> None:
        """A file that is none, an unknown serial number, a foreign certificate, a CRL."""
        assert main(["pki", "revoke", "--directory", str(directory), named]) == 2
        assert said in capsys.readouterr().err
        assert revoked_in(directory) == []


class TestCrl:
    """pki crl."""

    def test_signs_the_next_one(self, directory: Path, capsys: Output) -> None:
        """The number rises, the revoked stay, and the next update is as far as asked."""
        main(["pki", "revoke", "--directory", str(directory), "alice.pem"])
        capsys.readouterr()
        command = ["pki", "crl", "--directory", str(directory), "--days", "3"]
        assert main([*command, "--json"]) == 0
        printed = json.loads(capsys.readouterr().out)
        assert printed["crl_number"] == 3
        assert [one["name"] for one in printed["revoked"]] == ["alice"]
        crl = x509.load_der_x509_crl((directory / "issuing.crl").read_bytes())
        assert crl.next_update_utc is not None
        assert (crl.next_update_utc - crl.last_update_utc).days == 3
        assert main(command) == 0
        assert "number 4: 1 revoked" in capsys.readouterr().out
