"""What an ActiveSync request says of itself, whichever of its two query forms it came in.

MS-ASHTTP lets a client spell command, user and device in a plain query or in one base64 blob, and
the protocol version and policy key in headers as well. `EasRequest` is the one meaning of all of
them; `gateway.core.eas_query` reads and writes it. Nothing here knows whether the request is
allowed.
"""

import enum
from dataclasses import dataclass, replace

from gateway.errors import RequestError

PROTOCOL_VERSIONS = frozenset({"2.5", "12.0", "12.1", "14.0", "14.1", "16.0", "16.1"})
"""Versions a client may name in MS-ASProtocolVersion (MS-ASHTTP 2.2.1.1.2.6)."""

COMMAND_CODES = {
    0: "Sync",
    1: "SendMail",
    2: "SmartForward",
    3: "SmartReply",
    4: "GetAttachment",
    9: "FolderSync",
    10: "FolderCreate",
    11: "FolderDelete",
    12: "FolderUpdate",
    13: "MoveItems",
    14: "GetItemEstimate",
    15: "MeetingResponse",
    16: "Search",
    17: "Settings",
    18: "Ping",
    19: "ItemOperations",
    20: "Provision",
    21: "ResolveRecipients",
    22: "ValidateCert",
    23: "Find",
}
"""Commands by their code in the base64 form (MS-ASHTTP 2.2.1.1.1.1.2)."""

COMMANDS = frozenset(COMMAND_CODES.values()) | {
    "GetHierarchy",
    "CreateCollection",
    "DeleteCollection",
    "MoveCollection",
    "Notify",
    "OPTIONS",
}
"""Commands of the plain form: those with a code, those of version 2.5, and what OPTIONS carries."""

MAX_POLICY_KEY = 0xFFFFFFFF
_MAX_POLICY_KEY_DIGITS = 10


class QueryForm(enum.Enum):
    """How a request spelled its query (MS-ASHTTP 2.2.1.1.1)."""

    PLAIN = "plain"
    BASE64 = "base64"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class EasRequest:
    """One reading of an ActiveSync request; absent facts are None.

    `command` is in Microsoft's spelling whatever letter case was sent. `user` is never empty.
    `device_id` has the letter case that was sent (compare through `gateway.core.names.fold`); raw
    bytes of the base64 form that are not all letters and digits are lower-case hex, and then
    `device_id_is_hex` is set. `locale` is the LCID of the base64 form.

    `parameters` are the command's own, each name once, in the order sent. Their values are not
    judged: in the plain form they stay percent-encoded as the client spelled them, so that the
    mail server reads what it would have read without a gateway; in the base64 form they are text,
    and `Options` is its byte as a decimal number.
    """

    command: str | None = None
    user: str | None = None
    device_id: str | None = None
    device_type: str | None = None
    protocol_version: str | None = None
    policy_key: int | None = None
    locale: int | None = None
    parameters: tuple[tuple[str, str], ...] = ()
    query_form: QueryForm = QueryForm.NONE
    device_id_is_hex: bool = False


def with_headers(
    request: EasRequest, *, protocol_version: bytes | None, policy_key: bytes | None
) -> EasRequest:
    """Return the request with its MS-ASProtocolVersion and X-MS-PolicyKey headers taken in.

    Raises:
        RequestError: A header is no version or policy key, or contradicts the base64 query: mail
            servers differ in which of the two they believe.
    """
    version = request.protocol_version
    if protocol_version is not None:
        version = _version(protocol_version)
        if request.protocol_version not in (None, version):
            raise RequestError("MS-ASProtocolVersion contradicts the version in the base64 query")
    key = request.policy_key
    if policy_key is not None:
        key = _policy_key(policy_key)
        if request.policy_key not in (None, key):
            raise RequestError("X-MS-PolicyKey contradicts the policy key in the base64 query")
    return replace(request, protocol_version=version, policy_key=key)


def _version(header: bytes) -> str:
    version = header.strip(b" \t").decode("latin-1")
    if version not in PROTOCOL_VERSIONS:
        raise RequestError("MS-ASProtocolVersion names no version of the protocol")
    return version


def _policy_key(header: bytes) -> int:
    digits = header.strip(b" \t")
    if not digits.isdigit() or len(digits) > _MAX_POLICY_KEY_DIGITS:
        raise RequestError("X-MS-PolicyKey is no number")
    key = int(digits)
    if key > MAX_POLICY_KEY:
        raise RequestError("X-MS-PolicyKey is larger than 32 bits")
    return key
