"""`eas-gateway profile` makes device profiles, and reads each of them as right."""

import json
import plistlib
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.cli.main import main
from gateway.profiles.cms import unwrap
from gateway.profiles.pkcs12 import unpack
from gateway.profiles.reading import AppleProfile, read
from gateway.profiles.schema import problems
from tests.profiles.bed import HOST, Bed, make_bed

ID = "6f1f7d5e-1c2b-4f3a-9d0e-0a1b2c3d4e5f"
IOS = "iosEasEmailProfileConfiguration"
SCEP_URL = "https://scep.example.test/x"
MAIL_AT = "PayloadContent[1]"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    """A gateway's configuration with Alice, Bob and the CAs; made once and not changed."""
    with make_bed(tmp_path_factory.mktemp("profile")) as bed:
        yield bed


@pytest.fixture
def bed(shared: Bed, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Bed:
    """The same gateway, with a folder of the test's own for profiles."""
    return shared.in_folder(tmp_path, capsys)


class TestApple:
    """profile apple."""

    def test_generated_password(self, bed: Bed) -> None:
        """A new password is printed once, is not in the file, and opens the identity."""
        path, out = bed.apple("--certificate", bed.pki.alice.pem, "--key", bed.pki.alice.key)
        password = out.partition("shown this once: ")[2].strip()
        assert len(password) >= 20
        profile = plistlib.loads(path.read_bytes())
        identity = bed.payload(profile, "com.apple.security.pkcs12")
        assert "Password" not in identity
        assert password.encode() not in path.read_bytes()
        opened = unpack(identity["PayloadContent"], password)
        assert opened.certificate == bed.pki.alice.certificate
        assert list(problems(profile)) == []

    def test_names_of_the_certificate(self, bed: Bed) -> None:
        """Address and User are the certificate's unless other ones are given."""
        path, _ = bed.apple("--certificate", bed.pki.alice.pem, "--key", bed.pki.alice.key)
        mail = bed.payload(plistlib.loads(path.read_bytes()), "com.apple.eas.account")
        assert (mail["EmailAddress"], mail["UserName"]) == ("alice@example.test",) * 2

    def test_mode(self, bed: Bed) -> None:
        """The file is its owner's alone, and nothing else is left beside it."""
        path, _ = bed.apple("--certificate", bed.pki.alice.pem, "--key", bed.pki.alice.key)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert list(path.parent.iterdir()) == [path]

    def test_replace(self, bed: Bed) -> None:
        """A file stays unless --replace is given; made again, the profile has the same UUIDs."""
        arguments = ("--email", "alice@example.test", "--scep-url", SCEP_URL)
        path, _ = bed.apple(*arguments)
        first = path.read_bytes()
        assert "is there already; --replace overwrites it" in bed.refused_apple(*arguments)
        bed.apple(*arguments, "--replace")
        assert path.read_bytes() == first

    def test_given_pkcs12(self, bed: Bed) -> None:
        """A PKCS#12 goes in as it is; its password is embedded only when that is asked for."""
        p12, password = bed.pkcs12(bed.device())
        path, out = bed.apple("--p12", p12, "--p12-password-file", password, "--embed-password")
        identity = bed.payload(plistlib.loads(path.read_bytes()), "com.apple.security.pkcs12")
        assert identity["PayloadContent"] == p12.read_bytes()
        assert identity["Password"] == password.read_text().strip()
        assert "password" not in out

    def test_wrong_password(self, bed: Bed) -> None:
        """A PKCS#12 that the phone could not open is refused."""
        p12, password = bed.pkcs12(bed.device())
        password.write_text("other")
        refusal = bed.refused_apple("--p12", p12, "--p12-password-file", password)
        assert "no PKCS#12 that this password opens" in refusal
        assert not list(p12.parent.glob("*.mobileconfig"))

    def test_signed(self, bed: Bed) -> None:
        """A signed profile holds the same profile, with the signer's chain."""
        arguments = ("--email", "alice@example.test", "--scep-url", SCEP_URL)
        path, _ = bed.apple(*arguments)
        plain = path.read_bytes()
        server = bed.pki.server
        bed.apple(*arguments, "--replace", "--signer", server.pem, "--signer-key", server.key)
        content, signature = unwrap(path.read_bytes())
        assert (content, signature.problem) == (plain, None)
        assert set(signature.certificates) == {server.certificate, bed.pki.issuing.certificate}

    def test_scep(self, bed: Bed) -> None:
        """Challenge and fingerprint get into the request."""
        challenge = bed.file("challenge", b"secret\n")
        path, _ = bed.apple(
            *("--email", "alice@example.test", "--upn", "alice@example.test"),
            *("--scep-url", SCEP_URL, "--scep-challenge-file", challenge),
            *("--scep-fingerprint", "AB:" * 31 + "AB", "--scep-name", "CA", "--key-size", "4096"),
        )
        profile = plistlib.loads(path.read_bytes())
        request = bed.payload(profile, "com.apple.security.scep")["PayloadContent"]
        assert request["Challenge"] == "secret"
        assert request["CAFingerprint"] == b"\xab" * 32
        assert (request["Name"], request["Keysize"]) == ("CA", 4096)
        assert list(problems(profile)) == []

    def test_acme(self, bed: Bed) -> None:
        """A key in the Secure Enclave, attested."""
        path, _ = bed.apple(
            *("--email", "alice@example.test", "--acme-url", "https://acme.example.test/d"),
            *("--acme-client-id", "device-1", "--attest"),
        )
        profile = plistlib.loads(path.read_bytes())
        assert bed.payload(profile, "com.apple.security.acme")["Attest"] is True
        assert list(problems(profile)) == []

    def test_cannot_be_written(self, bed: Bed) -> None:
        """A folder that is not there is named."""
        path = bed.folder / "missing" / "made.mobileconfig"
        names = ("--email", "alice@example.test", "--scep-url", SCEP_URL)
        assert "cannot be written: No such file" in bed.refusal(
            "apple", "--host", HOST, "-o", path, *names
        )

    def test_secret_files(self, bed: Bed) -> None:
        """A secret that is missing, empty or no text is named by its option."""
        names = ("--email", "alice@example.test", "--scep-url", SCEP_URL)
        option = "--scep-challenge-file"
        for path, words in (
            (bed.folder / "missing", "cannot be read: No such file"),
            (bed.file("empty", b" \n"), "is empty"),
            (bed.file("binary", b"\xff"), "is not UTF-8"),
            (bed.file("large", b"x" * 70_000), "is larger than"),
        ):
            refusal = bed.refused_apple(*names, option, path)
            assert option in refusal
            assert words in refusal

    def test_no_owner(self, bed: Bed) -> None:
        """A certificate without names, and a file without a key, make no profile."""
        without = bed.pki.stored("no-san")
        refusal = bed.refused_apple("--certificate", without.pem, "--key", without.key)
        assert "names neither UPN nor address" in refusal
        refusal = bed.refused_apple("--certificate", without.pem, "--key", without.pem)
        assert "holds no unencrypted private key" in refusal

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            ([], "say which identity the phone gets"),
            (["--scep-url", SCEP_URL], "--email says whose certificate"),
            (["--scep-url", SCEP_URL, "--acme-url", SCEP_URL], "say which identity"),
            (["--certificate", "x"], "--certificate and --key are given together"),
            (["--p12", "x"], "--p12 needs --p12-password-file"),
            (["--acme-url", SCEP_URL, "--email", "a@b.test"], "--acme-url needs --acme-client-id"),
            (["--scep-url", SCEP_URL, "--email", "alice"], "is not of the form name@domain"),
            (["--scep-url", SCEP_URL, "--signer", "x"], "--signer and --signer-key"),
            (
                ["--scep-url", SCEP_URL, "--email", "a@b.test", "--scep-fingerprint", "zz"],
                "--scep-fingerprint is no SHA-256",
            ),
            (["--host", "https://mail.example.test/x"], "write mail.example.test"),
            (["--host", "mail.example.test:8443"], "has a port; write mail.example.test"),
            (["--host", "bücher.test"], "write the xn-- form"),
        ],
    )
    def test_usage(self, bed: Bed, arguments: list[str], words: str) -> None:
        """What cannot be is refused with the option to change, and nothing is written."""
        assert words in " ".join(bed.refused_apple(*arguments).split())
        assert not list(bed.folder.glob("*.mobileconfig"))


class TestIntune:
    """profile intune."""

    def test_email(self, bed: Bed) -> None:
        """The JSON goes to standard output, or whole into a file."""
        command = ("intune", "email", IOS, "--host", HOST, "--identity", ID.upper())
        made = json.loads(bed.out(*command))
        assert made["hostName"] == HOST
        assert ID in made["identityCertificate@odata.bind"]
        path = bed.folder / "ios.json"
        assert bed.out(*command, "-o", path) == f"wrote {path}\n"
        assert json.loads(path.read_text()) == made

    def test_windows(self, bed: Bed) -> None:
        """Windows Mail cannot, and the sentence says why."""
        refusal = bed.refusal(
            "intune", "email", "windows10EasEmailProfileConfiguration", "--host", HOST
        )
        assert "has no certificate authentication" in refusal

    def test_identity_is_needed(self, bed: Bed) -> None:
        """Without the certificate profile's id there is no e-mail profile."""
        assert "--identity ID links" in bed.refusal("intune", "email", IOS, "--host", HOST)
        wrong = bed.refusal("intune", "email", IOS, "--host", HOST, "--identity", "1")
        assert "is no id as Graph gives it" in wrong

    def test_certificates(self, bed: Bed) -> None:
        """SCEP needs a server and the CA, PKCS a CA and its template."""
        scep, pkcs = "iosScepCertificateProfile", "iosPkcsCertificateProfile"
        command = ("intune", "certificate")
        made = json.loads(bed.out(*command, scep, "--scep-url", SCEP_URL, "--root", ID, "--no-sid"))
        assert len(made["customSubjectAlternativeNames"]) == 2
        own = ("--ca", "ca.example.test", "--ca-name", "Example CA", "--template", "Mail")
        assert json.loads(bed.out(*command, pkcs, *own))["certificateTemplateName"] == "Mail"
        assert "needs --scep-url URL and --root ID" in bed.refusal(*command, scep)
        assert "needs --ca HOST, --ca-name and --template" in bed.refusal(*command, pkcs)


class TestAndroid:
    """profile android."""

    def test_both_forms(self, bed: Bed) -> None:
        """Gmail's keys, plain and as Google Play has them."""
        command = ("android", "--host", f"{HOST}:8443", "--email", "{{mail}}", "--alias", "x")
        assert json.loads(bed.out(*command))["exchange_host"] == f"{HOST}:8443"
        made = json.loads(bed.out(*command, "--google-play"))
        assert made["productId"] == "app:com.google.android.gm"


class TestRight:
    """Profiles by which phones sign in."""

    def test_apple(self, bed: Bed) -> None:
        """Signed, with an identity that the gateway lets in: everything is ok."""
        server = bed.pki.server
        path, out = bed.apple(
            *("--certificate", bed.pki.alice.pem, "--key", bed.pki.alice.key),
            *("--root", bed.pki.root_pem, "--signer", server.pem, "--signer-key", server.key),
        )
        password = bed.file("password", out.partition("once: ")[2].encode())
        findings = bed.test(path, "--p12-password-file", password)
        assert {state for _, state, _ in findings} == {"ok"}
        assert any(
            detail == "the gateway lets it in as alice@example.test" for _, _, detail in findings
        )

    def test_requested(self, bed: Bed) -> None:
        """SCEP and ACME: what is yet to be asked for is right."""
        names = ("--email", "alice@example.test", "--upn", "alice@example.test")
        challenge = bed.file("challenge", b"secret")
        path, _ = bed.apple(*names, "--scep-url", SCEP_URL, "--scep-challenge-file", challenge)
        assert bed.not_ok(path) == ["signature"]
        acme = ("--acme-url", "https://acme.example.test/d", "--acme-client-id", "x")
        bed.apple(*names, *acme, "--replace")
        assert bed.not_ok(path) == ["signature"]

    @pytest.mark.parametrize(
        "kind",
        [
            IOS,
            "androidEasEmailProfileConfiguration",
            "androidWorkProfileGmailEasConfiguration",
            "androidWorkProfileNineWorkEasConfiguration",
        ],
    )
    def test_intune(self, bed: Bed, kind: str) -> None:
        """Each of Intune's profiles, together with its certificate profile as a list."""
        email = json.loads(bed.out("intune", "email", kind, "--host", HOST, "--identity", ID))
        scep = bed.scep_json() | {"id": ID}
        assert bed.not_ok(bed.json_file([scep, email])) == []

    def test_gmail(self, bed: Bed) -> None:
        """Gmail's, in both forms; HOST:PORT is right here."""
        command = (
            "android",
            "--host",
            f"{HOST}:8443",
            "--email",
            "alice@example.test",
            "--alias",
            "x",
        )
        for option in ((), ("--google-play",)):
            assert bed.not_ok(bed.json_file(json.loads(bed.out(*command, *option)))) == []


class TestCommand:
    """profile test as a command."""

    def test_lines(self, bed: Bed) -> None:
        """For people there is a line for each point; the status is 1 if one fails."""
        profile = bed.scep_profile()
        profile["PayloadContent"][1]["SSL"] = False
        out = bed.out("test", bed.plist(profile), *bed.config, status=1)
        assert f"fail  {MAIL_AT}.SSL: it is not true, so there is no TLS; set it to true" in out
        assert f"ok    {MAIL_AT}.Host: {HOST} is a name of this gateway's certificate" in out

    def test_no_profile(self, bed: Bed) -> None:
        """What is no profile is a sentence and the status 2."""
        path = bed.file("x", b"hello")
        assert f"{path}: it is neither an Apple profile" in bed.refusal("test", path, *bed.config)

    def test_without_a_gateway(self, bed: Bed, monkeypatch: pytest.MonkeyPatch) -> None:
        """Without certificate and store the form is tested, and what is missing is said."""
        monkeypatch.chdir(bed.folder)
        path = bed.plist(bed.scep_profile())
        out = bed.out("test", path)
        assert "warn  listen.certificate: hosts are not compared" in out
        assert "warn  store: mailboxes, CAs and CRLs are not compared" in out
        assert not (bed.folder / "state").exists()

    def test_control_characters(self, bed: Bed) -> None:
        """A key from a file cannot send commands to the terminal."""
        profile = plistlib.dumps(bed.scep_profile() | {"x": 1}, fmt=plistlib.FMT_BINARY)
        path = bed.file("x.mobileconfig", profile.replace(b"QxZ", b"QxZ"))
        values = bed.gmail_json() | {"exchange_host": "\x1b[2J"}
        out = bed.out("test", bed.json_file(values), *bed.config, status=1)
        assert "\x1b" not in out
        assert "x: Apple has no such key here" in bed.out("test", path, *bed.config)

    def test_our_own_profile_reads_the_same(self, bed: Bed) -> None:
        """What is written is what is read."""
        path, _ = bed.apple("--email", "alice@example.test", "--scep-url", SCEP_URL)
        found = read(path.read_bytes())
        assert isinstance(found, AppleProfile)
        assert found.values == plistlib.loads(path.read_bytes())

    def test_help(self, capsys: pytest.CaptureFixture[str]) -> None:
        """The noun is among the commands, with its verbs."""
        assert main(["profile", "--help"]) == 0
        assert {"apple", "intune", "android", "test"} <= set(capsys.readouterr().out.split())
