"""`profile test` names each point of Intune's and Gmail's profiles that would make sign-in fail."""

import json
from typing import Any

import pytest

from tests.profiles.bed import Bed

ID = "6f1f7d5e-1c2b-4f3a-9d0e-0a1b2c3d4e5f"
IOS = "iosEasEmailProfileConfiguration"


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

    @pytest.mark.parametrize(
        ("key", "value", "place"),
        [
            ("authenticationMethod", "derivedCredential", "authenticationMethod"),
            ("easServices", "calendars,contacts", "easServices"),
            ("userDomainNameSource", "netBiosDomainName", "userDomainNameSource"),
            ("usernameAADSource", "samAccountName", "usernameAADSource"),
        ],
    )
    def test_warned(self, bed: Bed, key: str, value: str, place: str) -> None:
        """What may work."""
        path = bed.json_file(bed.email_json() | {key: value})
        assert bed.not_ok(path) == [f"{IOS}.{place}"]

    def test_mailboxes_without_addresses(self, bed: Bed) -> None:
        """An address source that every mailbox has is right; the User may be the address, too."""
        sources = {
            "emailAddressSource": "userPrincipalName",
            "usernameSource": "primarySmtpAddress",
        }
        assert bed.not_ok(bed.json_file(bed.email_json() | sources)) == []

    def test_template_decides(self, bed: Bed) -> None:
        """A PKCS profile for iOS has no usages of its own."""
        own = ("--ca", "ca.example.test", "--ca-name", "CA", "--template", "Mail")
        pkcs = json.loads(bed.out("intune", "certificate", "iosPkcsCertificateProfile", *own))
        days = {"certificateValidityPeriodScale": "days", "certificateValidityPeriodValue": 2}
        assert bed.not_ok(bed.json_file([pkcs | days, bed.email_json()])) == [
            "[0] iosPkcsCertificateProfile.extendedKeyUsages",
            "[0] iosPkcsCertificateProfile.certificateValidityPeriodValue",
        ]

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
