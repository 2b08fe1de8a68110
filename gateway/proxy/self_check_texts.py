"""Every text of the self-check page, in English: a translation replaces this module.

Written for a phone's owner, who reads it out to a help desk.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from gateway.core.self_check import Outcome, Validity

LANGUAGE: Final = "en"
TITLE: Final = "Mail access check"


@dataclass(frozen=True, slots=True)
class Words:
    """What an outcome is called.

    Attributes:
        headline: the outcome in a few words.
        meaning: what it means for the phone's owner.
        to_do: what is missing, and who can do something about it.
        spoken: what the owner says on the telephone; the reference follows.
    """

    headline: str
    meaning: str
    to_do: str
    spoken: str


OUTCOMES: Final[Mapping[Outcome, Words]] = MappingProxyType(
    {
        Outcome.ALLOWED: Words(
            "This phone may get mail",
            "The certificate of this phone was checked, and ActiveSync is allowed with it.",
            "Nothing is missing here. If the mail app still gets no mail, check that its account"
            " has the server name of this page, the mailbox below and the same certificate.",
            "The self-check says that this phone may get mail.",
        ),
        Outcome.NO_CERTIFICATE: Words(
            "No certificate was presented",
            "This server knows phones by their certificates, and the browser showed none.",
            "If the browser asked for one, close all its windows and choose the one for mail. If it"
            " did not ask, there is none on the phone: it gets one from your organisation.",
            "The self-check says that the phone presented no certificate.",
        ),
        Outcome.NOT_TRUSTED: Words(
            "This certificate is not accepted",
            "The phone presented a certificate that this server does not accept for mail.",
            "The phone needs another certificate, from your organisation. If the browser asked"
            " which one to use, close all its windows and choose the one for mail.",
            "The self-check says that the certificate is not accepted.",
        ),
        Outcome.OUTSIDE_VALIDITY: Words(
            "This certificate is not valid now",
            "The certificate of this phone, or the one it was issued with, is not valid at this"
            " date.",
            "The phone needs a new certificate. The dates are below.",
            "The self-check says that the certificate is not valid at this date.",
        ),
        Outcome.WITHDRAWN: Words(
            "This certificate has been withdrawn",
            "The certificate of this phone was withdrawn and opens no mailbox any more.",
            "The phone needs a new certificate from your organisation, if you still are to get"
            " mail on it.",
            "The self-check says that the certificate has been withdrawn.",
        ),
        Outcome.NAMES_NOBODY: Words(
            "This certificate does not say who you are",
            "The certificate holds no user name and no e-mail address, so that no mailbox can be"
            " found for it.",
            "The phone needs a certificate with your user name or e-mail address in it.",
            "The self-check says that there is no name in the certificate.",
        ),
        Outcome.NO_ACCESS: Words(
            "No mail access with this certificate",
            "The certificate was read, but there is no mail access for it.",
            "The help desk can see the cause by the reference below, and can say whether the"
            " certificate or the access is to be changed.",
            "The self-check says that there is no mail access with this certificate.",
        ),
        Outcome.RESET: Words(
            "Mail access was reset",
            "Everybody who was signed in to this mailbox has been signed out, and this"
            " certificate has not been let in again yet.",
            "This often passes by itself: try again in an hour. If it stays, the phone needs a"
            " new certificate.",
            "The self-check says that the access was reset.",
        ),
        Outcome.LATER: Words(
            "Please try again later",
            "This server cannot find out at the moment whether the phone may get mail.",
            "Nothing is wrong with the phone. Mail comes again by itself when this has passed.",
            "The self-check says that the server cannot check the certificate at the moment.",
        ),
    }
)

VALIDITY: Final[Mapping[Validity, str]] = MappingProxyType(
    {
        Validity.NOT_YET: "Not valid yet",
        Validity.VALID: "Valid",
        Validity.ENDS_SOON: "Valid, but it ends soon: the phone needs a new one",
        Validity.OVER: "Expired",
    }
)

TO_DO_HEADING: Final = "What to do"
CERTIFICATE_HEADING: Final = "The certificate of this phone"
HELP_DESK_HEADING: Final = "For the help desk"
READ_OUT: Final = "Read this out, or show it:"

MAILBOX: Final = "Mailbox"
USER_NAMES: Final = "User name in the certificate"
ADDRESSES: Final = "E-mail address in the certificate"
NO_NAMES: Final = "Names in the certificate"
NONE: Final = "None"
VALIDITY_LABEL: Final = "Validity"
NOT_BEFORE: Final = "Valid from"
NOT_AFTER: Final = "Valid until"
SUBJECT: Final = "Issued to"
ISSUER: Final = "Issued by"
SERIAL: Final = "Serial number"
REVOCATION: Final = "Revocation"
NOT_REVOKED: Final = "Not revoked, by the list of {moment}"
NOT_CHECKED: Final = "Not checked for this issuer"
UNREADABLE: Final = "It cannot be read."
MORE: Final = "and {count} more"
REFERENCE: Final = "Reference"
CHECKED_AT: Final = "Checked on {moment}"

MOMENT: Final = "{day} {month} {year}, {hour:02}:{minute:02} UTC"
MONTHS: Final = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
