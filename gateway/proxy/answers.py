"""Answers that the gateway gives itself, as bytes."""

import secrets
import time
from collections.abc import Mapping
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from types import MappingProxyType
from typing import Final

from gateway.core.wbxml import element, encode

CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


def date_field() -> bytes:
    """The field line that says what time it is, to the second (RFC 9110 section 6.6.1).

    A server that has a clock must send it. A device, and the probe, learn from it that theirs is
    wrong.
    """
    return _date_field(int(time.time()))


@lru_cache(maxsize=1)  # an overload is answered many times a second
def _date_field(second: int) -> bytes:
    return f"Date: {formatdate(second, usegmt=True)}".encode()


def _unchanged(body: bytes) -> bytes:
    """All but the first line and the Date."""
    return (
        b"Content-Type: application/vnd.ms-sync.wbxml\r\n"
        b"Cache-Control: no-store\r\n"
        b"Content-Length: %d\r\nConnection: close\r\n\r\n%b" % (len(body), body)
    )


_NOTHING_NEW: Final[Mapping[str, bytes]] = MappingProxyType(
    {
        "Ping": _unchanged(encode(element("Ping:Ping", element("Ping:Status", "1")))),
        "Sync": _unchanged(b""),
    }
)
"""Ends a held request, by command, as if its time were over without a change: Ping Status 1
(MS-ASCMD section 2.2.3.177.11), and for Sync an empty answer (2.2.1.21)."""


_CUT_RETRY_SECONDS = 30
_HELD_SECONDS = 5.0
"""A Sync that was not answered for so long is held by the mail server."""


def nothing_new(command: str, seconds: float) -> bytes | None:
    """The end of a request that the mail server has held for `seconds`; None if it is not held.

    A Sync without a body only may be one that waits: if it has waited for long, it is, and a short
    one may have changes to report, which an empty answer would hide.
    """
    if command == "Sync" and seconds < _HELD_SECONDS:
        return None
    unchanged = _NOTHING_NEW.get(command)
    return None if unchanged is None else b"HTTP/1.1 200 OK\r\n%b\r\n%b" % (date_field(), unchanged)


def scattered() -> int:
    """Retry-After for a device whose request a change ends: 1 to 30 seconds, by chance.

    One change may end those of thousands, and they must not all come back at once. Who is answered
    403 comes back, too, to run Autodiscover (MS-ASHTTP section 3.1.5.2.1).
    """
    return 1 + secrets.randbelow(_CUT_RETRY_SECONDS)


def answer(
    status: int,
    reference: str,
    *,
    close: bool,
    retry_after: int | None = None,
    body: bool = True,
) -> bytes:
    """A short answer that names a reference id for the help desk, and no reason.

    `body` is False for a HEAD request (RFC 9110 section 9.3.2).
    """
    phrase = HTTPStatus(status).phrase
    text = f"{status} {phrase}. Reference: {reference}\n".encode()
    head = (
        f"HTTP/1.1 {status} {phrase}\r\n"
        f"{date_field().decode()}\r\n"
        "Content-Type: text/plain; charset=utf-8\r\n"
        "Cache-Control: no-store\r\n"
        f"X-Gateway-Reference: {reference}\r\n"
        f"Content-Length: {len(text)}\r\n"
    )
    if retry_after is not None:
        head += f"Retry-After: {retry_after}\r\n"
    if close:
        head += "Connection: close\r\n"
    return head.encode() + b"\r\n" + (text if body else b"")
