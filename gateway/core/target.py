"""Where a request wants to go: the request target and the Host field, each with one meaning.

Whatever two servers could read as two paths or two hosts is refused here. Which paths exist, and
whether the host is ours, is decided elsewhere.
"""

import ipaddress
import re
from dataclasses import dataclass

from gateway.errors import RequestError

MAX_TARGET_BYTES = 8192
"""What common servers allow a request line; a base64 query needs 3.8 KB at its longest."""

_ACTIVESYNC = "/microsoft-server-activesync"
_ABSOLUTE = re.compile(rb"(https?)://([^/?#]*)(.*)", re.IGNORECASE)
_DEFAULT_PORTS = {b"http": 80, b"https": 443}

# RFC 3986 pchar without `;`, which some servers take for the end of a segment.
_PATH = re.compile(r"/[A-Za-z0-9._~!$&'()*+,=:@/-]*")
_PATH_BREAKS = re.compile(r"//|\.\.|/\.(?:/|\Z)")
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
_ESCAPED_BREAKS = frozenset("./")

_AUTHORITY = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?")
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_MAX_NAME = 253
_MAX_PORT = 65535


@dataclass(frozen=True, slots=True)
class Target:
    """The path, percent-decoded once and safe to send as it is; the raw query without its `?`."""

    path: str
    query: bytes = b""


def parse_target(target: bytes, host: bytes | None) -> Target:
    """Return the one path and query that the request target means (RFC 9112 section 3.2).

    Origin-form and absolute-form are read; the authority of an absolute-form must be that of
    `host`, the Host field, unless that is absent.

    Raises:
        RequestError: Another form (`*`, authority-form), a fragment, userinfo, a byte outside
            printable ASCII, a path with `..`, `.`, `//`, `;`, a backslash or an escaped one of
            these, or an authority that is not Host's.
    """
    if len(target) > MAX_TARGET_BYTES:
        raise RequestError(f"the request target is longer than {MAX_TARGET_BYTES} bytes")
    if not target.isascii() or b"#" in target or b" " in target:
        raise RequestError("the request target has a space, a fragment or a byte outside ASCII")
    rest = target if target.startswith(b"/") else _without_authority(target, host)
    path, _, query = rest.decode("ascii").partition("?")
    if not query.isprintable():
        raise RequestError("the request target has a control character")
    return Target(_path(path), query.encode("ascii"))


def is_activesync(path: str) -> bool:
    """Whether a `Target.path` is the ActiveSync one (MS-ASHTTP 2.2.1.1.1).

    Letter case does not matter, as on IIS, nor does one slash at the end.
    """
    return path.removesuffix("/").lower() == _ACTIVESYNC


def host_name(host: bytes) -> str:
    """Return the host that a Host field names, to be compared with TLS's server name.

    Lower-case, without port, brackets and last dot; IPv6 in its shortest form (RFC 5952).

    Raises:
        RequestError: It is no `name`, `address` or `[address]` with an optional port
            (RFC 9110 section 7.2).
    """
    return _authority(host)[0]


def _without_authority(target: bytes, host: bytes | None) -> bytes:
    match = _ABSOLUTE.fullmatch(target)
    if match is None:
        raise RequestError("the request target is neither a path nor an http or https URL")
    scheme, authority, rest = match.groups()
    default = _DEFAULT_PORTS[scheme.lower()]
    wanted, port = _authority(authority)
    if host is not None:
        named, host_port = _authority(host)
        if (wanted, port or default) != (named, host_port or default):
            raise RequestError("the host of the request target is not that of the Host field")
    return rest if rest.startswith(b"/") else b"/" + rest


def _path(path: str) -> str:
    if "%" in path:
        path = _ESCAPE.sub(_unescape, path)
    if not _PATH.fullmatch(path):
        raise RequestError("the path has a character that is not plain in a path")
    if _PATH_BREAKS.search(path):
        raise RequestError("the path has an empty segment or one of dots")
    return path


def _unescape(match: re.Match[str]) -> str:
    character = chr(int(match[1], 16))
    if character in _ESCAPED_BREAKS:
        raise RequestError("the path has a percent-encoded dot or slash")
    return character


def _authority(authority: bytes) -> tuple[str, int | None]:
    match = _AUTHORITY.fullmatch(authority.decode("latin-1"))
    if match is None:
        raise RequestError("the Host field is no host name with an optional port")
    host, port = match.groups()
    if port is not None and not 0 < int(port) <= _MAX_PORT:
        raise RequestError("the Host field has a port that does not exist")
    name = _address(host[1:-1]) if host.startswith("[") else _name(host)
    return name, None if port is None else int(port)


def _address(text: str) -> str:
    try:
        return ipaddress.IPv6Address(text).compressed
    except ValueError as error:
        raise RequestError("the Host field has brackets around no IPv6 address") from error


def _name(text: str) -> str:
    name = text.removesuffix(".").lower()
    if len(name) > _MAX_NAME or not all(_LABEL.fullmatch(label) for label in name.split(".")):
        raise RequestError("the Host field is no host name")
    return name
