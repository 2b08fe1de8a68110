"""`profile test` names each point of an Apple profile that would make sign-in fail."""

from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.pki.authority import CertificateAuthority
from gateway.pki.crl import now
from gateway.pki.identity import Identity, certificates_pem
from tests.profiles.bed import DAY, Bed

SCEP_URL = "https://scep.example.test/x"
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


class TestSignature:
    """What is said of a signature."""

    def warned(self, bed: Bed, signer: Identity, content: bytes) -> str:
        """The sentence about a profile that `signer` signed, where `content` is its file."""
        pem, key = bed.file("signer.pem", content), bed.file("signer.key", signer.key_pem)
        names = ("--email", "alice@example.test", "--scep-url", SCEP_URL)
        path, _ = bed.apple(*names, "--signer", pem, "--signer-key", key)
        found = {s: (state, detail) for s, state, detail in bed.test(path)}
        assert found["signature"][0] == "warn"
        return found["signature"][1]

    def test_without_chain(self, bed: Bed) -> None:
        """A phone without the signer's CA needs it in the file."""
        signer = bed.pki.issuing.issue_server("signer.example.test")
        assert "is not included" in self.warned(bed, signer, certificates_pem(signer.certificate))

    def test_expired_signer(self, bed: Bed) -> None:
        """Phones show a profile of an expired signer as not verified."""
        signer = bed.pki.issuing.issue_server(
            "signer.example.test", not_before=now() - 9 * DAY, not_after=now() - DAY
        )
        assert "sign again" in self.warned(bed, signer, signer.certificate_pem)


class TestTrust:
    """Whether the phone would trust the gateway."""

    def state(self, bed: Bed, content: bytes) -> dict[str, str]:
        """State by key of a profile that brings this CA."""
        profile = bed.scep_profile("--root")
        profile["PayloadContent"][0]["PayloadContent"] = content
        return {subject: state for subject, state, _ in bed.test(bed.plist(profile))}

    def test_root(self, bed: Bed) -> None:
        """The root of the server's certificate, DER or PEM."""
        for encoding in (Encoding.DER, Encoding.PEM):
            content = bed.pki.root.certificate.public_bytes(encoding)
            assert self.state(bed, content)["PayloadContent"] == "ok"

    def test_other_root(self, bed: Bed) -> None:
        """A CA that vouches for somebody else is warned of: the phone may have the right one."""
        content = OTHER_CA.certificate.public_bytes(Encoding.DER)
        assert self.state(bed, content)["PayloadContent"] == "warn"

    def test_expired_or_none(self, bed: Bed) -> None:
        """An expired CA and what is no certificate fail."""
        old = CertificateAuthority.root("Old", not_before=now() - 9 * DAY, not_after=now() - DAY)
        key = "PayloadContent[0].PayloadContent"
        for content in (old.certificate.public_bytes(Encoding.DER), b"x"):
            assert self.state(bed, content)[key] == "fail"


class TestBindings:
    """The names that count are those of the gateway's username bindings."""

    KEY = f"{SCEP_AT}.SubjectAltName"

    def test_addresses_alone(self, bed: Bed) -> None:
        """Where RFC822Name alone is bound, a UPN leads nowhere: Apple's, Intune's, embedded."""
        bed = bed.configured("rfc822.toml", '[identity]\nusername_bindings = ["RFC822Name"]\n')
        profile = bed.scep_profile()
        names = profile["PayloadContent"][0]["PayloadContent"]["SubjectAltName"]
        assert bed.failures(profile) == {}
        del names["rfc822Name"]
        assert "it has no rfc822Name" in bed.failure(profile, self.KEY)
        scep = bed.scep_json()
        del scep["customSubjectAlternativeNames"][1]
        key = "iosScepCertificateProfile.customSubjectAlternativeNames"
        assert "it has no emailAddress" in bed.failed(bed.json_file(scep))[key]
        ((_, detail),) = bed.failing_identity(bed.device(email=None))
        assert "has no RFC822Name" in detail

    def test_other_fields(self, bed: Bed) -> None:
        """Where another field is bound, too, a name is not needed."""
        text = '[identity]\nusername_bindings = ["PrincipalName", "SKI"]\n'
        bed = bed.configured("ski.toml", text)
        profile = bed.scep_profile()
        del profile["PayloadContent"][0]["PayloadContent"]["SubjectAltName"]
        assert bed.failures(profile) == {}
        assert self.KEY in bed.not_ok(bed.plist(profile))
