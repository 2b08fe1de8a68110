"""HTTP/1.1 messages out of bytes: llhttp's strict reading, and our limits on top.

llhttp refuses what has two meanings (RFC 9112): Content-Length beside Transfer-Encoding or twice,
obs-fold, a bare LF, NUL, white space before the colon.
"""

from dataclasses import dataclass
from typing import Final

import httptools

from gateway.errors import RequestError, UpstreamError

HEAD: Final = 0
BODY: Final = 1
END: Final = 2
ERROR: Final = 3

Header = tuple[bytes, bytes]

# Of these a request may have one at most: two servers could each believe another one.
_SINGLE = frozenset(
    (
        b"host",
        b"authorization",
        b"expect",
        b"ms-asprotocolversion",
        b"user-agent",
        b"x-ms-policykey",
        b"content-length",
        b"transfer-encoding",
    )
)
_SINGLE_LENGTHS = frozenset(len(name) for name in _SINGLE)  # spares most names the rest of the test
_FIELD_OVERHEAD = 4  # colon, space and CRLF
_LENGTH_DIGITS = 18
_LENGTH_NAME, _CODING_NAME = len(b"content-length"), len(b"transfer-encoding")
_RESPONSE_HEAD_BYTES = 256 * 1024
_RESPONSE_HEADERS = 500


@dataclass(slots=True)
class RequestHead:
    """The head of one request; `single` has the fields of which there may be one, lower-case.

    `content_length` is None where the body is chunked or there is none. `forwarded` holds the
    fields for the mail server once they have been selected.
    """

    method: bytes
    target: bytes
    headers: list[Header]
    single: dict[bytes, bytes]
    content_length: int | None
    keep_alive: bool
    http_1_0: bool
    forwarded: bytes | None = None

    @property
    def plain(self) -> bool:
        """Whether a request with this head comes in one piece, so that its like may be known."""
        return b"expect" not in self.single and b"transfer-encoding" not in self.single


@dataclass(slots=True)
class ResponseHead:
    """The head of one final response.

    `content_length` is None where the body is chunked or ends with the connection, and where there
    can be none (204). `forwarded` is the status line and the fields for the device, once selected;
    `dated` tells whether a Date is among them.
    """

    status: int
    reason: bytes
    headers: list[Header]
    content_length: int | None
    bodiless: bool
    until_close: bool
    keep_alive: bool
    forwarded: bytes | None = None
    dated: bool = False


RequestEvent = tuple[int, RequestHead | bytes | RequestError | None]
ResponseEvent = tuple[int, ResponseHead | bytes | UpstreamError | None]


class RequestParser:
    """Requests of one connection, in order; pipelined ones follow each other in the events."""

    __slots__ = (
        "_events",
        "_failed",
        "_head_done",
        "_header_bytes",
        "_header_count",
        "_headers",
        "_parser",
        "_silent",
        "_size",
        "_target",
    )

    def __init__(self, *, header_bytes: int, header_count: int) -> None:
        self._header_bytes = header_bytes
        self._header_count = header_count
        self._events: list[RequestEvent] = []
        self._silent = 0  # bytes since the last event
        self._size = 0
        self._failed = False
        self._parser = httptools.HttpRequestParser(self)
        self.on_message_begin()
        self._head_done = True

    @property
    def in_head(self) -> bool:
        """Whether a request has begun whose head is not complete."""
        return not self._head_done

    def feed(self, data: bytes) -> list[RequestEvent]:
        """The events that `data` completes.

        An ERROR, with the RequestError that tells why, is the last event that there is: what
        follows has no single meaning, and is passed over.
        """
        events: list[RequestEvent] = []
        if self._failed:
            return events
        self._events = events
        self._size = len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(_request_error(error))
        if events:
            self._silent = 0
        else:
            self._silent += len(data)
            if self._silent > self._header_bytes:
                self._fail(self._too_large())
        return events

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._head_done = False
        self._target = b""
        self._headers: list[Header] = []

    def on_url(self, url: bytes) -> None:
        """Take a part of the request target."""
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header field; trailer fields (RFC 9110 section 6.5) are dropped."""
        if not self._head_done:
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """The head is complete."""
        self._head_done = True
        parser, headers = self._parser, self._headers
        if len(headers) > self._header_count:
            raise RequestError(f"the head has more than {self._header_count} fields", 431)
        if self._silent + self._size > self._header_bytes:
            self._measure()
        version = parser.get_http_version()
        if version not in ("1.1", "1.0"):
            raise RequestError(f"HTTP/{version} is not spoken here", 505)
        single = _single_fields(headers)
        http_1_0 = version == "1.0"
        if not http_1_0 and b"host" not in single:
            raise RequestError("the request names no Host")
        if parser.should_upgrade():
            raise RequestError("the request asks for another protocol")
        coding = single.get(b"transfer-encoding")
        if coding is not None:
            _require_chunked(coding, http_1_0=http_1_0)
        length = single.get(b"content-length")
        head = RequestHead(
            method=parser.get_method(),
            target=self._target,
            headers=headers,
            single=single,
            content_length=None if length is None else _length(length),
            keep_alive=parser.should_keep_alive(),
            http_1_0=http_1_0,
        )
        self._events.append((HEAD, head))

    def on_body(self, data: bytes) -> None:
        """Take a part of the body, already out of its chunks."""
        self._events.append((BODY, data))

    def on_message_complete(self) -> None:
        """The request is complete."""
        self._events.append((END, None))

    def _measure(self) -> None:
        """Refuse a head that is too large, though it came in pieces that are not."""
        size = len(self._target)
        size += sum(len(name) + len(value) + _FIELD_OVERHEAD for name, value in self._headers)
        if size > self._header_bytes:
            raise self._too_large()

    def _too_large(self) -> RequestError:
        return RequestError(
            f"a head, a trailer or chunk extensions of more than {self._header_bytes} bytes", 431
        )

    def _fail(self, error: RequestError) -> None:
        self._failed = True
        self._events.append((ERROR, error))


class ResponseParser:
    """Responses of one upstream connection, in order; interim (1xx) ones are passed over."""

    __slots__ = (
        "_events",
        "_failed",
        "_head_done",
        "_headers",
        "_interim",
        "_parser",
        "_reason",
        "_silent",
        "in_message",
    )

    def __init__(self) -> None:
        self._events: list[ResponseEvent] = []
        self._silent = 0  # bytes since the last event
        self._failed = False
        self._parser = httptools.HttpResponseParser(self)
        self.on_message_begin()
        self.in_message = False  # a response, interim or not, has begun and is not complete

    def feed(self, data: bytes) -> list[ResponseEvent]:
        """The events that `data` completes.

        An ERROR, with the UpstreamError that tells why, is the last event that there is.
        """
        events: list[ResponseEvent] = []
        if self._failed:
            return events
        self._events = events
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._fail(_response_error(error))
        if events:
            self._silent = 0
        else:
            self._silent += len(data)
            if self._silent > _RESPONSE_HEAD_BYTES:
                self._fail(UpstreamError("the mail server's response head is too large"))
        return events

    def on_message_begin(self) -> None:
        """Begin a response."""
        self.in_message = True
        self._headers: list[Header] = []
        self._head_done = False
        self._interim = False
        self._reason = b""

    def on_status(self, reason: bytes) -> None:
        """Take the reason phrase."""
        self._reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header field; trailer fields (RFC 9110 section 6.5) are dropped."""
        if self._head_done:
            return
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """The head is complete."""
        self._head_done = True
        status = self._parser.get_status_code()
        if status < 200:  # noqa: PLR2004 (RFC 9110 section 15.2)
            self._interim = True
            return
        if len(self._headers) > _RESPONSE_HEADERS:
            raise UpstreamError(f"the mail server's response has over {_RESPONSE_HEADERS} fields")
        length, chunked = _response_framing(self._headers)
        bodiless = status in (204, 304)
        until_close = not bodiless and length is None and not chunked
        head = ResponseHead(
            status=status,
            reason=self._reason,
            headers=self._headers,
            # RFC 9110 section 8.6: none with 204.
            content_length=None if status == 204 else length,  # noqa: PLR2004 (as above)
            bodiless=bodiless,
            until_close=until_close,
            keep_alive=self._parser.should_keep_alive() and not until_close,
        )
        self._events.append((HEAD, head))

    def on_body(self, data: bytes) -> None:
        """Take a part of the body, already out of its chunks."""
        if self._interim:
            raise UpstreamError("the mail server sent an interim response with a body")
        self._events.append((BODY, data))

    def on_message_complete(self) -> None:
        """The response is complete, unless it was an interim one."""
        self.in_message = False
        if not self._interim:
            self._events.append((END, None))

    def _fail(self, error: UpstreamError) -> None:
        self._failed = True
        self._events.append((ERROR, error))


def _length(value: bytes) -> int:
    """The number; of digits llhttp lets any count pass, and nothing else."""
    if len(value) > _LENGTH_DIGITS:
        raise RequestError(f"Content-Length has more than {_LENGTH_DIGITS} digits")
    return int(value)


def _single_fields(headers: list[Header]) -> dict[bytes, bytes]:
    single: dict[bytes, bytes] = {}
    for name, value in headers:
        if len(name) in _SINGLE_LENGTHS:
            lower = name.lower()
            if lower in _SINGLE:
                if lower in single:
                    raise RequestError(f"the field {lower.decode()} is there twice")
                single[lower] = value
    return single


def _response_framing(headers: list[Header]) -> tuple[int | None, bool]:
    """The Content-Length, and whether the body is chunked."""
    length, chunked = None, False
    for name, value in headers:
        size = len(name)
        if size == _LENGTH_NAME and name.lower() == b"content-length":
            if len(value) > _LENGTH_DIGITS:
                raise UpstreamError("the mail server's Content-Length is too large")
            length = int(value)
        elif size == _CODING_NAME and name.lower() == b"transfer-encoding":
            if value.strip().lower() != b"chunked":
                raise UpstreamError("the mail server uses a transfer coding other than chunked")
            chunked = True
    return length, chunked


def _require_chunked(coding: bytes, *, http_1_0: bool) -> None:
    """RFC 9112 section 6.1: other codings are unknown here, and HTTP/1.0 has none."""
    if coding.strip().lower() != b"chunked":
        raise RequestError("a transfer coding other than chunked is not taken", 501)
    if http_1_0:
        raise RequestError("HTTP/1.0 has no Transfer-Encoding")


def _request_error(error: Exception) -> RequestError:
    cause = error.__context__
    if isinstance(cause, RequestError):
        return cause
    return RequestError(f"not HTTP/1.1: {error}")


def _response_error(error: Exception) -> UpstreamError:
    cause = error.__context__
    if isinstance(cause, UpstreamError):
        return cause
    if isinstance(error, httptools.HttpParserUpgrade):
        return UpstreamError("the mail server switches to another protocol")
    return UpstreamError(f"the mail server does not speak HTTP/1.1: {error}")
