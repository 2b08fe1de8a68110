"""Which header fields of a request reach the mail server, and which of a response the phone.

Pure selection over raw `(name, value)` pairs as an HTTP parser yields them. What the proxy writes
itself is dropped here and added by it: framing (Content-Length, Transfer-Encoding), Host, Expect,
the forwarding fields and the identity. Nothing here is told who the client is.
"""

import re
from collections.abc import Callable, Iterable

Header = tuple[bytes, bytes]

_HOP_BY_HOP = frozenset(
    (
        b"connection",
        b"keep-alive",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"http2-settings",
    )
)
"""RFC 9110 section 7.6.1; `proxy-` fields go by their prefix."""

_REQUEST_NAMES = _HOP_BY_HOP | {
    # The proxy writes these for the upstream connection.
    b"host",
    b"content-length",
    b"expect",
    b"forwarded",
    b"via",
    b"x-real-ip",
    b"true-client-ip",
    b"x-cluster-client-ip",
    # Servers that stand behind a proxy believe these; only the gateway may say them.
    b"authorization",
    b"client-cert",
    b"client-cert-chain",
    b"remote-user",
    b"x-arr-clientcert",
    b"front-end-https",
    b"x-original-url",
    b"x-rewrite-url",
    b"x-original-host",
    b"x-http-method",
    b"x-http-method-override",
    b"x-method-override",
    # Exchange's front end tells its back end by these whom it serves.
    b"return-client-request-id",
    b"testbackendurl",
    b"x-anchormailbox",
    b"x-commonaccesstoken",
    b"x-ms-edgeip",
    b"x-sourcecafeserver",
}
_REQUEST_PREFIXES = (
    b"proxy-",
    b"x-forwarded",
    b"x-ssl-",
    b"ssl-",
    b"x-client-",
    b"x-remote-",
    b"x-authenticated-",
    b"x-auth-request-",
    b"x-webobjects-",
    b"x-ms-client-principal",
    b"msexch",
    b"x-msexch",
    b"x-anonresource",
    b"x-backend",
    b"x-beresource",
    b"x-beserver",
    b"x-fe-",
    b"x-feserver",
    b"x-isfrom",
    b"x-rps-",
    b"x-wlid-",
)

_JUDGED_NAMES = frozenset((b"x-ms-policykey", b"user-agent", b"content-type", b"content-encoding"))
_JUDGED_PREFIXES = (b"ms-as", b"accept")

_INTERNAL_COOKIE = re.compile(rb"x-beresource|x-anonresource|x-backendcookie", re.IGNORECASE)
"""Cookies that name a server inside Exchange; `X-AnonResource-Backend` goes by the second."""

_RESPONSE_NAMES = _HOP_BY_HOP | {
    # The proxy frames the response itself.
    b"content-length",
    # A challenge makes a phone ask its owner for a password that does not exist.
    b"www-authenticate",
    b"authentication-info",
    # They would lead the phone past the gateway.
    b"alt-svc",
    b"x-ms-location",
    # Names and versions of what is inside.
    b"server",
    b"x-powered-by",
    b"x-aspnet-version",
    b"x-aspnetmvc-version",
    b"x-beserver",
    b"x-calculatedbetarget",
    b"x-diaginfo",
    b"x-feserver",
}
_RESPONSE_PREFIXES = (b"proxy-", b"x-backend")

_DROP, _CONNECTION, _COOKIE, _KEEP, _KEEP_ALWAYS = range(5)  # plain integers: this path is hot

_USUAL_OPTIONS = frozenset((b"keep-alive", b"close", b"Keep-Alive", b"Close"))
"""Values of Connection that name no field that could still be there."""

_MEMO_NAMES = 512
_MEMO_NAME_BYTES = 64
_PLAIN_NAME = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789-")


class _Verdicts(dict[bytes, int]):
    """Verdicts by the name as it was spelled; an unseen name is judged once.

    Holds a bounded number of names: when full it starts afresh, so that a client that invents names
    costs time, but neither memory nor, for long, the place of the usual ones.
    """

    def __init__(self, judge: Callable[[bytes], int]) -> None:
        super().__init__()
        self._judge = judge

    def __missing__(self, name: bytes) -> int:
        verdict = self._judge(name.lower())
        if len(name) <= _MEMO_NAME_BYTES:
            if len(self) >= _MEMO_NAMES:
                self.clear()
            self[name] = verdict
        return verdict


class RequestHeaderFilter:
    """Selects what a client's request may say to the mail server; one instance a worker.

    Dropped, in any letter case: hop-by-hop fields and those that Connection names (RFC 9110 section
    7.6.1); whatever asserts an identity, a client certificate, an address or another target, and
    the configured identity fields; Exchange's internal fields and cookies; Host, Expect and
    framing; and any name of other than letters, digits and hyphen, since servers take `_` and
    more for `-`.

    Always kept, even if Connection names them, because the gateway judged the request by them:
    MS-AS fields, X-MS-PolicyKey, User-Agent, Content-Type, Content-Encoding, Accept fields, and
    Cookie.
    """

    def __init__(self, identity_headers: Iterable[bytes] = ()) -> None:
        self._identity = frozenset(n.lower().replace(b"_", b"-") for n in identity_headers)
        self._verdicts = _Verdicts(self._judge)

    def __call__(self, headers: Iterable[Header]) -> list[Header]:
        """Return the fields to send on, in their order and spelling."""
        return _select(headers, self._verdicts)

    def _judge(self, name: bytes) -> int:
        if not _PLAIN_NAME.issuperset(name) or name in self._identity:
            return _DROP
        if name == b"cookie":
            return _COOKIE
        if name == b"connection":
            return _CONNECTION
        if name in _JUDGED_NAMES or name.startswith(_JUDGED_PREFIXES):
            return _KEEP_ALWAYS
        if name in _REQUEST_NAMES or name.startswith(_REQUEST_PREFIXES):
            return _DROP
        return _KEEP


class ResponseHeaderFilter:
    """Selects what the mail server's response may say to the phone; one instance a worker.

    Dropped: hop-by-hop fields and those that Connection names, Content-Length (the proxy frames the
    response), challenges, Alt-Svc and X-MS-Location, and what names servers and versions inside.
    Set-Cookie is kept, since clients of version 16.0 must return cookies (MS-ASHTTP 2.2.1.1.2).
    """

    def __init__(self) -> None:
        self._verdicts = _Verdicts(self._judge)

    def __call__(self, headers: Iterable[Header]) -> list[Header]:
        """Return the fields to send on, in their order and spelling."""
        return _select(headers, self._verdicts)

    @staticmethod
    def _judge(name: bytes) -> int:
        if name == b"connection":
            return _CONNECTION
        if name in _RESPONSE_NAMES or name.startswith(_RESPONSE_PREFIXES):
            return _DROP
        return _KEEP


def connection_tokens(headers: Iterable[Header]) -> frozenset[bytes]:
    """Return the lower-case options of all Connection fields, such as `close` (RFC 9110 7.6.1)."""
    tokens: set[bytes] = set()
    for name, value in headers:
        if name.lower() == b"connection":
            tokens.update(token.strip(b" \t") for token in value.lower().split(b","))
    return frozenset(tokens - {b""})


def _select(headers: Iterable[Header], verdicts: _Verdicts) -> list[Header]:
    kept: list[Header] = []
    connection: list[Header] = []
    for header in headers:
        verdict = verdicts[header[0]]
        if verdict >= _KEEP:
            kept.append(header)
        elif verdict == _COOKIE:
            kept += _cookies(header)
        elif verdict == _CONNECTION and header[1] not in _USUAL_OPTIONS:
            connection.append(header)
    if not connection:
        return kept
    named = connection_tokens(connection)
    return [h for h in kept if verdicts[h[0]] != _KEEP or h[0].lower() not in named]


def _cookies(header: Header) -> list[Header]:
    """The Cookie field without Exchange's internal cookies; nothing if no other is in it.

    A pair is dropped if such a name is anywhere in it, because servers differ in what separates and
    ends a cookie.
    """
    name, value = header
    if not _INTERNAL_COOKIE.search(value):
        return [header]
    pairs = [pair for pair in value.split(b";") if not _INTERNAL_COOKIE.search(pair)]
    rest = b";".join(pairs).strip(b" \t")
    return [(name, rest)] if rest else []
