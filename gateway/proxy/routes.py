"""Request targets, read once: what a request asks for and what the mail server is to see."""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.core.decision import Deny
from gateway.core.eas import EasRequest
from gateway.core.eas_query import encode_query, parse_query
from gateway.core.reasons import Reason
from gateway.core.target import Target, is_activesync, parse_target
from gateway.errors import RequestError
from gateway.proxy.local import Responder

_MOST_TARGETS = 4096
_LONGEST_REMEMBERED = 512  # bytes: a phone's own targets are shorter
_METHODS = frozenset((b"POST", b"OPTIONS"))  # all that MS-ASHTTP section 2.2.1.1.1.1 knows
_NEVER = frozenset((b"CONNECT", b"TRACE"))


@dataclass(frozen=True, slots=True)
class Route:
    """One target of one method.

    Attributes:
        request: what the query says.
        method, rest: what stands in the request line for the mail server before and behind the
            path, with the CRLF.
        command: for logs and counters.
        path: for the mail server; None: that of its ActiveSync.
        responder: who answers, or looks into each request; None: the mail server answers all.
    """

    request: EasRequest
    method: bytes
    rest: bytes
    command: str
    path: bytes | None = None
    responder: Responder | None = None


@dataclass(frozen=True, slots=True)
class PathRule:
    """A path beside ActiveSync's that is served, letter case and one slash at the end aside.

    Attributes:
        path: begins with a slash, has none at its end.
        methods: in capitals; None: those that HTTP has but CONNECT and TRACE.
        command: for logs and counters.
        below: what is below the path is served, too.
        responder: who answers; None: the mail server, at the same path.
    """

    path: str
    methods: frozenset[bytes] | None
    command: str
    below: bool = False
    responder: Responder | None = None

    def matches(self, path: str) -> bool:
        """Whether `path`, of a `Target`, is this one."""
        asked, own = path.lower().removesuffix("/"), self.path.lower()
        return asked == own or (self.below and asked.startswith(own + "/"))


class Routes:
    """Routes by target, remembered: phones repeat themselves. One instance a worker."""

    def __init__(self, rules: Sequence[PathRule] = ()) -> None:
        """`rules` are for paths other than ActiveSync's; the first that matches counts."""
        self._rules = tuple(rules)
        self._known: dict[tuple[bytes, bytes, bytes | None], Route | Deny] = {}

    def find(self, method: bytes, target: bytes, host: bytes | None) -> Route | Deny:
        """The route of a request; raises RequestError where the target has no single meaning."""
        key = (method, target, host)
        known = self._known.get(key)
        if known is None:
            known = self._read(method, target, host)
            if len(target) + len(host or b"") <= _LONGEST_REMEMBERED:
                if len(self._known) >= _MOST_TARGETS:
                    self._known.clear()
                self._known[key] = known
        return known

    def _read(self, method: bytes, target: bytes, host: bytes | None) -> Route | Deny:
        parsed = parse_target(target, host)
        if not is_activesync(parsed.path):
            return self._read_other(method, parsed)
        if method not in _METHODS:
            raise RequestError(f"{method.decode('latin-1')} is no method of ActiveSync", 501)
        request = parse_query(parsed.query, method=method)
        query = encode_query(request)
        mark = b"?" if query else b""
        command = request.command or method.decode("ascii")
        return Route(
            request=request,
            method=method + b" ",
            rest=b"%b%b HTTP/1.1\r\n" % (mark, query),
            command=command,
        )

    def _read_other(self, method: bytes, target: Target) -> Route | Deny:
        """A path other than ActiveSync's."""
        rule = next((one for one in self._rules if one.matches(target.path)), None)
        if rule is None:
            return Deny(Reason.PATH_NOT_ALLOWED, f"the path {target.path} is not served")
        if method in _NEVER if rule.methods is None else method not in rule.methods:
            raise RequestError(f"{method.decode('latin-1')} is no method for {rule.path}", 405)
        mark = b"?" if target.query else b""
        return Route(
            request=EasRequest(),
            method=method + b" ",
            rest=b"%b%b HTTP/1.1\r\n" % (mark, target.query),
            command=rule.command,
            path=target.path.encode("ascii"),
            responder=rule.responder,
        )
