"""Profiles read again, in whichever form a file has them; ours, or what a console exported."""

import json
import plistlib
from base64 import b64decode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from xml.parsers.expat import ExpatError

from gateway.errors import ProfileError
from gateway.limited_file import read_limited
from gateway.profiles.cms import Signature, unwrap

LIMIT_BYTES: Final = 1024 * 1024
"""The largest file that is read; profiles have a few thousand bytes."""

_SEQUENCE: Final = b"\x30"
_PEM_MARKS: Final = (b"-----BEGIN PKCS7-----", b"-----BEGIN CMS-----")
_GRAPH_TYPE: Final = "@odata.type"
_GMAIL_KEYS: Final = ("email_address", "exchange_host", "exchange_username")
_MOST_OBJECTS: Final = 1000
_MOST_APPLE_VALUES: Final = 10_000  # a profile of fifty payloads has a thousand
_MOST_JSON_VALUES: Final = 200_000  # an export of a thousand objects has sixty thousand


@dataclass(frozen=True, slots=True)
class AppleProfile:
    """A configuration profile; `signature` is None where it is not signed."""

    values: Mapping[str, Any]
    signature: Signature | None


@dataclass(frozen=True, slots=True)
class GraphProfiles:
    """Device configurations of Microsoft Graph, at least one."""

    objects: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class ManagedConfiguration:
    """The managed configuration of an Android mail program."""

    values: Mapping[str, Any]


Document = AppleProfile | GraphProfiles | ManagedConfiguration


def read_file(path: Path) -> Document:
    """The profile in a file; raises ProfileError."""
    content = read_limited(path, LIMIT_BYTES, ProfileError)
    try:
        return read(content)
    except ProfileError as error:
        raise ProfileError(f"{path}: {error}") from error


def read(content: bytes) -> Document:
    """The profile in `content`; raises ProfileError, which says what it is not."""
    if len(content) > LIMIT_BYTES:
        raise ProfileError(f"it is larger than {LIMIT_BYTES} bytes, so no profile")
    if content[:2] in {b"\xff\xfe", b"\xfe\xff"}:  # PowerShell's > writes UTF-16
        content = _recoded(content)
    stripped = content.removeprefix(b"\xef\xbb\xbf").lstrip()
    if stripped.startswith((b"{", b"[")):
        return _from_json(stripped)
    if stripped.startswith((b"<", b"bplist")):
        return AppleProfile(_property_list(stripped), None)
    if stripped.startswith(_PEM_MARKS):
        content = _from_pem(stripped)
    if content.startswith(_SEQUENCE):
        profile, signature = unwrap(content)
        return AppleProfile(_property_list(profile), signature)
    raise ProfileError(
        "it is neither an Apple profile (.mobileconfig, signed or not) nor JSON of Intune or of an"
        " Android managed configuration"
    )


def shown(value: object) -> str:
    """A value from a file for a sentence: short, on one line, harmless to a terminal."""
    if isinstance(value, str):
        return repr(value) if len(value) <= _LONGEST else f"{value[:_LONGEST]!r}..."
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) and abs(value) < 1 << 64:
        return str(value)
    return "nothing" if value is None else f"a {type(value).__name__}"


_LONGEST: Final = 100


def _recoded(content: bytes) -> bytes:
    try:
        return content.decode("utf-16").encode()
    except UnicodeError as error:
        raise ProfileError(f"it begins like UTF-16 and is not: {error}") from error


def _from_pem(content: bytes) -> bytes:
    lines = content.splitlines()
    body = b"".join(line for line in lines if not line.startswith(b"-----"))
    try:
        return b64decode(body, validate=True)
    except ValueError as error:
        raise ProfileError(f"its PEM is no base64: {error}") from error


def _property_list(content: bytes) -> Mapping[str, Any]:
    try:
        values = plistlib.loads(content)
    # The parser lets through whatever its steps raise: a date that is none is an AttributeError.
    except (ValueError, ExpatError, AttributeError, TypeError, LookupError) as error:
        raise ProfileError(f"it is no property list: {error}") from error
    except (RecursionError, OverflowError, MemoryError) as error:
        raise ProfileError("it is a property list that nobody could read") from error
    if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
        raise ProfileError("it is a property list, but no dictionary, which a profile is")
    _require_few(values, _MOST_APPLE_VALUES)
    if "EncryptedPayloadContent" in values:
        raise ProfileError(
            "EncryptedPayloadContent: it is encrypted for one device; test it before encryption"
        )
    return values


def _require_few(value: Any, most: int) -> None:
    """Raise ProfileError if there are more than `most` values in `value`, however deep.

    A binary property list refers to its values, so that a small file may have very many.
    """
    count, waiting = 0, [value]
    while waiting:
        inside = waiting.pop()
        if isinstance(inside, dict | list):
            count += len(inside)
            if count > most:
                raise ProfileError(f"it has more than {most} values, so it is no profile")
            waiting += inside.values() if isinstance(inside, dict) else inside


def _from_json(content: bytes) -> Document:
    try:
        value = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ProfileError(f"it is no JSON: {error}") from error
    _require_few(value, _MOST_JSON_VALUES)
    objects = tuple(_graph_objects(value, depth=0))
    if objects:
        return GraphProfiles(objects)
    if isinstance(value, dict):
        managed = _managed(value)
        if any(key in managed for key in _GMAIL_KEYS):
            return ManagedConfiguration(managed)
    raise ProfileError(
        f"it is JSON, but has neither {_GRAPH_TYPE}, as what Graph exports, nor"
        f" {', '.join(_GMAIL_KEYS)}, as Gmail's managed configuration"
    )


def _graph_objects(value: Any, depth: int) -> Iterator[Mapping[str, Any]]:
    """The device configurations in an object, a list, or what Graph wraps round one."""
    if isinstance(value, dict) and isinstance(value.get(_GRAPH_TYPE), str):
        yield value
    elif depth <= 2:  # noqa: PLR2004 (an answer of Graph, its list, its objects)
        inside = value.get("value") if isinstance(value, dict) else value
        if isinstance(inside, list):
            if len(inside) > _MOST_OBJECTS:
                raise ProfileError(f"it has more than {_MOST_OBJECTS} objects; test fewer at once")
            for one in inside:
                yield from _graph_objects(one, depth + 1)


def _managed(value: dict[str, Any]) -> Mapping[str, Any]:
    """The plain keys and values, out of what consoles wrap round them."""
    inside = value.get("managedConfiguration")
    if isinstance(inside, dict):
        return inside
    properties = value.get("managedProperty")
    if not isinstance(properties, list):
        return value
    found: dict[str, Any] = {}
    for one in properties:
        if isinstance(one, dict) and isinstance(one.get("key"), str):
            named = [item for key, item in one.items() if key.startswith("value")]
            found[one["key"]] = named[0] if named else None
    return found
