"""One request on its way to the mail server, and the answer on its way back."""

import time
from collections.abc import Sequence
from typing import Protocol

from gateway.errors import UpstreamError, UpstreamFullError
from gateway.proxy.answers import date_field
from gateway.proxy.messages import BODY, END, HEAD, Header, ResponseEvent, ResponseHead
from gateway.proxy.outgoing import Buffered, Outgoing
from gateway.proxy.upstream import UpstreamConnection, UpstreamPool

_HIGH_WATER = 256 * 1024
"""Bytes of a request body held while the upstream connection is not there yet, or is full."""

_REFUSED = frozenset((401, 407))
"""What must not reach a phone: a challenge, which it would ask its owner about."""

_REDIRECT = 451
_MOVED = frozenset((301, 302, 303, 307, 308))
"""What would lead a phone past the gateway: ActiveSync knows none of them (MS-ASHTTP 2.2.2.1.1)."""

_LOOKED_AT = _REFUSED | _MOVED | {_REDIRECT}


class Downstream(Protocol):
    """What an exchange asks of the connection that it belongs to."""

    def send(self, data: bytes) -> None:
        """Send a part of the answer to the device."""

    def response_fields(self, headers: list[Header]) -> list[Header]:
        """The fields of the mail server's answer that a device may see."""

    def take_no_more(self, full: bool) -> None:  # noqa: FBT001 (on or off)
        """Whether the request comes faster than the mail server takes it."""

    def answered(self, status: int, *, keep: bool, latency: float) -> None:
        """The whole answer is sent."""

    def redirected(self, headers: Sequence[Header]) -> None:
        """There is no answer but that another server has it (451), with these fields."""

    def failed(self, error: UpstreamError, *, begun: bool) -> None:
        """There will be no answer; `begun` tells that the device has a part of one."""


class Exchange:
    """One request and its answer; dead once it has called `answered`, `redirected` or `failed`."""

    __slots__ = (
        "_acquiring",
        "_attempt",
        "_buffered",
        "_buffers",
        "_chunk_answer",
        "_chunk_request",
        "_client",
        "_client_keeps",
        "_connection",
        "_counted",
        "_over",
        "_pending",
        "_pending_size",
        "_pools",
        "_request",
        "_request_sent",
        "_response",
        "_retriable",
        "_sent",
        "_written_at",
        "request_ended",
    )

    def __init__(
        self,
        client: Downstream,
        pools: Sequence[UpstreamPool],
        buffered: Buffered | None,  # None: it goes on as it comes
        request: Outgoing,
    ) -> None:
        """`pools` are those of the hosts, the one that should have the request first."""
        self._client = client
        self._pools = pools
        self._attempt = 0
        self._buffered = buffered
        self._buffers = buffered is not None
        self._counted = 0  # of `buffered.held`
        self._request = request
        self._retriable = request.retriable
        self._client_keeps = request.client_keeps
        self._pending: list[bytes] = []
        self._pending_size = 0
        self._connection: UpstreamConnection | None = None
        self._acquiring = False
        self._sent = False
        self._request_sent = False
        self._chunk_request = False
        self._chunk_answer = False
        self._response: ResponseHead | None = None
        self._written_at = 0.0
        self._over = False
        self.request_ended = False

    @property
    def answer_begun(self) -> bool:
        """Whether the device has a part of the answer."""
        return self._response is not None

    @property
    def unanswered(self) -> bool:
        """Whether a whole request waits for its answer."""
        return self.request_ended and self._response is None

    def body(self, data: bytes) -> None:
        """Take a part of the request body."""
        self._pending.append(data)
        self._pending_size += len(data)
        buffered = self._buffered
        if buffered is not None and not self._over:
            self._counted += len(data)
            buffered.held += len(data)
            if buffered.held > buffered.limit:
                self._pending.clear()
                self._fail(UpstreamFullError("limits.buffered_bytes of requests are held"))

    def end(self) -> None:
        """The request is complete."""
        self.request_ended = True

    def whole(self, body: bytes) -> None:
        """As `body`, `end` and `advance`, for a request that is there whole."""
        if self._buffers:
            self.body(body)
            if self._over:
                return
        elif body:
            self._pending.append(body)
            self._pending_size = len(body)
        self.request_ended = self._acquiring = True
        self._pools[self._attempt].acquire(self)

    def advance(self) -> None:
        """Send what has come, as far as the mail server may have it now."""
        if self._over:
            return
        if self._connection is not None:
            self._write()
        elif not self._acquiring and (self.request_ended or not self._buffers):
            self._acquiring = True
            self._pools[self._attempt].acquire(self)
        if self._pending_size > _HIGH_WATER and not self._buffers:
            self._client.take_no_more(True)

    def abort(self) -> None:
        """The device is gone or was refused: nothing more is done for it."""
        self._come_to_end()
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def end_connection(self) -> None:
        """The answer, unless it has begun, says that the device's connection ends with it."""
        self._client_keeps = False

    def client_full(self, full: bool) -> None:  # noqa: FBT001 (on or off)
        """Whether the device reads more slowly than the mail server answers."""
        if self._connection is None:
            return
        if full:
            self._connection.pause_reading()
        else:
            self._connection.resume_reading()

    def connected(self, connection: UpstreamConnection) -> None:
        """The mail server can have the request."""
        self._acquiring = False
        if self._over:
            connection.release()
            return
        self._connection = connection
        self._write()

    def not_connected(self, error: UpstreamError) -> None:
        """The host cannot be reached: the next one can have the request, or nobody."""
        self._acquiring = False
        last = self._attempt + 1 == len(self._pools)
        if self._over or last or isinstance(error, UpstreamFullError):
            self._fail(error)
            return
        self._attempt += 1
        self._acquiring = True
        self._pools[self._attempt].acquire(self)

    def upstream_full(self, full: bool) -> None:  # noqa: FBT001 (on or off)
        """Whether the mail server takes the request more slowly than it comes."""
        if not self._over:
            self._client.take_no_more(full)

    def received(self, events: list[ResponseEvent]) -> None:
        """Pass a part of the answer on, in one piece."""
        arrived = time.perf_counter()
        begun = self._response is not None
        out: list[bytes] = []
        ended = False
        for kind, value in self._that_count(events):
            if ended:
                # Bytes behind the answer: the connection cannot be trusted with another request.
                self._drop_connection()
                break
            if kind == BODY:
                data: bytes = value  # type: ignore[assignment]  # the kind says so
                out += (b"%x\r\n" % len(data), data, b"\r\n") if self._chunk_answer else (data,)
            elif kind == HEAD:
                head: ResponseHead = value  # type: ignore[assignment]  # the kind says so
                if self._is_refused(head):
                    return
                out.append(self._answer_head(head, head.content_length))
            elif kind == END:
                ended = True
            else:
                self._break(value, begun=begun)  # type: ignore[arg-type]  # the kind says so
                return
        if ended and self._chunk_answer:
            out.append(b"0\r\n\r\n")
        if out:
            self._client.send(b"".join(out))
        if ended:
            now = time.perf_counter()
            self._finish(self._written_at - self._request.began + now - arrived)

    def _that_count(self, events: list[ResponseEvent]) -> list[ResponseEvent]:
        """An answer to HEAD has a head alone, whatever its fields say of a body."""
        if not self._request.is_head or events[0][0] != HEAD:
            return events
        self._drop_connection()  # its parser waits for the body
        return [events[0], (END, None)]

    def received_whole(self, head: ResponseHead, body: bytes) -> None:
        """As `received`, for a whole answer with a Content-Length whose head was seen before."""
        arrived = time.perf_counter()
        if self._is_refused(head):
            return
        self._client.send(self._answer_head(head, len(body)) + body)
        now = time.perf_counter()
        self._finish(self._written_at - self._request.began + now - arrived)

    def _is_refused(self, head: ResponseHead) -> bool:
        """Whether the phone must not have this answer; then the exchange is over."""
        status = head.status
        if status not in _LOOKED_AT or (status in _MOVED and not self._request.is_activesync):
            return False
        if status == _REDIRECT:
            self._come_to_end()
            self._drop_connection()
            self._client.redirected(head.headers)
        else:
            self._fail(UpstreamError(f"the mail server answered {status}"))
        return True

    def _break(self, error: UpstreamError, *, begun: bool) -> None:
        """Fail over an answer that makes no sense; `begun` tells that a part of it was sent."""
        if not begun:
            self._response = None
        self._fail(error)

    def lost(self, error: UpstreamError | None) -> None:
        """The connection is gone: the answer's end, a stale connection, or a failure."""
        connection, self._connection = self._connection, None
        if self._over:
            return
        response = self._response
        if response is not None and response.until_close and error is None:
            if self._chunk_answer:
                self._client.send(b"0\r\n\r\n")
            self._finish(0.0)
        elif response is None and self._may_retry(connection):
            self._retriable = False
            self._sent = False
            self._request_sent = False
            self._acquiring = True
            self._pools[self._attempt].acquire(self, fresh=True)
        else:
            self._fail(error or UpstreamError("the mail server closed without a whole answer"))

    def _may_retry(self, connection: UpstreamConnection | None) -> bool:
        """Once, on a connection kept too long, for a bodiless request that changes nothing."""
        return (
            self._retriable
            and connection is not None
            and connection.reused
            and self.request_ended
            and self._request.length in (0, None)
            and not self._chunk_request
        )

    def _write(self) -> None:
        connection, pieces = self._connection, self._pending
        if connection is None:
            return
        if not self._sent:
            if self.request_ended:
                framing = b"Content-Length: %d\r\n\r\n" % self._pending_size
                data = b"".join((self._request.head, connection.host_line, framing, *pieces))
            elif self._buffers:
                return
            else:
                start = self._request.head, connection.host_line, self._framing()
                data = b"".join((*start, *self._framed(pieces)))
            self._sent = True
        else:
            if self._request_sent:
                return
            data = b"".join(self._framed(pieces))
        self._request_sent = self.request_ended
        self._pending = []
        over_water = self._pending_size > _HIGH_WATER
        self._pending_size = 0
        if over_water:
            # Before the write, which may find that the mail server is full.
            self._client.take_no_more(False)
        if data:
            connection.write(data)
        self._written_at = time.perf_counter()

    def _framing(self) -> bytes:
        """A Content-Length wherever the length is known: not every mail server takes chunks."""
        if self._request.length is not None:
            return b"Content-Length: %d\r\n\r\n" % self._request.length
        self._chunk_request = True
        return b"Transfer-Encoding: chunked\r\n\r\n"

    def _framed(self, pieces: list[bytes]) -> list[bytes]:
        if not self._chunk_request:
            return pieces
        framed = []
        for piece in pieces:
            framed += [b"%x\r\n" % len(piece), piece, b"\r\n"]
        if self.request_ended:
            framed.append(b"0\r\n\r\n")
        return framed

    def _answer_head(self, head: ResponseHead, length: int | None) -> bytes:
        self._response = head
        if head.forwarded is None:
            first = b"HTTP/1.1 %d %b" % (head.status, head.reason)
            fields = self._client.response_fields(head.headers)
            head.forwarded = b"\r\n".join((first, *map(b": ".join, fields)))
            head.dated = any(name.lower() == b"date" for name, _ in fields)
        lines = [head.forwarded]
        if not head.dated:  # not every mail server sends it (RFC 9110 section 6.6.1)
            lines.append(date_field())
        if length is not None:
            lines.append(b"Content-Length: %d" % length)
        elif not (head.bodiless or self._request.is_head):
            if self._request.http_1_0:
                self._client_keeps = False
            else:
                self._chunk_answer = True
                lines.append(b"Transfer-Encoding: chunked")
        if not self.request_ended:
            # The rest of the request is not wanted any more, and nobody reads it.
            self._client_keeps = False
        if not self._client_keeps:
            lines.append(b"Connection: close")
        elif self._request.http_1_0:
            lines.append(b"Connection: keep-alive")
        lines.append(b"\r\n")
        return b"\r\n".join(lines)

    def _finish(self, latency: float) -> None:
        response = self._response
        if response is None:
            raise AssertionError("an answer ends after its head")
        self._come_to_end()
        connection, self._connection = self._connection, None
        if connection is not None:
            if response.keep_alive and self.request_ended:
                connection.release()
            else:
                connection.close()
        self._client.answered(response.status, keep=self._client_keeps, latency=latency)

    def _come_to_end(self) -> None:
        self._over = True
        if self._buffered is not None:
            self._buffered.held -= self._counted
            self._counted = 0

    def _drop_connection(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _fail(self, error: UpstreamError) -> None:
        if self._over:
            return
        self._come_to_end()
        self._drop_connection()
        self._client.failed(error, begun=self.answer_begun)
