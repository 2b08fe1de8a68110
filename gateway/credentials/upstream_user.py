"""Who the gateway is to the mail server: the header lines that say for whom it asks."""

import base64
from collections.abc import Callable
from pathlib import Path

from gateway.config_upstream import Upstream
from gateway.core.mailbox import Mailbox
from gateway.errors import ConfigError, UpstreamError

Credentials = Callable[[Mailbox], bytes]
"""The header lines, each with its CRLF, that make the mail server act for a mailbox."""


def credentials(upstream: Upstream) -> Credentials:
    """The credentials that `upstream` asks for; raises ConfigError if its password is unreadable.

    With `header` the mail server trusts a header that only the gateway may send; with `basic` it
    takes one password for every user (RFC 7617).
    """
    name_of = _USER_NAMES[upstream.user]
    if upstream.credentials == "header":
        prefix = upstream.header.encode("ascii") + b": "
        return lambda mailbox: prefix + _value(name_of(mailbox), upstream.user) + b"\r\n"
    password = _password(upstream.name, upstream.password_file)

    def basic(mailbox: Mailbox) -> bytes:
        user = _value(name_of(mailbox), upstream.user)
        if b":" in user:
            raise UpstreamError(f"{mailbox.upn}: a user name with a colon cannot go into Basic")
        return b"Authorization: Basic " + base64.b64encode(user + b":" + password) + b"\r\n"

    return basic


def identity_headers(*upstreams: Upstream) -> frozenset[bytes]:
    """The header names by which any of these knows a user; no client may send them."""
    return frozenset(
        one.header.encode("ascii") if one.credentials == "header" else b"authorization"
        for one in upstreams
    )


def _upn(mailbox: Mailbox) -> str | None:
    return mailbox.upn


def _primary_address(mailbox: Mailbox) -> str | None:
    return mailbox.primary_address


def _sam_account_name(mailbox: Mailbox) -> str | None:
    return mailbox.sam_account_name


_USER_NAMES: dict[str, Callable[[Mailbox], str | None]] = {
    "upn": _upn,
    "primary_address": _primary_address,
    "sam_account_name": _sam_account_name,
}


def _value(text: str | None, attribute: str) -> bytes:
    if not text:
        raise UpstreamError(f"the mailbox has no {attribute}, which upstream.user asks for")
    if not text.isprintable():
        raise UpstreamError(f"the mailbox's {attribute} {text!r} cannot stand in a header")
    return text.encode()


def _password(name: str, path: Path | None) -> bytes:
    if path is None:
        raise ConfigError(f"upstream {name}: password_file is missing")
    try:
        password = path.read_bytes().rstrip(b"\r\n")
    except OSError as error:
        raise ConfigError(f"upstream {name}: password_file: {error}") from error
    if not password:
        raise ConfigError(f"upstream {name}: password_file {path} is empty")
    return password
