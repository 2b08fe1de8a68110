"""Autodiscover v2: where a protocol's server is, in JSON, asked without saying who asks."""

import json
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_to_bytes

from gateway.core.target import Target
from gateway.errors import RequestError

PATH: Final = "/autodiscover/autodiscover.json"
_VERSION: Final = "v1.0"
_NAMES: Final = frozenset(("email", "protocol", "redirectcount"))
_ESCAPES: Final = re.compile(r"(?:[^%]|%[0-9A-Fa-f]{2})*")


@dataclass(frozen=True, slots=True)
class JsonQuestion:
    """A request.

    Attributes:
        address: of whose mailbox; None where none is named.
        protocol: as it was written; empty where none is named.
    """

    address: str | None
    protocol: str


def read_json_question(target: Target) -> JsonQuestion | None:
    """What a request asks, None if its path is not one of this service.

    The address stands in the path or in the query. Raises RequestError for a query that names
    something twice or cannot be decoded; what it has besides is passed over.
    """
    below = target.path[len(PATH) :].strip("/")
    version, _, in_path = below.partition("/")
    if target.path[: len(PATH)].lower() != PATH or (below and version.lower() != _VERSION):
        return None
    if "/" in in_path:
        return None
    found = _read_query(target.query.decode("ascii"))
    address = found.get("email")
    if in_path and address is not None and address != in_path:
        raise RequestError("the path and the query name different addresses")
    return JsonQuestion(address or in_path or None, found.get("protocol", ""))


def write_json_answer(question: JsonQuestion, url: str) -> tuple[int, bytes]:
    """The status and the body of the answer of the gateway at `url`.

    It is the same for every address, so that nobody learns which there are.
    """
    protocol = question.protocol.lower()
    if protocol == "activesync":
        return _json(200, Protocol="ActiveSync", Url=f"{url}/Microsoft-Server-ActiveSync")
    if protocol == "autodiscoverv1":
        return _json(200, Protocol="AutodiscoverV1", Url=f"{url}/autodiscover/autodiscover.xml")
    if not protocol:
        message = "A valid value must be provided for the query parameter 'Protocol'"
        return _json(400, ErrorCode="MandatoryParameterMissing", ErrorMessage=message)
    message = "The given protocol value is invalid; supported: ActiveSync, AutodiscoverV1"
    return _json(400, ErrorCode="InvalidProtocol", ErrorMessage=message)


def _read_query(query: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for pair in query.split("&"):
        name, _, value = pair.partition("=")
        name = _decode(name).lower()
        if name not in _NAMES:
            continue
        if name in found:
            raise RequestError(f"the query names {name} twice")
        found[name] = _decode(value)
    return found


def _decode(text: str) -> str:
    if not _ESCAPES.fullmatch(text):
        raise RequestError("the query has a % that begins no percent-encoding")
    try:
        decoded = unquote_to_bytes(text).decode("utf-8")
    except UnicodeDecodeError as error:
        raise RequestError("the query is not UTF-8") from error
    if not decoded.isprintable():
        raise RequestError("the query has a control character")
    return decoded


def _json(status: int, **fields: str) -> tuple[int, bytes]:
    return status, json.dumps(fields, separators=(",", ":")).encode()
