"""Request targets, read once: what a request asks for and what the mail server is to see."""

from dataclasses import dataclass

from gateway.config import Upstream
from gateway.core.decision import Deny
from gateway.core.eas import EasRequest
from gateway.core.eas_query import encode_query, parse_query
from gateway.core.reasons import Reason
from gateway.core.target import is_activesync, parse_target
from gateway.errors import RequestError

_MOST_TARGETS = 4096
_METHODS = frozenset((b"POST", b"OPTIONS"))  # all that MS-ASHTTP section 2.2.1.1.1.1 knows


@dataclass(frozen=True, slots=True)
class Route:
    """One target of one method.

    Attributes:
        request: what the query says.
        request_line: for the mail server, with its CRLF.
        command: for logs and counters.
        held: whether the mail server may keep the answer back (MS-ASCMD 2.2.1.13, 2.2.1.21).
    """

    request: EasRequest
    request_line: bytes
    command: str
    held: bool


class Routes:
    """Routes by target, remembered: phones repeat themselves. One instance a worker."""

    def __init__(self, upstream: Upstream) -> None:
        self._path = upstream.path.encode("ascii")
        self._known: dict[tuple[bytes, bytes, bytes | None], Route | Deny] = {}

    def find(self, method: bytes, target: bytes, host: bytes | None) -> Route | Deny:
        """The route of a request; raises RequestError where the target has no single meaning."""
        key = (method, target, host)
        known = self._known.get(key)
        if known is None:
            known = self._read(method, target, host)
            if len(self._known) >= _MOST_TARGETS:
                self._known.clear()
            self._known[key] = known
        return known

    def _read(self, method: bytes, target: bytes, host: bytes | None) -> Route | Deny:
        parsed = parse_target(target, host)
        if not is_activesync(parsed.path):
            return Deny(Reason.PATH_NOT_ALLOWED, f"the path {parsed.path} is not served")
        if method not in _METHODS:
            raise RequestError(f"{method.decode('latin-1')} is no method of ActiveSync", 501)
        request = parse_query(parsed.query, method=method)
        query = encode_query(request)
        mark = b"?" if query else b""
        command = request.command or method.decode("ascii")
        return Route(
            request=request,
            request_line=b"%b %b%b%b HTTP/1.1\r\n" % (method, self._path, mark, query),
            command=command,
            held=command in {"Ping", "Sync"},
        )
