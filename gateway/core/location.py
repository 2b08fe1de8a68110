"""Where a URL leads: its origin, with one meaning or none.

What a mail server says about other servers is compared by origin; its path is no question here.
"""

import re

from gateway.core.target import host_name
from gateway.errors import RequestError

_MOST_CHARACTERS = 2048
_URL = re.compile(
    r"(https?)://(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::([0-9]{1,5}))?(?:[/?][!-~]*)?", re.IGNORECASE
)
_PORTS = {"http": 80, "https": 443}
_LAST_PORT = 65535


def own_url(public_url: str, host: bytes | None) -> str | None:
    """How a phone that asked for `host` reaches the gateway: `public_url`, if there is one.

    None where neither says it.
    """
    if public_url or host is None:
        return public_url or None
    try:
        host_name(host)
    except RequestError:
        return None
    return f"https://{host.decode('ascii')}"


def origin(url: str) -> str | None:
    """Scheme, host and port (RFC 6454 section 4), such as `https://mail.example.com:443`.

    None for what two programs could read as two places, or is no http or https URL at all: user
    information, a fragment, a backslash before the path, white space, a byte outside ASCII.
    """
    match = _URL.fullmatch(url) if len(url) <= _MOST_CHARACTERS else None
    if match is None or "#" in url or "\\" in url:
        return None
    scheme, host, digits = match[1].lower(), match[2], match[3]
    port = _PORTS[scheme] if digits is None else int(digits)
    if not 0 < port <= _LAST_PORT:
        return None
    try:
        name = host_name(host.encode("ascii"))
    except RequestError:
        return None
    return f"{scheme}://[{name}]:{port}" if ":" in name else f"{scheme}://{name}:{port}"
