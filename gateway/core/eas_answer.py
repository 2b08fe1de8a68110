"""What a refused phone gets in place of its answer, in the schema of the command that it sent.

From protocol version 14.0 on a refusal is HTTP 200 with a status common to all commands (MS-ASCMD
section 2.2.2) where the command's own response schema has its Status. Older phones know no such
status: the same section names the HTTP status that replaces it, and 403 is the one where it names
none. Commands whose responses have no Status (GetAttachment, those of version 2.5) get the HTTP
status whatever the version, and so does a request that names no version or no command.

A phone that reads a status says to its owner what is wrong and leaves it there; one that gets 403
runs Autodiscover first (MS-ASHTTP section 3.1.5.2.1), comes back, and drains its battery.

A quarantined phone gets the answer of a blocked one. Exchange lets it go on as far as to download
one message that tells its owner to wait (Microsoft, "Controlling Exchange ActiveSync device access
using the Allow/Block/Quarantine list"); that takes a mailbox and synchronisation keys of the
server's own, which a gateway does not have, and a phone that had been given keys by the gateway
would have to begin anew when it is let in. With a status it keeps its account and its partnership,
and finds itself let in at its next request. What it says of itself (`eas_device_information`) may
be read from the request that is refused.
"""

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from types import MappingProxyType
from typing import Final

from gateway.core.wbxml import element, encode

WBXML_CONTENT_TYPE: Final = "application/vnd.ms-sync.wbxml"

RETRY_WITH: Final = 449
"""The HTTP status by which phones before 14.0 are told to provision (MS-ASCMD section 2.2.2)."""

# An empty answer, the only one to 14.0 and later in which no status is, means success.
_STATUS_VERSIONS: Final = frozenset({"14.0", "14.1", "16.0", "16.1"})


class DeviceRefusal(enum.Enum):
    """Why a phone that was recognised may not have what it asks for."""

    BLOCKED = "blocked"
    QUARANTINED = "quarantined"
    TOO_MANY_DEVICES = "too many devices"
    COMMAND_NOT_ALLOWED = "command not allowed"
    VERSION_NOT_ALLOWED = "version not allowed"
    WIPE_REQUESTED = "wipe requested"


@dataclass(frozen=True, slots=True)
class EasAnswer:
    """One answer to an ActiveSync command.

    Attributes:
        status: the HTTP status; 449 is not in `http.HTTPStatus`.
        body: a WBXML document, or empty.
        content_type: of `body`; None if there is none.
        headers: further ones, none of which frames the body.
    """

    status: int
    body: bytes = b""
    content_type: str | None = None
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def phrase(self) -> str:
        """The reason phrase for the status line."""
        return "Retry With" if self.status == RETRY_WITH else HTTPStatus(self.status).phrase


@dataclass(frozen=True, slots=True)
class _Meaning:
    status: int
    http_status: int


# The numbers are MS-ASCMD's (section 2.2.2), and so is the second of a pair where it gives one.
_MEANINGS: Final[Mapping[DeviceRefusal, _Meaning]] = MappingProxyType(
    {
        DeviceRefusal.BLOCKED: _Meaning(129, 403),  # DeviceIsBlockedForThisUser
        DeviceRefusal.QUARANTINED: _Meaning(129, 403),
        DeviceRefusal.TOO_MANY_DEVICES: _Meaning(177, 403),  # MaximumDevicesReached
        DeviceRefusal.COMMAND_NOT_ALLOWED: _Meaning(137, 501),  # CommandNotSupported
        DeviceRefusal.VERSION_NOT_ALLOWED: _Meaning(138, 400),  # VersionNotSupported
        DeviceRefusal.WIPE_REQUESTED: _Meaning(140, RETRY_WITH),  # RemoteWipeRequested
    }
)

# Command -> the elements from the root down to the Status that concerns all of it: the response
# schemas of MS-ASCMD section 6 and MS-ASPROV section 6. MeetingResponse has one only in a Result;
# that of MoveItems is its optional child, besides those of each Response.
_STATUS_PATHS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "Find": ("Find:Find", "Find:Status"),
        "FolderCreate": ("FolderHierarchy:FolderCreate", "FolderHierarchy:Status"),
        "FolderDelete": ("FolderHierarchy:FolderDelete", "FolderHierarchy:Status"),
        "FolderSync": ("FolderHierarchy:FolderSync", "FolderHierarchy:Status"),
        "FolderUpdate": ("FolderHierarchy:FolderUpdate", "FolderHierarchy:Status"),
        "GetItemEstimate": ("GetItemEstimate:GetItemEstimate", "GetItemEstimate:Status"),
        "ItemOperations": ("ItemOperations:ItemOperations", "ItemOperations:Status"),
        "MeetingResponse": (
            "MeetingResponse:MeetingResponse",
            "MeetingResponse:Result",
            "MeetingResponse:Status",
        ),
        "MoveItems": ("Move:MoveItems", "Move:Status"),
        "Ping": ("Ping:Ping", "Ping:Status"),
        "Provision": ("Provision:Provision", "Provision:Status"),
        "ResolveRecipients": ("ResolveRecipients:ResolveRecipients", "ResolveRecipients:Status"),
        "Search": ("Search:Search", "Search:Status"),
        "SendMail": ("ComposeMail:SendMail", "ComposeMail:Status"),
        "Settings": ("Settings:Settings", "Settings:Status"),
        "SmartForward": ("ComposeMail:SmartForward", "ComposeMail:Status"),
        "SmartReply": ("ComposeMail:SmartReply", "ComposeMail:Status"),
        "Sync": ("AirSync:Sync", "AirSync:Status"),
        "ValidateCert": ("ValidateCert:ValidateCert", "ValidateCert:Status"),
    }
)


def refusal(
    reason: DeviceRefusal,
    command: str | None,
    protocol_version: str | None,
    *,
    has_policy_key: bool = True,
    supported_versions: Sequence[str] = (),
) -> EasAnswer:
    """Return what a phone gets in place of the answer to `command`, in Microsoft's spelling.

    `has_policy_key` says whether the request carried one: an older phone without is not asked to
    provision for a wipe but gets 403 (MS-ASCMD section 2.2.2, status 140), except in answer to a
    Ping, which never carries one (MS-ASPROV section 3.1.5.1).

    `supported_versions` go with the refusal of a version, in the two headers that make the phone
    start anew with another one (MS-ASHTTP section 3.2.5.1); without them it may never ask again.
    """
    meaning = _MEANINGS[reason]
    path = _STATUS_PATHS.get(command or "")
    if path is not None and protocol_version in _STATUS_VERSIONS:
        answer = status_answer(path, meaning.status)
    elif meaning.http_status == RETRY_WITH and not has_policy_key and command != "Ping":
        answer = EasAnswer(403)
    else:
        answer = EasAnswer(meaning.http_status)
    if reason is DeviceRefusal.VERSION_NOT_ALLOWED and supported_versions:
        versions = ",".join(supported_versions)
        headers = (("X-MS-RP", versions), ("MS-ASProtocolVersions", versions))
        return replace(answer, headers=headers)
    return answer


def status_answer(path: tuple[str, ...], status: int) -> EasAnswer:
    """HTTP 200 with nothing but `status` in the element that `path` leads to from the root.

    Raises:
        WbxmlError: no code page here has one of the tags.
    """
    *outer, last = path
    root = element(last, str(status))
    for tag in reversed(outer):
        root = element(tag, root)
    return wbxml_answer(encode(root))


def wbxml_answer(body: bytes) -> EasAnswer:
    """HTTP 200 with `body`, a WBXML document."""
    return EasAnswer(200, body, WBXML_CONTENT_TYPE)
