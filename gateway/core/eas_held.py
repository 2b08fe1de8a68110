"""For how long a Ping or Sync asks to be held, read from its body and kept within bounds.

Ping says seconds in HeartbeatInterval (MS-ASCMD section 2.2.3.79.1); Sync says minutes in Wait
(2.2.3.182) or, from 14.0 on, seconds in HeartbeatInterval (2.2.3.79.2). A mail server remembers
what a device said last, so that a Ping may leave its interval out, an empty body stands for the
same request again, and a Sync with Partial is completed by the one before.

There are two ways to hold a phone to bounds. `heartbeat_out_of_bounds` answers in the mail server's
place as the protocol has it: the phone is told the nearest allowed value and asks again with that,
once and for all. `clamp` passes the request on with the nearest allowed value in it: the phone
learns nothing and says the same next time, but nothing is asked twice. Prefer the answer; it is
None for a Sync that carries changes, because Status 14 tells the phone that they were taken over
(2.2.3.177.17), and such a Sync is one to clamp.

The bounds are seconds. An interval of 0, by which some phones ask not to be held, is left to the
mail server.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from gateway.core.wbxml import SMALL_LIMITS, Child, Element, decode, element, encode
from gateway.core.wbxml_outline import outline
from gateway.core.wbxml_pages import TOKENS
from gateway.errors import WbxmlError

LONGEST_SECONDS: Final = 3540
"""The longest that the protocol lets a request be held (59 minutes)."""

_MAX_DIGITS: Final = 9  # enough for any number that a phone could mean

_ROOTS: Final[Mapping[str, str]] = MappingProxyType({"Ping": "Ping:Ping", "Sync": "AirSync:Sync"})

# Command -> the elements that say how long, and the seconds that one of their numbers is.
_UNITS: Final[Mapping[str, Mapping[str, int]]] = MappingProxyType(
    {
        "Ping": MappingProxyType({"Ping:HeartbeatInterval": 1}),
        "Sync": MappingProxyType({"AirSync:HeartbeatInterval": 1, "AirSync:Wait": 60}),
    }
)

_CONTENT: Final = 0x40  # set in the byte of a tag that has something in it
_SYNC_MARKS: Final = (
    bytes((_CONTENT | TOKENS["AirSync:Wait"][1],)),
    bytes((_CONTENT | TOKENS["AirSync:HeartbeatInterval"][1],)),
    bytes((TOKENS["AirSync:Partial"][1],)),
)


@dataclass(frozen=True, slots=True)
class _Interval:
    """A number that says how long, and how many seconds one of it is."""

    number: int
    unit: int

    def within(self, minimum: int, maximum: int) -> int:
        """The nearest number whose seconds are within the bounds, at least 1; 0 stays 0."""
        if self.number == 0:
            return 0
        lowest, highest = -(-minimum // self.unit), max(maximum // self.unit, 1)
        return min(max(self.number, lowest), highest)

    def is_within(self, minimum: int, maximum: int) -> bool:
        """Whether that is the number itself."""
        return self.number == self.within(minimum, maximum)


def seconds_held(command: str, body: bytes) -> int | None:
    """Return for how many seconds a Ping or Sync asks to be held at most.

    0 if it asks for an answer at once; None if it leaves that to what its device said before.

    Raises:
        WbxmlError: the body is no WBXML document of that command, is larger than 64 KiB, or says
            an interval that is no number.
    """
    if not body:
        return None
    root = _of_command(command, outline(body))
    intervals = _intervals(command, root)
    if intervals:
        # Both at once are an error that the mail server answers with Status 4, at once.
        return max(one.number * one.unit for one in intervals)
    return 0 if command == "Sync" and root.find("AirSync:Partial") is None else None


def is_sync_held(body: bytes, *, before: bool) -> bool:
    """Return whether a Sync asks to be held; one that is no document of Sync does not.

    `before` is whether the device's last Sync did, which an empty body or Partial repeats. A body
    without the bytes of a tag that matters, as most are, is not read.
    """
    if not body:
        return before
    if not any(mark in body for mark in _SYNC_MARKS):
        return False
    try:
        seconds = seconds_held("Sync", body)
    except WbxmlError:
        return False
    return before if seconds is None else seconds > 0


def clamp(command: str, body: bytes, minimum: int, maximum: int) -> bytes:
    """Return the body with its interval within the bounds; the same bytes if it already is.

    Raises:
        WbxmlError: as `seconds_held` does.
    """
    if not body:
        return body
    top = _of_command(command, outline(body))
    if all(one.is_within(minimum, maximum) for one in _intervals(command, top)):
        return body
    root = decode(body, SMALL_LIMITS)
    children = tuple(_clamped(command, child, minimum, maximum) for child in root.children)
    return encode(Element(root.page, root.token, children))


def _clamped(command: str, child: Child, minimum: int, maximum: int) -> Child:
    if not isinstance(child, Element):
        return child
    interval = _interval(command, child)
    if interval is None or interval.is_within(minimum, maximum):
        return child
    return element(child.tag, str(interval.within(minimum, maximum)))


def heartbeat_out_of_bounds(command: str, body: bytes, minimum: int, maximum: int) -> bytes | None:
    """Return the body of the answer to an interval outside the bounds; None if there is none.

    A Ping gets Status 5 and the nearest HeartbeatInterval (MS-ASCMD section 2.2.3.177.11), a Sync
    gets Status 14 and the nearest Limit, in the unit that it used (2.2.3.92). A Sync that carries
    changes gets None.

    Raises:
        WbxmlError: as `seconds_held` does.
    """
    if not body:
        return None
    top = _of_command(command, outline(body))
    for one in _intervals(command, top):
        if not one.is_within(minimum, maximum) and not _carries_changes(body):
            return encode(_out_of_bounds(command, str(one.within(minimum, maximum))))
    return None


def _out_of_bounds(command: str, allowed: str) -> Element:
    if command == "Ping":
        return element(
            "Ping:Ping", element("Ping:Status", "5"), element("Ping:HeartbeatInterval", allowed)
        )
    return element(
        "AirSync:Sync", element("AirSync:Status", "14"), element("AirSync:Limit", allowed)
    )


def _carries_changes(body: bytes) -> bool:
    collections = decode(body, SMALL_LIMITS).find("AirSync:Collections")
    return collections is not None and any(
        one.find("AirSync:Commands") is not None for one in collections.all("AirSync:Collection")
    )


def _of_command(command: str, root: Element) -> Element:
    if root.tag != _ROOTS[command]:
        raise WbxmlError(f"the body of a {command} request is a {root.tag}")
    return root


def _intervals(command: str, root: Element) -> list[_Interval]:
    elements = (child for child in root.children if isinstance(child, Element))
    found = (_interval(command, child) for child in elements)
    return [interval for interval in found if interval is not None]


def _interval(command: str, said: Element) -> _Interval | None:
    """What a child of a request's root says of how long; None if it is about something else."""
    unit = _UNITS[command].get(said.tag)
    if unit is None:
        return None
    digits = said.text.strip()
    if not (digits.isascii() and digits.isdigit() and len(digits) <= _MAX_DIGITS):
        raise WbxmlError(f"a {command} asks to be held for what is no number")
    return _Interval(int(digits), unit)
