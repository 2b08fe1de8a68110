"""Mail servers' ways to read an ActiveSync query, written anew from what they are known to do.

None of them is the gateway's, and they differ in all that servers differ in: which of two equal
names counts, whether letter case does, what separates two parameters, whether `+` is a space,
whether a value is percent-decoded at all. Each gives command, user and device as its server would
use them; None is what it does not find.
"""

import base64
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import unquote, unquote_plus

from gateway.core.eas import COMMAND_CODES


class Seen(NamedTuple):
    """What a mail server understood."""

    command: str | None
    user: str | None
    device_id: str | None


Reader = Callable[[str], Seen]

_USER_TAG = 8


def _blob(query: str) -> Seen:
    """The base64 form, field by field; the last of two users counts."""
    raw = base64.b64decode(query + "=" * (-len(query) % 4))
    at = 4
    fields = []
    for _ in range(3):
        fields.append(raw[at + 1 : at + 1 + raw[at]])
        at += 1 + raw[at]
    user = None
    while at < len(raw):
        tag, length = raw[at], raw[at + 1]
        if tag == _USER_TAG:
            user = raw[at + 2 : at + 2 + length].decode()
        at += 2 + length
    return Seen(COMMAND_CODES[raw[1]], user, fields[0].hex())


def sogo(query: str) -> Seen:
    """SOGo: after the last `?`; one piece is base64, else the first of a name, never decoded.

    It takes its user from a header, so that what it could find in the query is told here.
    """
    pieces = query.rpartition("?")[2].split("&")
    if len(pieces) == 1:
        return _blob(pieces[0])

    def first(name: str) -> str | None:
        found = (piece for piece in pieces if piece.upper().startswith(name))
        return next((piece[len(name) :] for piece in found), None)

    user = first("USER=")
    return Seen(first("CMD="), None if user is None else unquote(user), first("DEVICEID="))


def _php(query: str, separators: str = "&") -> dict[str, str]:
    """PHP's `$_GET`: names by letter case, the last counts, `+` is a space, `a[]` is an array."""
    found: dict[str, str] = {}
    for piece in re.split(f"[{separators}]", query):
        name, _, value = piece.partition("=")
        name = re.sub(r"[ .]", "_", unquote_plus(name).lstrip(" ").partition("\0")[0])
        found[name.partition("[")[0]] = unquote_plus(value)
    return found


def z_push(query: str) -> Seen:
    """Z-Push on PHP: base64 if there is no `Cmd`; letters and digits of a device, all small."""
    given = _php(query)
    if "Cmd" not in given and re.fullmatch(r"[A-Za-z0-9+/]+={0,2}", query):
        command, user, device = _blob(query)
        # PHP's unpack takes white space off the end.
        return Seen(command, None if user is None else user.rstrip(" \t\r\n\0"), device)
    command = re.sub("[^A-Za-z]", "", given.get("Cmd", "")) or None
    device = re.sub("[^A-Za-z0-9]", "", given.get("DeviceId", "")).lower() or None
    return Seen(command, given.get("User"), device)


def _named(given: Mapping[str, str]) -> Seen:
    return Seen(given.get("cmd"), given.get("user"), given.get("deviceid"))


def iis(query: str) -> Seen:
    """ASP.NET: names without regard to case, equal ones joined by commas, `%uXXXX` decoded."""
    if re.fullmatch(r"[A-Za-z0-9+/]+={0,2}", query):
        return _blob(query)
    given: dict[str, str] = {}
    for piece in query.split("&"):
        name, _, value = (
            unquote_plus(re.sub("%u([0-9A-Fa-f]{4})", lambda code: chr(int(code[1], 16)), part))
            for part in piece.partition("=")
        )
        key = name.lower()
        given[key] = f"{given[key]},{value}" if key in given else value
    return _named(given)


def _general(
    *, separators: str, first_counts: bool, fold_names: bool, decode: Callable[[str], str]
) -> Reader:
    def read(query: str) -> Seen:
        if re.fullmatch(r"[A-Za-z0-9+/]+={0,2}", query):
            return _blob(query)
        given: dict[str, str] = {}
        for piece in re.split(f"[{separators}]", query):
            name, _, value = piece.partition("=")
            known = decode(name)
            key = known.lower() if fold_names else {"Cmd": "cmd", "User": "user"}.get(known, known)
            key = "deviceid" if known == "DeviceId" else key
            if not (first_counts and key in given):
                given[key] = decode(value)
        return _named(given)

    return read


READERS: Mapping[str, Reader] = MappingProxyType(
    {
        "SOGo": sogo,
        "Z-Push": z_push,
        "IIS": iis,
        **{
            f"separators {separators}, {'first' if first else 'last'} counts, "
            f"{'any case' if fold else 'case counts'}, {decode.__name__}": _general(
                separators=separators, first_counts=first, fold_names=fold, decode=decode
            )
            for separators in ("&", "&;", "&?;")
            for first in (True, False)
            for fold in (True, False)
            for decode in (unquote, unquote_plus)
        },
    }
)
