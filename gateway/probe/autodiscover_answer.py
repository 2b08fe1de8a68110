"""Answers of Autodiscover, read: the XML of MS-ASCMD 4.2.4 and the JSON of its second version.

Nothing here does I/O. XML with a document type is refused, as its entities could be anything.
"""

import json
from dataclasses import dataclass, field
from typing import Final
from xml.parsers import expat
from xml.sax.saxutils import escape

from gateway.errors import RequestError

RESPONSE_SCHEMA: Final = (
    "http://schemas.microsoft.com/exchange/autodiscover/mobilesync/responseschema/2006"
)
_REQUEST_SCHEMA: Final = (
    "http://schemas.microsoft.com/exchange/autodiscover/mobilesync/requestschema/2006"
)
_MOST_BYTES: Final = 256 * 1024
_MOST_DEPTH: Final = 32
_SERVER: Final = ("Autodiscover", "Response", "Action", "Settings", "Server")
_REDIRECT: Final = ("Autodiscover", "Response", "Action", "Redirect")
_USER: Final = ("Autodiscover", "Response", "User", "EMailAddress")
_ERRORS: Final = (
    ("Autodiscover", "Response", "Error", "ErrorCode"),
    ("Autodiscover", "Response", "Action", "Error", "Status"),
)


@dataclass(frozen=True, slots=True)
class Discovered:
    """What an answer says: ActiveSync's address, another mail address to ask for, or an error."""

    url: str | None = None
    redirect: str | None = None
    email: str | None = None
    error: str | None = None


def request_xml(email: str) -> bytes:
    """The question for a mobile device's settings (MS-ASCMD 2.2.1.1)."""
    return (
        f'<?xml version="1.0" encoding="utf-8"?>\n<Autodiscover xmlns="{_REQUEST_SCHEMA}"><Request>'
        f"<EMailAddress>{escape(email)}</EMailAddress>"
        f"<AcceptableResponseSchema>{RESPONSE_SCHEMA}</AcceptableResponseSchema>"
        "</Request></Autodiscover>"
    ).encode()


def read_xml(body: bytes) -> Discovered:
    """What the XML says; raises RequestError if it is no answer of Autodiscover."""
    found = _values(body)
    servers = zip(found.get((*_SERVER, "Type"), []), found.get((*_SERVER, "Url"), []), strict=False)
    urls = [url for kind, url in servers if kind == "MobileSync"]
    errors = [code for path in _ERRORS for code in found.get(path, [])]
    discovered = Discovered(
        url=urls[0] if urls else None,
        redirect=_first(found.get(_REDIRECT)),
        email=_first(found.get(_USER)),
        error=_first(errors),
    )
    if not (discovered.url or discovered.redirect or discovered.error):
        raise RequestError("the XML names no server of the type MobileSync, redirect or error")
    return discovered


def read_json(body: bytes) -> Discovered:
    """What the JSON says; raises RequestError if it is no answer of Autodiscover."""
    if len(body) > _MOST_BYTES:
        raise RequestError(f"the answer has more than {_MOST_BYTES} bytes")
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


@dataclass(slots=True)
class _Reading:
    path: list[str] = field(default_factory=list)
    text: list[str] = field(default_factory=list)
    values: dict[tuple[str, ...], list[str]] = field(default_factory=dict)

    def start(self, name: str, _attributes: object) -> None:
        if len(self.path) >= _MOST_DEPTH:
            raise RequestError(f"the XML is nested more than {_MOST_DEPTH} deep")
        self.path.append(name.rpartition(" ")[2])
        self.text.clear()

    def end(self, _name: str) -> None:
        value = "".join(self.text).strip()
        if value:
            self.values.setdefault(tuple(self.path), []).append(value)
        self.path.pop()
        self.text.clear()

    def refuse(self, *_: object) -> None:
        raise RequestError("the XML has a document type")


def _values(body: bytes) -> dict[tuple[str, ...], list[str]]:
    """The texts of the elements by their path, without namespaces."""
    if len(body) > _MOST_BYTES:
        raise RequestError(f"the answer has more than {_MOST_BYTES} bytes")
    reading = _Reading()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler = reading.start
    parser.EndElementHandler = reading.end
    parser.CharacterDataHandler = reading.text.append
    parser.StartDoctypeDeclHandler = reading.refuse
    try:
        parser.Parse(body, True)
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise RequestError("the answer is no XML") from error
    return reading.values


def _first(values: list[str] | None) -> str | None:
    return values[0] if values else None
