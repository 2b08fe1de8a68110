"""The query of an ActiveSync request: read into one meaning, and written with no other one.

Which form a query has is decided by its spelling alone. It is **base64** if it is one or more of
`A-Z a-z 0-9 + /` (`+` and `/` also as `%2B`, `%2F`), followed by nothing but `=` (also as `%3D`),
to its end. It is **none** if it is empty. Everything else is **plain**. So `Cmd=Sync` is plain,
and `Cmd` or `Cmd=` are base64 of too few bytes.

The plain form is percent-encoding over UTF-8 and nothing more: `+` is a plus sign, as RFC 3986
has it. Some mail servers read `+` in a query as a space, therefore `User` and the device are
written anew with every plus as `%2B` and every space as `%20`, which no server reads in two ways:
what was compared with the mailbox is what the server gets. Send on what `encode_query` returns,
never the raw query.

Names are compared without regard to letter case, as IIS does, and after percent-decoding, and a
name may occur once in any spelling: `User=a&uSER=b` and `User=a&%55ser=b` are refused. They are
written in Microsoft's spelling, because PHP is strict about case. Names beyond letters, digits,
`-` and `_` are refused, because PHP reads `User[]` and the like as `User`.
"""

import re
from urllib.parse import quote

from gateway.core.eas import COMMANDS, EasRequest, QueryForm
from gateway.core.eas_base64 import decode_blob, encode_blob
from gateway.errors import RequestError

MAX_QUERY_BYTES = 4096
"""A base64 query with every field at its 255 bytes is 3.8 KB; IIS stops at 2 KB by default."""

_MAX_DEVICE_TYPE = 64
_FEWEST_PARAMETERS = 2  # SOGo reads every query without an ampersand as base64

_BASE64_FORM = re.compile(r"(?:[A-Za-z0-9+/]|%2[BbFf])+(?:=|%3[Dd])*")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_DEVICE_ID = re.compile(r"[A-Za-z0-9._~-]{1,64}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")

_JUDGED = ("Cmd", "User", "DeviceId", "DeviceType")
_KNOWN = (
    *_JUDGED,
    "AttachmentName",
    "CollectionId",
    "CollectionName",
    "ItemId",
    "LongId",
    "Occurrence",
    "Options",
    "ParentId",
    "SaveInSent",
)
_NAMES = {spelling: name for name in _KNOWN for spelling in (name, name.lower())}
_COMMANDS = {spelling: name for name in COMMANDS for spelling in (name, name.lower())}
_HEX_PAIRS = {
    high + low: int(high + low, 16)
    for high in "0123456789abcdefABCDEF"
    for low in "0123456789abcdefABCDEF"
}


def parse_query(query: bytes, *, method: bytes = b"POST") -> EasRequest:
    """Return the one meaning of the query (all that follows the first `?`) of a POST or OPTIONS.

    Raises:
        RequestError: The query has no meaning or more than one, or a POST names no command or
            device, or OPTIONS for its command.
    """
    if len(query) > MAX_QUERY_BYTES:
        raise RequestError(f"the query is longer than {MAX_QUERY_BYTES} bytes")
    if not query.isascii():
        raise RequestError("the query has a byte outside ASCII")
    text = query.decode("ascii")
    if not text.isprintable() or " " in text or "#" in text:
        raise RequestError("the query has a space, a control character or a fragment")
    if "&" not in text and _BASE64_FORM.fullmatch(text):
        return decode_blob(text)
    request = _parse_plain(text) if text else EasRequest()
    if method == b"POST":
        if request.command is None or request.device_id is None:
            raise RequestError("the query names no Cmd or no DeviceId")
        if request.command == "OPTIONS":
            raise RequestError("the Cmd of a POST is OPTIONS, which is a method of its own")
    return request


def encode_query(request: EasRequest) -> bytes:
    """Return the query that says what `parse_query` understood, in the same form.

    `parse_query(encode_query(request)) == request` for all that `parse_query` returns, as long as
    percent-encoding does not grow it past MAX_QUERY_BYTES. Version and policy key of the plain form
    are headers, and not written here.

    Raises:
        RequestError: A value was replaced by one that the base64 form cannot hold.
    """
    if request.query_form is QueryForm.BASE64:
        return encode_blob(request)
    known = (
        ("Cmd", request.command),
        ("User", request.user),
        ("DeviceId", request.device_id),
        ("DeviceType", request.device_type),
    )
    pieces = [f"{name}={quote(value, safe='')}" for name, value in known if value is not None]
    pieces += [f"{name}={value}" for name, value in request.parameters]
    return "&".join(pieces).encode("ascii")


def _parse_plain(text: str) -> EasRequest:
    judged: dict[str, str] = {}
    parameters: dict[str, str] = {}
    seen: set[str] = set()
    for piece in text.split("&"):
        spelling, equals, value = piece.partition("=")
        if not equals:
            raise RequestError("the query has a part that is no name=value, or is of both forms")
        name = key = _NAMES.get(spelling)
        if name is None or key is None:
            name, key = _odd_name(spelling)
        if key in seen:
            raise RequestError(f"the query has the parameter {name} twice")
        seen.add(key)
        decoded = _percent_decode(value) if "%" in value else value
        if name in _JUDGED:
            judged[name] = decoded
        else:
            parameters[name] = _respell(value)
    if len(seen) - (judged.get("User") == "") < _FEWEST_PARAMETERS:
        raise RequestError("the query is one parameter, which a mail server may read as base64")
    return EasRequest(
        command=_command(judged.get("Cmd")),
        user=judged.get("User") or None,
        device_id=_device_id(judged.get("DeviceId")),
        device_type=_device_type(judged.get("DeviceType")),
        parameters=tuple(parameters.items()),
        query_form=QueryForm.PLAIN,
    )


def _odd_name(spelling: str) -> tuple[str, str]:
    """The name that an unusual spelling means, and what no other spelling of it differs in."""
    name = _percent_decode(spelling) if "%" in spelling else spelling
    if not _NAME.fullmatch(name):
        raise RequestError("the query has a parameter name beyond letters, digits, - and _")
    known = _NAMES.get(name.lower())
    return (name, name.lower()) if known is None else (known, known)


def _percent_decode(text: str) -> str:
    """The text without its percent-encoding (RFC 3986 2.1), decoded once."""
    first, *rest = text.split("%")
    decoded = bytearray(first, "ascii")
    for part in rest:
        byte = _HEX_PAIRS.get(part[:2])
        if byte is None:
            raise RequestError("the query has a % that two hexadecimal digits do not follow")
        decoded.append(byte)
        decoded += part[2:].encode("ascii")
    try:
        plain = decoded.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RequestError("the query has percent-encoded bytes that are not UTF-8") from error
    if _CONTROL.search(plain):
        raise RequestError("the query has a percent-encoded control character")
    return plain


def _respell(value: str) -> str:
    """The value with the two raw characters encoded at which some servers would cut the query."""
    return value.replace(";", "%3B").replace("?", "%3F")


def _command(value: str | None) -> str | None:
    if value is None:
        return None
    command = _COMMANDS.get(value) or _COMMANDS.get(value.lower())
    if command is None:
        raise RequestError("Cmd names no command of the protocol")
    return command


def _device_id(value: str | None) -> str | None:
    if value is not None and not _DEVICE_ID.fullmatch(value):
        raise RequestError("DeviceId is not 1 to 64 letters, digits and - . _ ~")
    return value


def _device_type(value: str | None) -> str | None:
    if value is not None and (not value.isascii() or len(value) > _MAX_DEVICE_TYPE):
        raise RequestError(f"DeviceType is not up to {_MAX_DEVICE_TYPE} characters of ASCII")
    return value
