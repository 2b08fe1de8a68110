"""A request of the gateway's own to a mail server, whose answer it reads itself."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gateway.core.headers import Header
from gateway.errors import UpstreamError, UpstreamFullError
from gateway.proxy.messages import BODY, END, HEAD, ResponseEvent, ResponseHead
from gateway.proxy.upstream import UpstreamConnection, UpstreamPool


@dataclass(frozen=True, slots=True)
class Fetched:
    """A whole answer."""

    status: int
    headers: Sequence[Header]
    body: bytes


Done = Callable[[Fetched | UpstreamError], None]


class Fetch:
    """One request and its answer; `done` is told once of either, and never after `cancel`."""

    def __init__(
        self,
        pools: Sequence[UpstreamPool],
        request: tuple[bytes, bytes],
        *,
        limit: int,
        done: Done,
    ) -> None:
        """`request` is its head without Host, framing and the empty line, and its body.

        The first of `pools` is asked, the next only if it cannot be reached; on a new connection,
        as one that was kept may end at any moment. `limit` is how many bytes of the answer's body
        are taken.
        """
        self._pools = pools
        self._request = request
        self._limit = limit
        self._done: Done | None = done
        self._attempt = 0
        self._connection: UpstreamConnection | None = None
        self._head: ResponseHead | None = None
        self._body = bytearray()

    def begin(self) -> None:
        """Ask."""
        self._pools[0].acquire(self, fresh=True)

    def cancel(self) -> None:
        """The answer is not wanted any more."""
        self._done = None
        self._drop()

    def connected(self, connection: UpstreamConnection) -> None:
        """Send the request."""
        if self._done is None:
            connection.release()
            return
        self._connection = connection
        head, body = self._request
        framing = b"Content-Length: %d\r\n\r\n" % len(body)
        connection.write(b"".join((head, connection.host_line, framing, body)))

    def not_connected(self, error: UpstreamError) -> None:
        """Ask the next host, or give up."""
        more = self._attempt + 1 < len(self._pools)
        if self._done is None or isinstance(error, UpstreamFullError) or not more:
            self._end(error)
            return
        self._attempt += 1
        self._pools[self._attempt].acquire(self, fresh=True)

    def received(self, events: list[ResponseEvent]) -> None:
        """Take a part of the answer."""
        for kind, value in events:
            if kind == HEAD:
                self._head = value  # type: ignore[assignment]  # the kind says so
            elif kind == BODY:
                self._body += value  # type: ignore[arg-type]  # the kind says so
                if len(self._body) > self._limit:
                    self._end(UpstreamError(f"the answer is larger than {self._limit} bytes"))
                    return
            elif kind == END:
                self._finish()
                return
            else:
                self._end(value)  # type: ignore[arg-type]  # the kind says so
                return

    def received_whole(self, head: ResponseHead, body: bytes) -> None:
        """Take the whole answer."""
        self.received([(HEAD, head), (BODY, body), (END, None)])

    def lost(self, error: UpstreamError | None) -> None:
        """The end of an answer that ends with its connection, or a failure."""
        self._connection = None
        if error is None and self._head is not None and self._head.until_close:
            self._finish()
        else:
            self._end(error or UpstreamError("the mail server closed without a whole answer"))

    def upstream_full(self, full: bool) -> None:  # noqa: FBT001 (as in Waiting)
        """It is small enough to wait in a buffer."""

    def _finish(self) -> None:
        head, connection = self._head, self._connection
        if head is None:
            raise AssertionError("an answer ends after its head")
        if connection is not None and head.keep_alive:
            self._connection = None
            connection.release()
        self._end(Fetched(head.status, tuple(head.headers), bytes(self._body)))

    def _end(self, outcome: "Fetched | UpstreamError | None") -> None:
        self._drop()
        done, self._done = self._done, None
        if done is not None and outcome is not None:
            done(outcome)

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
