"""One HTTP/1.1 request on a channel, and the answer to it."""

from dataclasses import dataclass, field
from typing import Final

import httptools
from multidict import CIMultiDict

from gateway.probe.channel import Channel, ChannelError
from gateway.probe.outcome import ConnectionLost, Unreadable
from gateway.probe.transport import MAX_ANSWER

_MAX_HEAD: Final = 1 << 17
_NO_BODY: Final = (204, 304)


@dataclass(slots=True)
class Response:
    """An answer; `keeps` tells that the connection may be used again."""

    status: int = 0
    headers: CIMultiDict[str] = field(default_factory=CIMultiDict)
    body: bytes = field(default=b"", repr=False)
    keeps: bool = False


class _Reading:
    """Collects what the parser finds."""

    def __init__(self, *, has_body: bool) -> None:
        self.response = Response()
        self.head = self.done = False
        self._content = bytearray()
        self._size = 0
        self._has_body = has_body
        self._parser = httptools.HttpResponseParser(self)

    def feed(self, data: bytes) -> None:
        """Take some bytes; raises ChannelError if they are no HTTP or too many."""
        self._size += len(data)
        if not self.head and self._size > _MAX_HEAD:
            raise ChannelError(Unreadable(f"the answer's head has more than {_MAX_HEAD} bytes"))
        if self._size > _MAX_HEAD + 2 * MAX_ANSWER:  # what is between chunks, and trailers
            raise ChannelError(Unreadable(f"the answer has more than {MAX_ANSWER} bytes"))
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as error:
            detail = f"the server changes to another protocol (HTTP {self._status()})"
            raise ChannelError(Unreadable(detail)) from error
        except httptools.HttpParserError as error:
            if not self.done:  # what follows a whole answer is not its business
                raise ChannelError(Unreadable(f"the answer is no HTTP/1.1: {error}")) from error
            self.response.keeps = False
        if len(self._content) > MAX_ANSWER:
            raise ChannelError(Unreadable(f"the answer has more than {MAX_ANSWER} bytes"))

    def whole(self) -> Response:
        """The answer, once it is done or the server has ended."""
        self.response.body = bytes(self._content)
        return self.response

    def _status(self) -> int:
        return int(self._parser.get_status_code())

    def end(self) -> bool:
        """The server has ended; whether the answer is whole by that (RFC 9112 section 6.3)."""
        framed = {"Content-Length", "Transfer-Encoding"} & self.response.headers.keys()
        return self.done or (self.head and not framed)

    # What the parser calls; its names are fixed.

    def on_message_begin(self) -> None:
        if self.done:  # nothing was asked to which this is the answer
            self.response.keeps = False

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.head:  # a trailer (RFC 9110 section 6.5), or of another answer
            return
        self.response.headers.add(name.decode("latin-1"), value.decode("latin-1").strip())

    def on_headers_complete(self) -> None:
        if self.head:
            return
        status = self._status()
        if status < 200:  # noqa: PLR2004 (RFC 9110 section 15.2: another answer follows)
            self.response.headers.clear()
            return
        self.response.status, self.head = status, True
        self.response.keeps = self._parser.should_keep_alive()
        if not self._has_body or status in _NO_BODY:
            self.done = True

    def on_body(self, body: bytes) -> None:
        if not self.done:
            self._content += body

    def on_message_complete(self) -> None:
        self.done = self.done or self.head


async def ask(channel: Channel, head: bytes, body: bytes | None, *, has_body: bool) -> Response:
    """Send a request and read the whole answer; raises ChannelError.

    `head` is complete with its empty line; `has_body` is False for HEAD.
    """
    await channel.send(head + (body or b""))
    reading = _Reading(has_body=has_body)
    while not reading.done:
        data = await channel.receive()
        if not data:
            if reading.end():
                reading.response.keeps = False
                break
            detail = "in the middle of its answer" if reading.head else "without an answer"
            raise ChannelError(ConnectionLost(f"the server closed the connection {detail}"))
        reading.feed(data)
    return reading.whole()
