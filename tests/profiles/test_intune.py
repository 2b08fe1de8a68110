"""E-mail profiles of Intune have the fields that Graph's reference lists for their type."""

import pytest

from gateway.errors import ProfileError
from gateway.profiles.intune import EMAIL_TYPES, EmailProfile, bound, refuse_without_certificate

ID = "6f1f7d5e-1c2b-4f3a-9d0e-0a1b2c3d4e5f"
OF_ALL = {
    *("@odata.type", "displayName", "hostName", "requireSsl", "authenticationMethod"),
    *("emailAddressSource", "usernameSource", "durationOfEmailToSync"),
    "identityCertificate@odata.bind",
}
OWN_FIELDS = {
    "iosEasEmailProfileConfiguration": {
        *("accountName", "usernameAADSource", "useOAuth", "easServices"),
        *("easServicesUserOverrideEnabled", "signingCertificateType", "encryptionCertificateType"),
    },
    "androidEasEmailProfileConfiguration": {
        *("accountName", "syncCalendar", "syncContacts", "syncTasks", "syncNotes"),
        *("emailSyncSchedule", "requireSmime"),
    },
    "androidWorkProfileGmailEasConfiguration": set(),
    "androidWorkProfileNineWorkEasConfiguration": {"syncCalendar", "syncContacts", "syncTasks"},
}


@pytest.mark.parametrize("kind", EMAIL_TYPES)
def test_fields(kind: str) -> None:
    """The fields of all, those of the type, and no other, which Graph would refuse."""
    made = EmailProfile(kind, "Mail", "mail.example.test", ID).as_json()
    assert set(made) == OF_ALL | OWN_FIELDS[kind]
    assert made["@odata.type"] == f"#microsoft.graph.{kind}"
    assert (made["authenticationMethod"], made["requireSsl"]) == ("certificate", True)
    assert made["hostName"] == "mail.example.test"
    assert made["identityCertificate@odata.bind"] == bound(ID)


def test_sources() -> None:
    """Where address and User come from can be chosen."""
    profile = EmailProfile(
        EMAIL_TYPES[0],
        "Mail",
        "mail.example.test",
        ID,
        email_source="userPrincipalName",
        user_source="primarySmtpAddress",
    )
    made = profile.as_json()
    assert made["emailAddressSource"] == "userPrincipalName"
    assert made["usernameSource"] == made["usernameAADSource"] == "primarySmtpAddress"


def test_windows() -> None:
    """Windows Mail's profile has no certificate, and the refusal says so."""
    kind = "windows10EasEmailProfileConfiguration"
    with pytest.raises(ProfileError, match="has no certificate authentication"):
        refuse_without_certificate(kind)
    with pytest.raises(ProfileError, match="has no certificate authentication"):
        EmailProfile(kind, "Mail", "mail.example.test", ID).as_json()


def test_unknown() -> None:
    """Another type is refused with those that there are."""
    with pytest.raises(ProfileError, match=r"iosVpnConfiguration is no e-mail profile; use one of"):
        refuse_without_certificate("iosVpnConfiguration")


def test_link() -> None:
    """The link is a device configuration's address."""
    assert bound("ID").endswith("/beta/deviceManagement/deviceConfigurations('ID')")
