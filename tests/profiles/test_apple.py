"""Apple profiles are property lists of the form that Apple's reference has."""

import plistlib
from typing import Any
from uuid import UUID

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.profiles.apple import (
    AcmeIdentity,
    Owner,
    PhoneIdentity,
    Pkcs12Identity,
    ScepIdentity,
    configuration,
    dump,
    payload_uuid,
)
from gateway.profiles.schema import problems
from tests.profiles.samples import IDENTIFIER, ISSUING, MAIL, OWNER, ROOT

SCEP = ScepIdentity("https://scep.example.test/x", OWNER, challenge="secret", name="CA")
ACME = AcmeIdentity("https://acme.example.test/d", "device-1", OWNER, attest=True)
IDENTITIES: list[PhoneIdentity] = [
    Pkcs12Identity(b"pkcs12", None),
    Pkcs12Identity(b"pkcs12", "secret"),
    SCEP,
    ScepIdentity("http://scep.example.test/x", OWNER, ca_fingerprint=b"\1" * 32, key_size=4096),
    ACME,
    AcmeIdentity("https://acme.example.test/d", "device-1", OWNER, hardware_bound=False),
]


def made(identity: PhoneIdentity) -> dict[str, Any]:
    """The profile as a phone reads it."""
    authorities = [ROOT.certificate, ISSUING.certificate]
    whole = configuration(IDENTIFIER, MAIL, identity, authorities, "Example Ltd")
    read: dict[str, Any] = plistlib.loads(dump(whole), fmt=plistlib.FMT_XML)
    return read


def payload(profile: dict[str, Any], kind: str) -> dict[str, Any]:
    """The only payload of a type."""
    (found,) = [one for one in profile["PayloadContent"] if one["PayloadType"] == kind]
    return dict(found)


@pytest.mark.parametrize("identity", IDENTITIES)
def test_form(identity: PhoneIdentity) -> None:
    """Every profile that is made has Apple's keys and types, and every required key."""
    assert list(problems(made(identity))) == []


@pytest.mark.parametrize("identity", IDENTITIES)
def test_mail_is_linked_to_the_identity(identity: PhoneIdentity) -> None:
    """Mail names the identity's UUID, goes over TLS and knows neither OAuth nor a password."""
    profile = made(identity)
    mail = payload(profile, "com.apple.eas.account")
    kind = identity.payload()["PayloadType"]
    assert mail["PayloadCertificateUUID"] == payload(profile, kind)["PayloadUUID"]
    assert (mail["Host"], mail["SSL"], mail["OAuth"]) == ("mail.example.test", True, False)
    assert (mail["EmailAddress"], mail["UserName"]) == ("alice@example.test",) * 2
    assert "Password" not in mail


def test_made_again_it_replaces() -> None:
    """The same identifier gives the same bytes; another one shares no UUID with it."""
    assert dump(configuration(IDENTIFIER, MAIL, SCEP)) == dump(
        configuration(IDENTIFIER, MAIL, SCEP)
    )
    other = configuration("test.example.other", MAIL, SCEP)
    ours = made(SCEP)
    uuids = [one["PayloadUUID"] for one in [ours, *ours["PayloadContent"]]]
    assert len(set(uuids)) == 5
    assert not {one["PayloadUUID"] for one in [other, *other["PayloadContent"]]} & set(uuids)


def test_uuid() -> None:
    """It is a UUID of version 5, in capitals as Apple writes them."""
    uuid = payload_uuid(IDENTIFIER)
    assert uuid == str(UUID(uuid)).upper()
    assert UUID(uuid).version == 5


def test_pkcs12_password_only_when_asked_for() -> None:
    """Without a password in the profile the phone asks its owner."""
    kind = "com.apple.security.pkcs12"
    assert "Password" not in payload(made(IDENTITIES[0]), kind)
    assert payload(made(IDENTITIES[1]), kind)["Password"] == "secret"
    assert payload(made(IDENTITIES[0]), kind)["PayloadContent"] == b"pkcs12"


def test_scep_request() -> None:
    """Key and names are what TLS and the gateway need: 2048 bits, signing, UPN and address."""
    request = payload(made(SCEP), "com.apple.security.scep")["PayloadContent"]
    assert (request["Keysize"], request["Key Type"], request["Key Usage"]) == (2048, "RSA", 5)
    assert request["SubjectAltName"] == {
        "ntPrincipalName": "alice@example.test",
        "rfc822Name": "alice@example.test",
    }
    assert request["Subject"] == [[["CN", "alice"]]]
    assert request["Challenge"] == "secret"


def test_only_the_names_that_are_given() -> None:
    """Without a UPN the certificate names the address alone."""
    owner = Owner("alice", email="alice@example.test")
    identity = ScepIdentity("https://scep.example.test/x", owner)
    request = payload(made(identity), "com.apple.security.scep")["PayloadContent"]
    assert request["SubjectAltName"] == {"rfc822Name": "alice@example.test"}


def test_acme_key() -> None:
    """A key in the Secure Enclave is on a curve and signs only; another one is RSA."""
    bound = payload(made(ACME), "com.apple.security.acme")
    assert (bound["KeyType"], bound["KeySize"], bound["UsageFlags"]) == ("ECSECPrimeRandom", 384, 1)
    assert bound["ExtendedKeyUsage"] == ["1.3.6.1.5.5.7.3.2"]
    free = payload(made(IDENTITIES[-1]), "com.apple.security.acme")
    assert (free["KeyType"], free["KeySize"], free["HardwareBound"]) == ("RSA", 2048, False)


def test_authorities() -> None:
    """A root is a root payload, an intermediate a pkcs1 payload, each once."""
    whole = configuration(IDENTIFIER, MAIL, SCEP, [ROOT.certificate, ISSUING.certificate] * 2)
    root = payload(whole, "com.apple.security.root")
    assert x509.load_der_x509_certificate(root["PayloadContent"]) == ROOT.certificate
    intermediate = payload(whole, "com.apple.security.pkcs1")
    assert intermediate["PayloadContent"] == ISSUING.certificate.public_bytes(Encoding.DER)


def test_secrets_are_not_shown() -> None:
    """Neither password nor challenge is in the text of an object, which may reach a log."""
    assert "secret" not in repr(IDENTITIES[1]) + repr(SCEP)
