"""`eas-gateway profile` makes device profiles, and names what is wrong with one."""

import json
import plistlib
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from gateway.cli.main import main
from gateway.pki.authority import CertificateAuthority
from gateway.pki.crl import now
from gateway.pki.identity import Identity
from gateway.profiles.cms import unwrap
from gateway.profiles.pkcs12 import unpack
from gateway.profiles.reading import AppleProfile, read
from gateway.profiles.schema import problems
from tests.cli.profile_bed import DAY, HOST, Bed, make_bed

ID = "6f1f7d5e-1c2b-4f3a-9d0e-0a1b2c3d4e5f"
IOS = "iosEasEmailProfileConfiguration"
SCEP_URL = "https://scep.example.test/x"


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


MAIL_AT = "PayloadContent[1]"
SCEP_AT = "PayloadContent[0].PayloadContent"
OTHER_CA = CertificateAuthority.root("Other root", not_before=now() - 9 * DAY)


class TestApplePoints:
    """Each point of an Apple profile that would make sign-in fail, by its key."""

    @pytest.mark.parametrize(
        ("key", "value", "words"),
        [
            ("Host", "https://mail.example.test", "is a URL or has a path"),
            ("Host", "mail.example.test:443", "has a port"),
            ("Host", "alice@mail.example.test", "names a user; write mail.example.test"),
            ("Host", "mail.other.test", "is no name of this gateway's certificate"),
            ("Host", "", "set it to the gateway's host name"),
            ("SSL", False, "set it to true"),
            ("SSL", None, "set it to true"),
            ("OAuth", True, "set it to false"),
            ("PayloadCertificateUUID", None, "it is missing, so the phone has no certificate"),
            ("PayloadCertificateUUID", "nowhere", "no payload of this profile has the PayloadUUID"),
            ("EmailAddress", "carol@example.test", "no mailbox has 'carol@example.test'"),
            ("EmailAddress", "carol", "is not of the form name@domain"),
            ("EmailAddress", "gone@example.test", "is disabled"),
            ("UserName", "bob@example.test", "is not alice@example.test"),
            ("UserName", "OTHER\\alice", "is not alice@example.test"),
        ],
    )
    def test_mail(self, bed: Bed, key: str, value: Any, words: str) -> None:
        """In the mail payload."""
        profile = bed.scep_profile()
        bed.change(profile["PayloadContent"][1], key, value)
        assert words in bed.failure(profile, f"{MAIL_AT}.{key}")

    @pytest.mark.parametrize("user", ["alice", "EXAMPLE\\alice", "ALICE@example.test", "%upn%"])
    def test_user_forms(self, bed: Bed, user: str) -> None:
        """The forms of a user name that the gateway takes for the mailbox."""
        profile = bed.scep_profile()
        profile["PayloadContent"][1]["UserName"] = user
        assert bed.failures(profile) == {}

    @pytest.mark.parametrize(
        ("key", "value", "place", "words"),
        [
            ("Keysize", 1024, "Keysize", "1024 bits, which TLS refuses; set it to 2048"),
            ("Keysize", None, "Keysize", "as it is where the key is missing"),
            ("Key Usage", 4, "Key Usage", "lacks 1, signing"),
            ("SubjectAltName", None, "SubjectAltName", "it has no ntPrincipalName or rfc822Name"),
            ("SubjectAltName", {"dNSName": "x.test"}, "SubjectAltName", "leads to no mailbox"),
            (
                "SubjectAltName",
                {"ntPrincipalName": ["carol@example.test"]},
                "SubjectAltName.ntPrincipalName",
                "no mailbox has the UPN",
            ),
            (
                "SubjectAltName",
                {"rfc822Name": "carol@example.test"},
                "SubjectAltName.rfc822Name",
                "no mailbox has the address",
            ),
            (
                "SubjectAltName",
                {"ntPrincipalName": "alice@example.test", "rfc822Name": "bob@example.test"},
                "SubjectAltName",
                "lead to different mailboxes",
            ),
            (
                "SubjectAltName",
                {"ntPrincipalName": "bob@example.test"},
                "SubjectAltName",
                "and UserName to alice@example.test",
            ),
            ("URL", "ldap://x", "URL", "is no URL"),
        ],
    )
    def test_scep(self, bed: Bed, key: str, value: Any, place: str, words: str) -> None:
        """In the SCEP request."""
        profile = bed.scep_profile()
        bed.change(profile["PayloadContent"][0]["PayloadContent"], key, value)
        assert words in bed.failure(profile, f"{SCEP_AT}.{place}")

    @pytest.mark.parametrize(
        ("changes", "place", "words"),
        [
            ({"ExtendedKeyUsage": ["1.3.6.1.5.5.7.3.1"]}, "ExtendedKeyUsage", "lacks clientAuth"),
            ({"UsageFlags": 4}, "UsageFlags", "lacks 1, signing"),
            ({"KeyType": "RSA"}, "KeyType", "write ECSECPrimeRandom"),
            ({"KeySize": 521}, "KeySize", "is no size of a curve"),
            ({"HardwareBound": False, "KeyType": "RSA", "KeySize": 1024}, "KeySize", "1024 bits"),
            ({"HardwareBound": False, "Attest": True}, "Attest", "only a HardwareBound key"),
        ],
    )
    def test_acme(self, bed: Bed, changes: dict[str, Any], place: str, words: str) -> None:
        """In the ACME request."""
        profile = bed.acme_profile()
        profile["PayloadContent"][0].update(changes)
        assert words in bed.failure(profile, f"PayloadContent[0].{place}")

    def test_link_to_a_ca(self, bed: Bed) -> None:
        """A CA's payload has no key; the identity is named."""
        profile = bed.scep_profile("--root", bed.pki.root_pem)
        root, scep, mail = profile["PayloadContent"]
        assert root["PayloadType"] == "com.apple.security.root"
        mail["PayloadCertificateUUID"] = root["PayloadUUID"]
        detail = bed.failure(profile, "PayloadContent[2].PayloadCertificateUUID")
        assert detail.endswith("which has no key; write the PayloadUUID of PayloadContent[1]")
        mail["PayloadCertificateUUID"] = scep["PayloadUUID"].lower()
        assert bed.failures(profile) == {}

    def test_changed_after_signing(self, bed: Bed) -> None:
        """A profile that was changed is refused by phones."""
        server = bed.pki.server
        names = ("--email", "alice@example.test", "--scep-url", SCEP_URL)
        path, _ = bed.apple(*names, "--signer", server.pem, "--signer-key", server.key)
        path.write_bytes(path.read_bytes().replace(b"<integer>2048", b"<integer>4096"))
        assert "changed after it was signed" in bed.failed(path)["signature"]

    def test_removed_itself(self, bed: Bed) -> None:
        """A profile whose removal date is past does nothing."""
        profile = bed.scep_profile() | {"RemovalDate": now().replace(tzinfo=None) - DAY}
        assert "set a later time" in bed.failure(profile, "RemovalDate")

    def test_wrong_type(self, bed: Bed) -> None:
        """A key of the wrong type makes a phone refuse the whole."""
        profile = bed.scep_profile()
        profile["PayloadContent"][1]["SSL"] = "true"
        assert bed.failures(profile).keys() == {f"{MAIL_AT}.SSL"}

    def test_no_mail(self, bed: Bed) -> None:
        """A profile without a mailbox is no profile for this."""
        profile = bed.scep_profile()
        del profile["PayloadContent"][1]
        assert "no payload of the type com.apple.eas.account" in bed.failure(
            profile, "PayloadContent"
        )

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            ("Password", "secret"),
            ("OAuthSignInURL", "https://login.example.test"),
            ("Host", None),
            ("UserName", None),
            ("EmailAddress", None),
            ("EnableMail", False),
        ],
    )
    def test_warned(self, bed: Bed, key: str, value: Any) -> None:
        """What a phone copes with, and nobody wants."""
        profile = bed.scep_profile()
        bed.change(profile["PayloadContent"][1], key, value)
        assert f"{MAIL_AT}.{key}" in bed.not_ok(bed.plist(profile))
        assert bed.failures(profile) == {}


class TestIdentityPoints:
    """Each point of an embedded identity that would make sign-in fail."""

    KEY = "PayloadContent[0].PayloadContent"

    def failures(self, bed: Bed, identity: Identity) -> str:
        """What fails, all at the identity."""
        failing = bed.failing_identity(identity)
        assert {subject for subject, _ in failing} == {self.KEY}
        return "\n".join(detail for _, detail in failing)

    def test_expired(self, bed: Bed) -> None:
        """The end is named, and it is the only failure."""
        old = bed.device(not_before=now() - 30 * DAY, not_after=now() - DAY)
        (line,) = self.failures(bed, old).splitlines()
        assert line.startswith("its certificate expired at ")

    def test_expired_and_revoked(self, bed: Bed) -> None:
        """Both are said: a new validity alone would not help."""
        details = self.failures(bed, bed.revoked)
        assert "its certificate expired at " in details
        assert "CERTIFICATE_REVOKED" in details

    def test_not_yet_valid(self, bed: Bed) -> None:
        """The begin is named."""
        assert "is valid only from" in self.failures(bed, bed.device(not_before=now() + DAY))

    def test_wrong_eku(self, bed: Bed) -> None:
        """A server's certificate."""
        wrong = bed.device(extended_key_usages=[ExtendedKeyUsageOID.SERVER_AUTH])
        assert "the extended key usage needs clientAuth" in self.failures(bed, wrong)

    def test_no_san(self, bed: Bed) -> None:
        """Without UPN and address it leads to no mailbox."""
        without = bed.pki.issuing.issue_device(common_name="alice", not_before=now() - DAY)
        assert "has no PrincipalName or RFC822Name" in self.failures(bed, without)

    def test_weak_key(self, bed: Bed) -> None:
        """What TLS refuses by its size."""
        assert "has a key of 1024 bits (RSA)" in self.failures(bed, bed.device(key=bed.weak_key()))

    def test_foreign(self, bed: Bed) -> None:
        """The gateway does not know the CA."""
        foreign = OTHER_CA.issue_device(upn="alice@example.test", not_before=now() - DAY)
        assert "the gateway does not know the chain" in self.failures(bed, foreign)

    def test_unknown_mailbox(self, bed: Bed) -> None:
        """Nobody has the UPN that it names."""
        carol = bed.pki.issuing.issue_device(upn="carol@example.test", not_before=now() - DAY)
        assert "UNKNOWN_MAILBOX: no mailbox has UPN carol" in self.failures(bed, carol)

    def test_of_another(self, bed: Bed) -> None:
        """Bob's certificate does not open Alice's mailbox."""
        bob = bed.pki.issuing.issue_device(upn="bob@example.test", not_before=now() - DAY)
        assert "USER_MISMATCH" in self.failures(bed, bob)

    def test_wrong_password(self, bed: Bed) -> None:
        """The password in the profile does not open the identity."""
        profile = bed.identity_profile(bed.device())
        profile["PayloadContent"][0]["Password"] = "other"
        assert "no PKCS#12 that this password opens" in bed.failure(profile, self.KEY)

    def test_not_opened(self, bed: Bed) -> None:
        """Without the password there is a warning, as nothing can be said."""
        profile = bed.identity_profile(bed.device())
        del profile["PayloadContent"][0]["Password"]
        assert bed.failures(profile) == {}
        assert self.KEY in bed.not_ok(bed.plist(profile))

    def test_in_the_mail_payload(self, bed: Bed) -> None:
        """The older form, a PKCS#12 in Certificate, is tested as well."""
        profile = bed.identity_profile(bed.device(not_after=now() - DAY / 2))
        identity, mail = profile["PayloadContent"]
        del mail["PayloadCertificateUUID"]
        mail["Certificate"], mail["CertificatePassword"] = (
            identity["PayloadContent"],
            identity["Password"],
        )
        assert "expired at" in bed.failure(profile, f"{MAIL_AT}.Certificate")


class TestIntunePoints:
    """Each point of Intune's profiles, by its key."""

    @pytest.mark.parametrize(
        ("key", "value", "words"),
        [
            ("hostName", "https://mail.example.test/x", "write mail.example.test"),
            ("hostName", "mail.other.test", "is no name of this gateway's certificate"),
            ("requireSsl", False, "set it to true"),
            ("authenticationMethod", "usernameAndPassword", "set certificate"),
            ("identityCertificate@odata.bind", None, "no certificate profile is linked"),
            ("identityCertificate@odata.bind", "x", "names no device configuration"),
            ("useOAuth", True, "set it to false"),
            ("emailAddressSource", None, "set primarySmtpAddress"),
        ],
    )
    def test_email(self, bed: Bed, key: str, value: Any, words: str) -> None:
        """In the e-mail profile."""
        email = bed.email_json()
        bed.change(email, key, value)
        assert words in bed.failed(bed.json_file(email))[f"{IOS}.{key}"]

    @pytest.mark.parametrize(
        ("key", "value", "place", "words"),
        [
            ("customSubjectAlternativeNames", [], "", "leads to no mailbox"),
            (
                "customSubjectAlternativeNames",
                [{"sanType": "userPrincipalName", "name": "{{SerialNumber}}@x.test"}],
                "[0]",
                "whose holder can forge it",
            ),
            ("extendedKeyUsages", [], "", "add Client Authentication"),
            ("extendedKeyUsages", [{"objectIdentifier": "2.5.29.37.0"}], "", "lacks Client"),
            ("keyUsage", "keyEncipherment", "", "without digitalSignature"),
            ("keySize", "size1024", "", "set size2048"),
            ("hashAlgorithm", "sha1", "", "set sha2"),
            ("certificateStore", "machine", "", "set user"),
            ("scepServerUrls", [], "", "it is empty"),
            ("scepServerUrls", ["scep"], "", "is no URL"),
        ],
    )
    def test_certificate(self, bed: Bed, key: str, value: Any, place: str, words: str) -> None:
        """In the certificate profile."""
        scep = bed.scep_json()
        bed.change(scep, key, value)
        where = f"iosScepCertificateProfile.{key}{place}"
        assert words in bed.failed(bed.json_file(scep))[where]

    def test_windows(self, bed: Bed) -> None:
        """Windows Mail's profile cannot sign in with a certificate."""
        kind = "windows10EasEmailProfileConfiguration"
        email = bed.email_json() | {"@odata.type": f"#microsoft.graph.{kind}"}
        detail = bed.failed(bed.json_file(email))[f"{kind}.@odata.type"]
        assert "has no certificate authentication" in detail

    def test_linked_to_no_certificate(self, bed: Bed) -> None:
        """The link leads to something else in the same file."""
        wifi = {"@odata.type": "#microsoft.graph.iosWiFiConfiguration", "id": ID}
        failing = bed.failed(bed.json_file([bed.email_json(), wifi]))
        key = f"[0] {IOS}.identityCertificate@odata.bind"
        assert "which is no certificate profile" in failing[key]

    def test_expanded(self, bed: Bed) -> None:
        """A certificate profile that the export expands is tested where it is."""
        email = bed.email_json() | {
            "identityCertificate": bed.scep_json() | {"keySize": "size1024"}
        }
        assert f"{IOS}.identityCertificate.keySize" in bed.failed(bed.json_file(email))

    def test_export_without_the_link(self, bed: Bed) -> None:
        """Graph leaves the link out unless it is asked for: no failure, but a hint."""
        email = bed.email_json() | {"id": ID}
        del email["identityCertificate@odata.bind"]
        path = bed.json_file({"value": [email]})
        assert bed.not_ok(path) == [f"{IOS}.identityCertificate"]

    def test_sources(self, bed: Bed) -> None:
        """Mailboxes that lack what the source names are counted."""
        email = bed.email_json() | {"usernameSource": "samAccountName"}
        (line,) = [d for s, _, d in bed.test(bed.json_file(email)) if s == f"{IOS}.usernameSource"]
        assert line.startswith("'samAccountName': 2 of 3 mailboxes have no sAMAccountName, such as")


class TestGmailPoints:
    """Each point of Gmail's configuration, by its key."""

    @pytest.mark.parametrize(
        ("key", "value", "words"),
        [
            ("exchange_host", "https://mail.example.test", "write mail.example.test"),
            ("exchange_host", "mail.other.test:8443", "is no name of this gateway's certificate"),
            ("exchange_host", None, "set it to the gateway's host name"),
            ("exchange_ssl_required", False, "set it to true"),
            ("exchange_login_certificate_alias", None, "set it to the alias"),
            ("exchange_login_certificate_alias", 1, "it has to be a string"),
            ("email_address", None, "without it Gmail passes the whole over"),
            ("email_address", "carol@example.test", "no mailbox has"),
            ("exchange_username", "bob@example.test", "is not alice@example.test"),
            ("exchange_authentication_type", "Modern", "is OAuth of Exchange Online"),
        ],
    )
    def test_failing(self, bed: Bed, key: str, value: Any, words: str) -> None:
        """What keeps the phone out."""
        values = bed.gmail_json()
        bed.change(values, key, value)
        assert words in bed.failed(bed.json_file(values))[key]

    @pytest.mark.parametrize("key", ["exchange_trust_all_certificates", "exchange_password"])
    def test_warned(self, bed: Bed, key: str) -> None:
        """What works and is unwise."""
        assert bed.not_ok(bed.json_file(bed.gmail_json() | {key: True})) == [key]


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
