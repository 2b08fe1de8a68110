"""Answers that the gateway gives itself, as bytes."""

from http import HTTPStatus
from typing import Final

CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


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
