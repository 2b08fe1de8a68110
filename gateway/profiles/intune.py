"""Intune's e-mail profiles as Microsoft Graph takes them (beta, /deviceManagement).

Builds the JSON of one deviceConfiguration; sends nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Literal

from gateway.errors import ProfileError

GRAPH_PREFIX: Final = "#microsoft.graph."
IDENTITY_BIND: Final = "identityCertificate@odata.bind"

_CONFIGURATIONS: Final = "https://graph.microsoft.com/beta/deviceManagement/deviceConfigurations"
_WINDOWS: Final = "windows10EasEmailProfileConfiguration"

Source = Literal["userPrincipalName", "primarySmtpAddress"]
Duration = Literal["userDefined", "oneDay", "threeDays", "oneWeek", "twoWeeks", "oneMonth"]

_WORK_PROFILE: Final[Mapping[str, Any]] = MappingProxyType({})
_EXTRAS: Final[Mapping[str, Mapping[str, Any]]] = MappingProxyType(
    {
        "iosEasEmailProfileConfiguration": MappingProxyType(
            {
                "useOAuth": False,
                "easServices": "calendars,contacts,email,notes,reminders",
                "easServicesUserOverrideEnabled": True,
                "signingCertificateType": "none",
                "encryptionCertificateType": "none",
            }
        ),
        "androidEasEmailProfileConfiguration": MappingProxyType(
            {
                "syncCalendar": True,
                "syncContacts": True,
                "syncTasks": True,
                "syncNotes": False,
                "emailSyncSchedule": "asMessagesArrive",
                "requireSmime": False,
            }
        ),
        "androidWorkProfileGmailEasConfiguration": _WORK_PROFILE,
        "androidWorkProfileNineWorkEasConfiguration": MappingProxyType(
            {"syncCalendar": True, "syncContacts": True, "syncTasks": True}
        ),
    }
)
EMAIL_TYPES: Final = tuple(_EXTRAS)
"""The e-mail profiles that can sign in with a certificate."""

_NAMED: Final = ("iosEasEmailProfileConfiguration", "androidEasEmailProfileConfiguration")


@dataclass(frozen=True, slots=True)
class EmailProfile:
    """What an e-mail profile of Intune says.

    Attributes:
        kind: one of `EMAIL_TYPES`.
        name: of the profile, and of the mailbox on the phone.
        host: the gateway's host name, bare.
        identity_id: the id of the SCEP or PKCS certificate profile, as Graph has it.
        email_source: where the mailbox's address is taken from.
        user_source: where the User that the phone sends is taken from.
        duration: how much mail is synchronised.
    """

    kind: str
    name: str
    host: str
    identity_id: str
    email_source: Source = "primarySmtpAddress"
    user_source: Source = "userPrincipalName"
    duration: Duration = "oneMonth"

    def as_json(self) -> dict[str, Any]:
        """The deviceConfiguration, to be posted to /deviceManagement/deviceConfigurations.

        Raises ProfileError if this kind cannot sign in with a certificate.
        """
        refuse_without_certificate(self.kind)
        named = {"accountName": self.name} if self.kind in _NAMED else {}
        return {
            "@odata.type": f"{GRAPH_PREFIX}{self.kind}",
            "displayName": self.name,
            "hostName": self.host,
            "requireSsl": True,
            "authenticationMethod": "certificate",
            "emailAddressSource": self.email_source,
            **self._user(),
            "durationOfEmailToSync": self.duration,
            **named,
            **_EXTRAS[self.kind],
            IDENTITY_BIND: bound(self.identity_id),
        }

    def _user(self) -> dict[str, str]:
        own: dict[str, str] = {"usernameSource": self.user_source}
        if self.kind == "iosEasEmailProfileConfiguration":
            return {**own, "usernameAADSource": self.user_source}
        return own


def refuse_without_certificate(kind: str) -> None:
    """Raise ProfileError unless e-mail profiles of this kind know certificates."""
    if kind == _WINDOWS:
        raise ProfileError(
            f"{_WINDOWS} has no certificate authentication: it has neither authenticationMethod"
            " nor identityCertificate, so Windows Mail would ask for a password that does not exist"
        )
    if kind not in EMAIL_TYPES:
        raise ProfileError(f"{kind} is no e-mail profile; use one of {', '.join(EMAIL_TYPES)}")


def bound(identifier: str) -> str:
    """How Graph links another device configuration, by its id."""
    return f"{_CONFIGURATIONS}('{identifier}')"
