"""Autodiscover for phones in XML (MS-ASCMD section 2.2.1.1): what they ask, what they are told.

Requests are read and answers are written here alone, so that neither side of the gateway ever sees
a document of the other.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from xml.sax.saxutils import escape

from gateway.core.xml_tree import Element, XmlError, parse_xml

_BASE: Final = "http://schemas.microsoft.com/exchange/autodiscover"
_REQUEST: Final = f"{_BASE}/mobilesync/requestschema/2006"
_RESPONSE: Final = f"{_BASE}/mobilesync/responseschema/2006"
_FRAME: Final = f"{_BASE}/responseschema/2006"

_LONGEST_ADDRESS: Final = 320
_LONGEST_NAME: Final = 256
_MOBILE_SYNC: Final = "MobileSync"

USUAL_CULTURE: Final = "en:us"
INVALID_REQUEST: Final = 600
NO_PROVIDER: Final = 601
_MESSAGES: Final = {INVALID_REQUEST: "Invalid Request", NO_PROVIDER: "Provider is not available"}


@dataclass(frozen=True, slots=True)
class Question:
    """A request.

    Attributes:
        address: the EMailAddress; None where the request has none that can be read.
        error: the ErrorCode of the answer; None where the request is right.
    """

    address: str | None
    error: int | None


@dataclass(frozen=True, slots=True)
class Found:
    """What an answer says of a mailbox."""

    display_name: str
    address: str
    culture: str = USUAL_CULTURE


def read_question(body: bytes) -> Question:
    """What a request asks; one that is wrong is a question, too, with an error for its answer.

    There must be one Request with one EMailAddress and one AcceptableResponseSchema, which is that
    of ActiveSync: Outlook asks at the same URL for another.
    """
    try:
        root = parse_xml(body)
    except XmlError:
        return Question(None, INVALID_REQUEST)
    request = root.only("Request")
    if root.name != "Autodiscover" or request is None:
        return Question(None, INVALID_REQUEST)
    address, schema = request.only("EMailAddress"), request.only("AcceptableResponseSchema")
    named = None if address is None else _address(address.text)
    if named is None or schema is None:
        return Question(named, INVALID_REQUEST)
    return Question(named, None if schema.text == _RESPONSE else NO_PROVIDER)


def write_question(address: str) -> bytes:
    """A request about `address`, as the mail server is to see it."""
    return _document(
        f'<Autodiscover xmlns="{_REQUEST}"><Request><EMailAddress>{escape(address)}</EMailAddress>'
        f"<AcceptableResponseSchema>{_RESPONSE}</AcceptableResponseSchema></Request></Autodiscover>"
    )


def write_answer(found: Found, url: str) -> bytes:
    """The answer that sends a phone to the ActiveSync at `url`."""
    return _document(
        f'<Autodiscover xmlns="{_FRAME}"><Response xmlns="{_RESPONSE}">'
        f"<Culture>{escape(found.culture)}</Culture>"
        f"<User><DisplayName>{escape(found.display_name)}</DisplayName>"
        f"<EMailAddress>{escape(found.address)}</EMailAddress></User>"
        f"<Action><Settings><Server><Type>{_MOBILE_SYNC}</Type>"
        f"<Url>{escape(url)}</Url><Name>{escape(url)}</Name></Server></Settings></Action>"
        "</Response></Autodiscover>"
    )


def write_error(code: int, at: datetime) -> bytes:
    """The answer to a request that is wrong (MS-ASCMD section 2.2.3.61)."""
    return _document(
        f'<Autodiscover xmlns="{_FRAME}"><Response>'
        f'<Error Time="{at:%H:%M:%S.%f}" Id="1"><ErrorCode>{code}</ErrorCode>'
        f"<Message>{_MESSAGES[code]}</Message><DebugData/></Error></Response></Autodiscover>"
    )


def read_answer(body: bytes, is_known: Callable[[str], bool]) -> Found | str:
    """What a mail server's answer says of the mailbox, or why a phone must not go by it.

    `is_known` tells whether a URL is one of a mail server of the configuration. Every MobileSync
    server has to be at one; any other kind of server is passed over. A redirect, an error, or no
    such server is a reason.
    """
    try:
        root = parse_xml(body)
    except XmlError as error:
        return str(error)
    response = root.only("Response")
    action = None if response is None else response.only("Action")
    settings = None if action is None else action.only("Settings")
    if response is None or settings is None:
        return "it has no settings"
    urls = [text for server in settings.all("Server") for text in _urls(server)]
    stranger = next((text for text in urls if not is_known(text)), None)
    if stranger is not None:
        return f"{stranger[:_LONGEST_NAME]!r} is at no [[upstream]]; add it to locations of one"
    if not urls:
        return "it names no ActiveSync server"
    return _found(response)


def _found(response: Element) -> Found | str:
    user = response.only("User")
    address = None if user is None else user.only("EMailAddress")
    named = None if address is None else _address(address.text)
    if user is None or named is None:
        return "it names no address"
    name, culture = user.only("DisplayName"), response.only("Culture")
    return Found(
        display_name=(name.text[:_LONGEST_NAME] if name is not None else "") or named,
        address=named,
        culture=(culture.text[:_LONGEST_NAME] if culture is not None else "") or USUAL_CULTURE,
    )


def _urls(server: Element) -> list[str]:
    """All that a server is at; a Name that is no URL says nothing."""
    kind = server.only("Type")
    if kind is None or kind.text != _MOBILE_SYNC:
        return []
    names = [one.text for one in server.all("Name") if "://" in one.text]
    return [one.text for one in server.all("Url")] + names


def _address(text: str) -> str | None:
    plain = text.isprintable() and " " not in text
    return text if plain and 0 < len(text) <= _LONGEST_ADDRESS else None


def _document(text: str) -> bytes:
    return f'<?xml version="1.0" encoding="utf-8"?>\n{text}'.encode()
