"""HTTP/1.1 messages out of bytes: llhttp's strict reading, and our limits on top.

llhttp refuses what has two meanings (RFC 9112): Content-Length beside Transfer-Encoding or twice, a
transfer coding other than chunked, obs-fold, a bare LF, NUL, white space before the colon.
"""

from dataclasses import dataclass
from typing import Final

import httptools

from gateway.errors import RequestError, UpstreamError

HEAD: Final = 0
BODY: Final = 1
END: Final = 2

Header = tuple[bytes, bytes]

# Of these a request may have one at most: two servers could each believe another one.
_SINGLE = frozenset(
    (
        b"host",
        b"expect",
        b"ms-asprotocolversion",
        b"x-ms-policykey",
        b"content-length",
        b"transfer-encoding",
    )
)
_SINGLE_LENGTHS = frozenset(len(name) for name in _SINGLE)  # spares most names the rest of the test
_RESPONSE_HEAD_BYTES = 256 * 1024
_RESPONSE_HEADERS = 500


@dataclass(slots=True)
class RequestHead:
    """The head of one request; `single` has the fields of which there may be one, lower-case."""

    method: bytes
    target: bytes
    headers: list[Header]
    single: dict[bytes, bytes]
    content_length: int | None
    chunked: bool
    keep_alive: bool
    http_1_0: bool


@dataclass(slots=True)
class ResponseHead:
    """The head of one final response.

    `content_length` is None where the body is chunked or ends with the connection.
    """

    status: int
    reason: bytes
    headers: list[Header]
    content_length: int | None
    bodiless: bool
    until_close: bool
    keep_alive: bool


RequestEvent = tuple[int, RequestHead | bytes | None]
ResponseEvent = tuple[int, ResponseHead | bytes | None]


class RequestParser:
    """Requests of one connection, in order; pipelined ones follow each other in the events."""

    __slots__ = (
        "_bytes_of_head",
        "_events",
        "_head_done",
        "_header_bytes",
        "_header_count",
        "_headers",
        "_parser",
        "_single",
        "_target",
    )

    def __init__(self, *, header_bytes: int, header_count: int) -> None:
        self._header_bytes = header_bytes
        self._header_count = header_count
        self._events: list[RequestEvent] = []
        self._head_done = True
        self._parser = httptools.HttpRequestParser(self)
        self.on_message_begin()
        self._head_done = True

    @property
    def in_head(self) -> bool:
        """Whether a request has begun whose head is not complete."""
        return not self._head_done

    def feed(self, data: bytes) -> list[RequestEvent]:
        """The events that `data` completes; raises RequestError where it has no single meaning."""
        events: list[RequestEvent] = []
        self._events = events
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as error:
            raise RequestError("the request asks for another protocol") from error
        except httptools.HttpParserCallbackError as error:
            if isinstance(error.__context__, RequestError):
                raise error.__context__ from None
            raise
        except httptools.HttpParserError as error:
            raise RequestError(f"not HTTP/1.1: {error}") from error
        if not self._head_done:
            self._bytes_of_head += len(data)
            if self._bytes_of_head > self._header_bytes:
                raise RequestError(f"the head is larger than {self._header_bytes} bytes", 431)
        return events

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._head_done = False
        self._bytes_of_head = 0
        self._target = b""
        self._headers: list[Header] = []
        self._single: dict[bytes, bytes] = {}

    def on_url(self, url: bytes) -> None:
        """Take a part of the request target."""
        self._target += url
        if len(self._target) > self._header_bytes:
            raise RequestError(f"the head is larger than {self._header_bytes} bytes", 431)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header field; trailer fields (RFC 9110 section 6.5) are dropped."""
        if self._head_done:
            return
        headers = self._headers
        headers.append((name, value))
        if len(headers) > self._header_count:
            raise RequestError(f"the head has more than {self._header_count} fields", 431)
        if len(name) not in _SINGLE_LENGTHS:
            return
        lower = name.lower()
        if lower in _SINGLE:
            if lower in self._single:
                raise RequestError(f"the field {lower.decode()} is there twice")
            self._single[lower] = value

    def on_headers_complete(self) -> None:
        """The head is complete."""
        self._head_done = True
        parser, single = self._parser, self._single
        length = single.get(b"content-length")
        version = parser.get_http_version()
        if version not in ("1.1", "1.0"):
            raise RequestError(f"HTTP/{version} is not spoken here", 505)
        if version == "1.1" and b"host" not in single:
            raise RequestError("the request names no Host")
        head = RequestHead(
            method=parser.get_method(),
            target=self._target,
            headers=self._headers,
            single=single,
            content_length=None if length is None else int(length),
            chunked=b"transfer-encoding" in single,
            keep_alive=parser.should_keep_alive(),
            http_1_0=version == "1.0",
        )
        self._events.append((HEAD, head))

    def on_body(self, data: bytes) -> None:
        """Take a part of the body, already out of its chunks."""
        self._events.append((BODY, data))

    def on_message_complete(self) -> None:
        """The request is complete."""
        self._events.append((END, None))


class ResponseParser:
    """Responses of one upstream connection, in order; interim (1xx) ones are passed over."""

    __slots__ = ("_chunked", "_events", "_headers", "_interim", "_length", "_parser", "_reason")

    def __init__(self) -> None:
        self._events: list[ResponseEvent] = []
        self._parser = httptools.HttpResponseParser(self)
        self.on_message_begin()

    def feed(self, data: bytes) -> list[ResponseEvent]:
        """The events that `data` completes; raises UpstreamError where it has no single meaning."""
        events: list[ResponseEvent] = []
        self._events = events
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as error:
            raise UpstreamError("the mail server switches to another protocol") from error
        except httptools.HttpParserCallbackError as error:
            if isinstance(error.__context__, UpstreamError):
                raise error.__context__ from None
            raise
        except httptools.HttpParserError as error:
            raise UpstreamError(f"the mail server does not speak HTTP/1.1: {error}") from error
        return events

    def on_message_begin(self) -> None:
        """Begin a response."""
        self._headers: list[Header] = []
        self._length: int | None = None
        self._chunked = False
        self._interim = False
        self._reason = b""

    def on_status(self, reason: bytes) -> None:
        """Take the reason phrase."""
        self._reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header field."""
        headers = self._headers
        headers.append((name, value))
        if len(headers) > _RESPONSE_HEADERS or len(value) > _RESPONSE_HEAD_BYTES:
            raise UpstreamError("the mail server's response head is too large")
        lower = name.lower()
        if lower == b"content-length":
            self._length = int(value)
        elif lower == b"transfer-encoding":
            self._chunked = True

    def on_headers_complete(self) -> None:
        """The head is complete."""
        status = self._parser.get_status_code()
        if status < 200:  # noqa: PLR2004 (RFC 9110 section 15.2)
            self._interim = True
            return
        bodiless = status in (204, 304)
        until_close = not bodiless and self._length is None and not self._chunked
        head = ResponseHead(
            status=status,
            reason=self._reason,
            headers=self._headers,
            content_length=self._length,
            bodiless=bodiless,
            until_close=until_close,
            keep_alive=self._parser.should_keep_alive() and not until_close,
        )
        self._events.append((HEAD, head))

    def on_body(self, data: bytes) -> None:
        """Take a part of the body, already out of its chunks."""
        self._events.append((BODY, data))

    def on_message_complete(self) -> None:
        """The response is complete, unless it was an interim one."""
        if not self._interim:
            self._events.append((END, None))
