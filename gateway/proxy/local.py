"""Requests that the gateway answers itself, or looks into before it passes them on."""

from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Protocol

from gateway.core.decision import Allow, Deny
from gateway.core.eas import EasRequest
from gateway.core.headers import Header
from gateway.core.self_check import SelfCheck
from gateway.proxy.answers import date_field
from gateway.proxy.messages import RequestHead


@dataclass(frozen=True, slots=True)
class LocalAnswer:
    """A whole answer of the gateway's own.

    Attributes:
        headers: without framing, Connection and Date, which are written for it.
        close: whether the connection ends with it.
        denial: what to put on record, where the answer refuses something; None where it serves.
    """

    status: int
    headers: tuple[Header, ...] = ()
    body: bytes = b""
    close: bool = False
    denial: Deny | None = None


@dataclass(frozen=True, slots=True)
class PassOn:
    """The mail server answers; `body` takes the place of the device's, unless it is None."""

    body: bytes | None = None


@dataclass(frozen=True, slots=True)
class Discover:
    """The mail server is asked Autodiscover in the gateway's words, and so is its answer given.

    Attributes:
        body: of the request.
        reword: called with the status and the body of the mail server's answer.
    """

    body: bytes
    reword: Callable[[int, bytes], LocalAnswer | Deny]


Outcome = LocalAnswer | Deny | PassOn | Discover


class Holder(Protocol):
    """Whoever holds the certificate of a connection."""

    def self_check(self) -> SelfCheck:
        """What the holder may know of the certificate and the verdict, as of now."""

    def record(self, verdict: Allow | Deny, about: dict[str, str]) -> str:
        """Put a verdict on record once more; its reference id is for the holder."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request, as a responder sees it.

    Attributes:
        request: what query and headers say; empty for paths other than ActiveSync's.
        target: as the device sent it.
        verdict: of the certificate, as of now.
        about: who asks, as a record says it (client_address, serial, issuer_key_id, mailbox, ...).
        holder: who asks, to be asked for more.
        body: whole; empty where the responder reads none.
    """

    head: RequestHead
    request: EasRequest
    verdict: Allow | Deny
    about: dict[str, str]
    holder: Holder
    body: bytes = b""

    @property
    def target(self) -> bytes:
        """The request target, as the device sent it."""
        return self.head.target


@dataclass(frozen=True, slots=True)
class Responder:
    """Who answers requests of one kind, or looks into them.

    Attributes:
        respond: called once a request, with its whole body; must not block.
        body_limit: bytes of a body that are read for it; 0: none, it is asked as soon as the head
            is there, and cannot change what it passes on.
        larger_passes: a larger body goes to the mail server unread; else it gets a 413.
        denied_too: also asked where the verdict is a denial; what it passes on then is refused.
    """

    respond: Callable[[Asked], Outcome]
    body_limit: int = 0
    larger_passes: bool = False
    denied_too: bool = False


@dataclass(slots=True)
class Reading:
    """A body that is being read for a responder."""

    responder: Responder
    pieces: list[bytes] = field(default_factory=list)
    size: int = 0

    def add(self, data: bytes) -> None:
        """Take a part of the body."""
        self.pieces.append(data)
        self.size += len(data)

    @property
    def too_large(self) -> bool:
        """Whether more has come than the responder reads."""
        return self.size > self.responder.body_limit


def written(
    answer: LocalAnswer, fields: tuple[Header, ...], *, close: bool, body: bool = True
) -> bytes:
    """The answer as bytes, with `fields` as its own.

    `body` is False for a HEAD request (RFC 9110 section 9.3.2).
    """
    lines = [b"HTTP/1.1 %d %b" % (answer.status, _phrase(answer.status)), date_field()]
    lines += map(b": ".join, fields)
    if answer.status != HTTPStatus.NO_CONTENT:
        lines.append(b"Content-Length: %d" % len(answer.body))
    if close:
        lines.append(b"Connection: close")
    lines.append(b"\r\n")
    return b"\r\n".join(lines) + (answer.body if body else b"")


_OWN_PHRASES = {449: b"Retry After Sending a PROVISION Command", 451: b"Redirect"}
"""Statuses of Microsoft's own (MS-ASHTTP section 2.2.2.1.2)."""


def _phrase(status: int) -> bytes:
    return _OWN_PHRASES.get(status) or HTTPStatus(status).phrase.encode()
