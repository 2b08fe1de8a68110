"""Answers of Autodiscover, read: the XML of MS-ASCMD 4.2.4 and the JSON of its second version.

Nothing here does I/O. XML with a document type is refused, as its entities could be anything.
"""

import json
from dataclasses import dataclass
from typing import Final

from gateway.core.xml_tree import Element, XmlError, parse_xml
from gateway.errors import RequestError
from gateway.probe.words import printable

_MOST_BYTES: Final = 256 * 1024
_ACTION: Final = ("Response", "Action")
_ERRORS: Final = (("Response", "Error", "ErrorCode"), (*_ACTION, "Error", "Status"))


@dataclass(frozen=True, slots=True)
class Discovered:
    """What an answer says: ActiveSync's address, another mail address to ask for, or an error."""

    url: str | None = None
    redirect: str | None = None
    email: str | None = None
    error: str | None = None


def read_xml(body: bytes) -> Discovered:
    """What the XML says; raises RequestError if it is no answer of Autodiscover."""
    _limit(body)
    try:
        root = parse_xml(body)
    except XmlError as error:
        raise RequestError(str(error)) from error
    if root.name != "Autodiscover":
        raise RequestError(f"the root element is {printable(root.name, 40)}, not Autodiscover")
    servers = _below(root, *_ACTION, "Settings", "Server")
    urls = [_first(one, "Url") for one in servers if _first(one, "Type") == "MobileSync"]
    errors = [_first(root, *path) for path in _ERRORS]
    discovered = Discovered(
        url=next(filter(None, urls), None),
        redirect=_first(root, *_ACTION, "Redirect"),
        email=_first(root, "Response", "User", "EMailAddress"),
        error=next(filter(None, errors), None),
    )
    if not (discovered.url or discovered.redirect or discovered.error):
        raise RequestError("the XML names no server of the type MobileSync, redirect or error")
    return discovered


def read_json(body: bytes) -> Discovered:
    """What the JSON says; raises RequestError if it is no answer of Autodiscover."""
    _limit(body)
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RequestError("the answer is no JSON") from error
    if isinstance(value, dict):
        url, code = value.get("Url"), value.get("ErrorCode")
        if isinstance(url, str) and str(value.get("Protocol")).lower() == "activesync":
            return Discovered(url=url)
        if isinstance(code, str):
            return Discovered(error=code)
    raise RequestError("the JSON has neither Protocol and Url nor ErrorCode")


def _limit(body: bytes) -> None:
    if len(body) > _MOST_BYTES:
        raise RequestError(f"the answer has more than {_MOST_BYTES} bytes")


def _below(element: Element, *path: str) -> list[Element]:
    """The elements at a path below one, whatever their namespaces."""
    found = [element]
    for name in path:
        found = [child for parent in found for child in parent.all(name)]
    return found


def _first(element: Element, *path: str) -> str | None:
    """The first text that there is at a path below an element."""
    return next((one.text for one in _below(element, *path) if one.text), None)
