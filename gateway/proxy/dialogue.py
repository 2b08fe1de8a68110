"""The requests of one connection, one after the other, and the answers in their order."""

import time

from gateway.core.eas_held import LONGEST_SECONDS
from gateway.errors import RequestError
from gateway.proxy.admission import Admission
from gateway.proxy.connection import Connection
from gateway.proxy.messages import BODY, END, HEAD, RequestEvent, RequestHead
from gateway.proxy.reader import RequestReader
from gateway.proxy.services import Services
from gateway.proxy.turn import Turn
from gateway.proxy.verdicts import Verdicts

_PIPELINED_EVENTS = 16
"""How much of further requests is read while an answer is awaited: enough to notice that a device
has gone, unless it had sent more than this ahead. Then the time limit of the answer ends it."""

_HELD_SECONDS = LONGEST_SECONDS + 60.0
"""How long the answer to a held request may take, by whatever configuration."""


class Dialogue:
    """Requests in, answers out, in order (RFC 9112 section 9.3.2).

    Attributes:
        last: the connection ends with the answer that is owed.
    """

    __slots__ = (
        "_advancing",
        "_client_full",
        "_connection",
        "_ended",
        "_events",
        "_reader",
        "_services",
        "_turn",
        "_upstreams",
        "_verdicts",
        "last",
    )

    def __init__(
        self,
        connection: Connection,
        services: Services,
        verdicts: Verdicts,
        *,
        address: str,
        server_name: str | None,
    ) -> None:
        self._connection = connection
        self._services = services
        self._verdicts = verdicts
        admission = Admission(services, verdicts, address=address, server_name=server_name)
        self._turn = Turn(self, connection, services, verdicts, admission)
        self._renew()
        self._events: list[RequestEvent] = []  # a deque takes 700 bytes while it is empty
        self._advancing = False
        self._client_full = False
        self._ended = False
        self.last = False

    def _renew(self) -> None:
        """Go by the configuration of now: at the beginning, and when it is another one."""
        self._upstreams = self._services.upstreams
        self._reader = RequestReader(self._services.limits)

    @property
    def verdicts(self) -> Verdicts:
        """Who the device is, and whether it may act."""
        return self._verdicts

    @property
    def waits_for_answer(self) -> bool:
        """Whether a whole request is with the mail server."""
        exchange = self._turn.exchange
        return exchange is not None and exchange.request_ended

    @property
    def patience_seconds(self) -> float:
        """How long the answer may take; nobody cuts what is held as long as the protocol has it."""
        seconds = self._verdicts.service.response_timeout_seconds
        return max(seconds, _HELD_SECONDS) if self._turn.is_held else seconds

    @property
    def in_body(self) -> bool:
        """Whether the body of a request is still coming."""
        return self._turn.in_request

    @property
    def in_head(self) -> bool:
        """Whether the head of a request is still coming."""
        return self._reader.in_head

    def receive(self, data: bytes) -> None:
        """Take plain text from the device."""
        if self._ended:
            return
        turn = self._turn
        turn.began = time.perf_counter()
        if turn.exchange is None and not (self._events or turn.in_request or self.in_head):
            if self._upstreams is not self._services.upstreams:
                self._renew()
            repeated = self._reader.repeated(data)
            if repeated is not None and not self._client_full:
                self._repeat(*repeated)
                return
            self._events += self._reader.first(data)
            if not (self._events or self.in_head):
                return  # an empty line before a request is none, and extends no time limit
        else:
            self._events += self._reader.more(data)
        self._advance()

    def expire(self) -> None:
        """The time for what the dialogue waits for is over."""
        if self.waits_for_answer:
            self._turn.late()
        elif self.in_head or self.in_body:
            self._turn.bad_request(RequestError("the request did not come to its end in time", 408))
        else:
            self.end()

    def gone(self) -> None:
        """The device is gone."""
        self._ended = True
        self._turn.gone()

    def drain(self) -> None:
        """End after the answer that is owed, or now if none is; may be called again and again.

        A Ping or Sync that the mail server holds is answered here: it may wait for an hour, and
        the device asks again at once. A device that has not asked anything yet is about to.
        """
        self.last = True
        turn = self._turn
        if turn.exchange is not None:
            turn.drain()
        elif turn.any_came and not (self._events or turn.in_request or self.in_head):
            self.end()

    @property
    def is_over(self) -> bool:
        """Whether a request is under way whose verdict does not stand any more."""
        return (self.waits_for_answer or self.in_body) and self._verdicts.is_over

    def judge_again(self) -> None:
        """Something changed: go on if the device may still act, or else end at once."""
        if not self._ended and self._verdicts.allows:
            self._turn.judge_again()

    def client_full(self, full: bool) -> None:  # noqa: FBT001 (on or off)
        """Whether the device reads too slowly; no further request is begun while it does."""
        self._client_full = full
        exchange = self._turn.exchange
        if exchange is not None:
            exchange.client_full(full)
        elif not full:
            self.go_on()

    # What the turn asks for.

    @property
    def reads_ahead(self) -> bool:
        """Whether more of what the device sent is there already."""
        return bool(self._events)

    def filled(self) -> None:
        """What the mail server takes no more of, the device need not send."""
        self._connection.hold(self._holds())

    def answered(self, *, keep: bool) -> None:
        """The whole answer is sent: on to the next request, or to the end."""
        if self.last or not keep:
            self.end()
        elif self._events and not self._advancing:
            self._turn.began = time.perf_counter()
            self._advance()
        elif not self._advancing:
            self._connection.settle(self._turn.full)

    def go_on(self) -> None:
        """Take what has come meanwhile, unless that is being done."""
        if not self._advancing:
            self._advance()

    def end(self) -> None:
        """No more requests are taken; the connection ends once all is sent."""
        self._ended = True
        self._events.clear()
        self._connection.finish()

    def abort(self) -> None:
        """As `end`, at once: the device sees that something is missing."""
        self._ended = True
        self._connection.abort()

    def cut(self) -> None:
        """As `end`, but what waits to be sent need not arrive."""
        self._ended = True
        self._events.clear()
        self._connection.cut()

    def _advance(self) -> None:
        """Go on as far as the events, the mail server and the device allow."""
        events, turn = self._events, self._turn
        self._advancing = True
        while events and not self._ended:
            kind, value = events[0]
            if self.waits_for_answer or (kind == HEAD and self._client_full):
                break
            events.pop(0)
            if kind == HEAD:
                turn.begin(value)  # type: ignore[arg-type]  # the kind says so
            elif kind == BODY:
                turn.body(value)  # type: ignore[arg-type]  # the kind says so
            elif kind == END:
                turn.end()
            else:
                turn.bad_request(value)  # type: ignore[arg-type]  # the kind says so
        if turn.exchange is not None and turn.in_request:
            turn.exchange.advance()
        self._advancing = False
        if not self._ended:
            self._connection.settle(self._holds())

    def _repeat(self, head: RequestHead, body: bytes) -> None:
        """As `_advance`, for one whole request whose head was read before."""
        turn = self._turn
        self._advancing = True
        turn.begin(head)
        turn.whole(body)
        self._advancing = False
        if not self._ended:
            self._connection.settle(turn.full)

    def _holds(self) -> bool:
        """Whether enough has been read for now."""
        return self._turn.full or len(self._events) > _PIPELINED_EVENTS
