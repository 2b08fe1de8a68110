"""The requests of one connection, one after the other: decide, pass on, answer."""

import time
from http import HTTPStatus

from gateway.core.decision import Deny
from gateway.core.headers import Header
from gateway.core.reasons import ANSWERS, Reason
from gateway.errors import RequestError, UpstreamError, UpstreamFullError
from gateway.proxy.admission import Admission
from gateway.proxy.answers import CONTINUE, answer, nothing_new, scattered
from gateway.proxy.connection import Connection
from gateway.proxy.exchange import Exchange
from gateway.proxy.messages import BODY, END, HEAD, RequestEvent, RequestHead
from gateway.proxy.reader import RequestReader
from gateway.proxy.routes import Route
from gateway.proxy.services import Services
from gateway.proxy.verdicts import Verdicts
from gateway.telemetry.counters import ALLOW

_DISCARD_LIMIT = 256 * 1024
"""Bytes of a refused request's body that are read to keep the connection for the next request."""

_PIPELINED_EVENTS = 16
"""How much of further requests is read while an answer is awaited: enough to notice that a device
has gone, unless it had sent more than this ahead. Then the time limit of the answer ends it."""

_TOO_LARGE = 413


class Dialogue:
    """Requests in, answers out, in order (RFC 9112 section 9.3.2)."""

    __slots__ = (
        "_admission",
        "_advancing",
        "_began",
        "_body_bytes",
        "_client_full",
        "_connection",
        "_discarding",
        "_ended",
        "_events",
        "_exchange",
        "_full",
        "_head",
        "_in_request",
        "_last",
        "_pool",
        "_reader",
        "_route",
        "_services",
        "_verdicts",
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
        self._admission = Admission(services, verdicts, address=address, server_name=server_name)
        self._renew()
        self._events: list[RequestEvent] = []  # a deque takes 700 bytes while it is empty
        self._exchange: Exchange | None = None
        self._head: RequestHead | None = None
        self._route: Route | None = None
        self._began = 0.0
        self._body_bytes = 0
        self._in_request = False  # the head has been taken, the end not yet
        self._discarding = False  # the request is answered, and the rest of it is passed over
        self._advancing = False
        self._full = False
        self._client_full = False
        self._ended = False
        self._last = False

    def _renew(self) -> None:
        """Go by the configuration of now: at the beginning, and when it is another one."""
        self._pool = self._services.pool
        self._reader = RequestReader(self._services.limits)

    @property
    def verdicts(self) -> Verdicts:
        """Who the device is, and whether it may act."""
        return self._verdicts

    @property
    def waits_for_answer(self) -> bool:
        """Whether a whole request is with the mail server."""
        return self._exchange is not None and self._exchange.request_ended

    @property
    def in_body(self) -> bool:
        """Whether the body of a request is still coming."""
        return self._in_request

    @property
    def in_head(self) -> bool:
        """Whether the head of a request is still coming."""
        return self._reader.in_head

    def receive(self, data: bytes) -> None:
        """Take plain text from the device."""
        if self._ended:
            return
        self._began = time.perf_counter()
        if self._exchange is None and not (self._events or self._in_request or self.in_head):
            if self._pool is not self._services.pool:
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
        exchange = self._exchange
        if exchange is not None and exchange.request_ended:
            exchange.abort()
            late = UpstreamError("no answer within upstream.response_timeout_seconds")
            self.failed(late, begun=exchange.answer_begun)
        elif self.in_head or self.in_body:
            self._bad_request(RequestError("the request did not come to its end in time", 408))
        else:
            self._end()

    def gone(self) -> None:
        """The device is gone."""
        self._ended = True
        exchange = self._take_exchange()
        if exchange is not None:
            exchange.abort()

    def drain(self) -> None:
        """End after the answer that is owed, or now if none is; may be called again and again.

        A Ping or Sync that the mail server holds is answered here: it may wait for an hour, and
        the device asks again at once. A device that has not asked anything yet is about to.
        """
        self._last = True
        exchange = self._exchange
        if exchange is not None:
            exchange.end_connection()
            unchanged = None
            if exchange.unanswered and self._route is not None:
                waited = time.perf_counter() - self._began
                unchanged = nothing_new(self._route.command, waited)
            if unchanged is not None:
                self._take_exchange()
                exchange.abort()
                self._count(HTTPStatus.OK)
                self._connection.send(unchanged)
                self._end()
        elif self._head is not None and not (self._events or self._in_request or self.in_head):
            self._end()

    def judge_again(self) -> None:
        """Something changed: go on if the device may still act, or else end at once.

        What the mail server was asked is called off. A request that has no part of its answer yet
        gets that of its denial; a transfer that is under way breaks off.
        """
        if self._ended or not self._verdicts.allows:
            return
        verdict = self._verdicts.current(self._route)
        if isinstance(verdict, Deny):
            self._cut(verdict)

    def _cut(self, denial: Deny) -> None:
        exchange = self._take_exchange()
        if exchange is not None:
            exchange.abort()
        owed = exchange is not None or (self._in_request and not self._discarding)
        begun = exchange is not None and exchange.answer_begun
        answers = ANSWERS[denial.reason]
        about = self._verdicts.about(self._route if owed else None)
        reference = self._services.observer.denied(denial, **about)
        if begun:
            self._count(answers.status)
            self._ended = True
            self._connection.abort()
        elif owed:
            later = scattered(answers.retry_after)
            self._answer(answers.status, reference, close=True, retry_after=later)
        else:
            self._ended = True
            self._events.clear()
            self._connection.cut()

    def client_full(self, full: bool) -> None:  # noqa: FBT001 (on or off)
        """Whether the device reads too slowly; no further request is begun while it does."""
        self._client_full = full
        if self._exchange is not None:
            self._exchange.client_full(full)
        elif not full and not self._advancing:
            self._advance()

    # What the exchange asks for.

    def send(self, data: bytes) -> None:
        """Send a part of the answer."""
        self._connection.send(data)

    def response_fields(self, headers: list[Header]) -> list[Header]:
        """The fields that a device may see."""
        return self._services.response_filter(headers)

    def take_no_more(self, full: bool) -> None:  # noqa: FBT001 (on or off)
        """Whether the request comes faster than the mail server takes it."""
        self._full = full
        self._connection.hold(self._holds())

    def answered(self, status: int, *, keep: bool, latency: float) -> None:
        """The whole answer is sent: on to the next request, or to the end."""
        self._take_exchange()
        self._services.observer.counters.observe_latency(latency)
        self._count(status)
        if self._last or not keep:
            self._end()
        elif self._events and not self._advancing:
            self._began = time.perf_counter()
            self._advance()
        elif not self._advancing:
            self._connection.settle(self._full)

    def failed(self, error: UpstreamError, *, begun: bool) -> None:
        """The mail server gave no answer, or not a whole one."""
        self._take_exchange()
        full = isinstance(error, UpstreamFullError)
        denial = Deny(Reason.OVERLOADED if full else Reason.UPSTREAM_UNAVAILABLE, str(error))
        if begun:
            self._services.observer.denied(denial, **self._verdicts.about(self._route))
            self._count(ANSWERS[denial.reason].status)
            self._ended = True
            self._connection.abort()
            return
        self._full = False
        self._refuse(denial)
        if not self._advancing:
            self._advance()

    def _advance(self) -> None:
        """Go on as far as the events, the mail server and the device allow."""
        events = self._events
        self._advancing = True
        while events and not self._ended:
            exchange = self._exchange
            kind, value = events[0]
            if (exchange is not None and exchange.request_ended) or (
                kind == HEAD and self._client_full
            ):
                break
            events.pop(0)
            if kind == HEAD:
                self._begin(value)  # type: ignore[arg-type]  # the kind says so
            elif kind == BODY:
                self._body(value)  # type: ignore[arg-type]  # the kind says so
            elif kind == END:
                self._in_request = self._discarding = False
                if exchange is not None:
                    exchange.end()
                    exchange.advance()
            else:
                self._bad_request(value)  # type: ignore[arg-type]  # the kind says so
        if self._exchange is not None and self._in_request:
            self._exchange.advance()
        self._advancing = False
        if not self._ended:
            self._connection.settle(self._holds())

    def _repeat(self, head: RequestHead, body: bytes) -> None:
        """As `_advance`, for one whole request whose head was read before."""
        self._advancing = True
        self._begin(head)
        self._in_request = self._discarding = False
        exchange = self._exchange
        if exchange is not None:
            exchange.whole(body)
        self._advancing = False
        if not self._ended:
            self._connection.settle(self._full)

    def _holds(self) -> bool:
        """Whether enough has been read for now."""
        return self._full or len(self._events) > _PIPELINED_EVENTS

    def _begin(self, head: RequestHead) -> None:
        self._head = head
        self._route = None
        self._body_bytes = 0
        self._full = False
        self._in_request = True
        try:
            denial = self._admission.judge(head)
            self._route = self._admission.route
        except RequestError as error:
            self._bad_request(error)
            return
        if denial is not None:
            self._refuse(denial)
            return
        self._services.observer.counters.decisions[ALLOW] += 1
        self._pass_on(head)

    def _pass_on(self, head: RequestHead) -> None:
        services = self._services
        outgoing = self._admission.outgoing(head, self._began)
        outgoing.client_keeps = outgoing.client_keeps and not self._last
        self._exchange = Exchange(self, services.pool, services.buffered, outgoing)
        if self._route is not None and self._route.held:
            services.observer.counters.held_requests += 1
        if b"expect" in head.single and not self._events and not head.http_1_0:
            # The device holds the body back until it is asked for it (RFC 9110 section 10.1.1).
            self._connection.send(CONTINUE)

    def _body(self, data: bytes) -> None:
        self._body_bytes += len(data)
        exchange = self._exchange
        if exchange is None:
            if self._body_bytes > _DISCARD_LIMIT:
                self._end()
        elif self._body_bytes > self._services.body_limit:
            limit = self._services.body_limit
            self._bad_request(RequestError(f"the body is larger than {limit} bytes", _TOO_LARGE))
        else:
            exchange.body(data)

    def _refuse(self, denial: Deny) -> None:
        head, answers = self._head, ANSWERS[denial.reason]
        reference = self._services.observer.denied(denial, **self._verdicts.about(self._route))
        self._discarding = self._in_request
        close = (
            answers.close
            or self._last
            or head is None
            or not head.keep_alive
            or b"expect" in head.single
        )
        self._answer(answers.status, reference, close=close, retry_after=answers.retry_after)

    def _bad_request(self, error: RequestError) -> None:
        """Answer a request that has no single meaning, and end: what follows it has none either."""
        if not self._in_request:
            self._head = self._route = None  # it is another one than those before it
        reference = self._services.observer.refused(
            error.status, str(error), **self._verdicts.about(self._route)
        )
        exchange = self._take_exchange()
        if exchange is not None:
            exchange.abort()
        if exchange is not None and exchange.answer_begun:
            self._ended = True
            self._connection.abort()
        elif self._discarding:
            self._end()
        else:
            self._answer(error.status, reference, close=True)

    def _answer(
        self, status: int, reference: str, *, close: bool, retry_after: int | None = None
    ) -> None:
        body = self._head is None or self._head.method != b"HEAD"
        self._count(status)
        self._connection.send(
            answer(status, reference, close=close, retry_after=retry_after, body=body)
        )
        if close:
            self._end()

    def _end(self) -> None:
        self._ended = True
        self._events.clear()
        self._connection.finish()

    def _count(self, status: int) -> None:
        command = "" if self._route is None else self._route.command
        self._services.observer.counters.count_request(command, status)

    def _take_exchange(self) -> Exchange | None:
        """The exchange, which is this dialogue's no more."""
        exchange, self._exchange = self._exchange, None
        if exchange is not None and self._route is not None and self._route.held:
            self._services.observer.counters.held_requests -= 1
        return exchange
