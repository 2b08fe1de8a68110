"""The request of a connection that is under way: decided, passed on or answered here."""

import time
from collections.abc import Sequence

from gateway.core.decision import Deny
from gateway.core.headers import Header
from gateway.core.reasons import ANSWERS, Reason
from gateway.errors import RequestError, UpstreamError, UpstreamFullError
from gateway.proxy.admission import Admission
from gateway.proxy.answering import Answering
from gateway.proxy.answers import nothing_new, scattered
from gateway.proxy.connection import Connection
from gateway.proxy.exchange import Exchange
from gateway.proxy.heartbeat import SyncWait
from gateway.proxy.local import Asked, Discover, LocalAnswer, Outcome, PassOn, Reading, Responder
from gateway.proxy.messages import RequestHead
from gateway.proxy.owner import NOBODY, Owner
from gateway.proxy.redirect import redirect
from gateway.proxy.rewording import Rewording
from gateway.proxy.services import Services
from gateway.proxy.verdicts import Verdicts
from gateway.telemetry.counters import ALLOW

_DISCARD_LIMIT = 256 * 1024
"""Bytes of a refused request's body that are read to keep the connection for the next request."""

_TOO_LARGE = 413


class Turn(Answering):
    """One request after the other, in the same place.

    Attributes:
        began: when the request came, in `time.perf_counter` seconds.
        full: it comes faster than the mail server takes it.
    """

    __slots__ = ("_body_bytes", "_reading", "_sync_wait", "began", "exchange", "full")

    def __init__(
        self,
        owner: Owner,
        connection: Connection,
        services: Services,
        verdicts: Verdicts,
        admission: Admission,
    ) -> None:
        super().__init__(owner, connection, services, verdicts, admission)
        self._reading: Reading | None = None
        self._body_bytes = 0
        self._sync_wait = SyncWait()
        self.exchange: Exchange | None = None
        self.began = 0.0
        self.full = False

    @property
    def any_came(self) -> bool:
        """Whether there has been a request at all."""
        return self._head is not None

    def begin(self, head: RequestHead) -> None:
        """Take the head of a request, and decide."""
        self._head, self._route = head, None
        self._body_bytes = 0
        self._sync_wait.begin()
        self.full = False
        self.in_request = True
        try:
            ruling = self._admission.judge(head, self)
            self._route = self._admission.route
        except RequestError as error:
            self.bad_request(error)
            return
        if ruling is None:
            self._pass_on(head)
        elif isinstance(ruling, Deny | LocalAnswer):
            self._refuse(ruling)
        else:
            self._look_into(ruling, head)

    def body(self, data: bytes) -> None:
        """Take a part of its body."""
        self._body_bytes += len(data)
        exchange = self.exchange
        if self._reading is not None:
            self._read(self._reading, data)
        elif exchange is None:
            if self._body_bytes > _DISCARD_LIMIT:
                self._owner.end()
        elif error := self._verdicts.service.bodies.refuses(self._command, self._body_bytes):
            self.bad_request(error)
        else:
            if self._command == "Sync":
                self._sync_wait.add(data)
            exchange.body(data)

    def end(self) -> None:
        """The request is complete."""
        self.in_request = self._discarding = False
        exchange = self.exchange
        if exchange is not None:
            if self._may_wait():
                exchange.end()
                exchange.advance()
        elif self._reading is not None:
            self._has_been_read(self._reading)

    def whole(self, body: bytes) -> None:
        """As `body` and `end`, for a request that is there whole."""
        self.in_request = self._discarding = False
        exchange = self.exchange
        if exchange is not None:
            if self._may_wait(body):
                exchange.whole(body)
        elif self._reading is not None:
            self._read(self._reading, body)
            if self._reading is not None:
                self._has_been_read(self._reading)

    def bad_request(self, error: RequestError) -> None:
        """Answer a request that has no single meaning, and end: what follows it has none either."""
        if not self.in_request:
            self._head = self._route = None  # it is another one than those before it
        self._reject(error)

    def judge_again(self) -> None:
        """Go on if the device may still act, or else end at once.

        What the mail server was asked is called off. A request that has no part of its answer yet
        gets that of its denial; a transfer that is under way breaks off.
        """
        under_way = self.exchange is not None or self._reading is not None
        before = self._verdicts.mailbox_key
        if under_way and self._head is not None:
            ruling = self._admission.again(self._head)
            if ruling is None and self._verdicts.mailbox_key != before:
                ruling = Deny(Reason.USER_MISMATCH, f"it was asked for the mailbox {before}")
        else:
            verdict = self._verdicts.current(self._route)
            ruling = verdict if isinstance(verdict, Deny) else None
        if ruling is not None:
            self._cut(ruling)

    def late(self) -> None:
        """The time for the mail server's answer is over."""
        exchange = self.exchange
        if exchange is not None:
            exchange.abort()
            late = UpstreamError("no answer within upstream.response_timeout_seconds")
            self.failed(late, begun=exchange.answer_begun)

    def gone(self) -> None:
        """The device is gone."""
        self._stop_reading()
        self._abort_exchange()
        self._admission.allowance.close()
        self._owner = NOBODY

    def drain(self) -> None:
        """End with the answer that is owed; a held request gets it now."""
        if self.exchange is not None:
            self.exchange.end_connection()
            self._end_held()

    def superseded(self) -> None:
        """A newer Ping of the device is there; this connection, if it held one, likely is dead."""
        self._services.observer.counters.pings_ended += self._end_held()

    def _end_held(self) -> bool:
        """Whether the mail server holds the request, which is answered in its place then."""
        exchange = self.exchange
        if exchange is None or not exchange.unanswered or not self.is_held:
            return False
        unchanged = nothing_new(self._command, time.perf_counter() - self.began)
        if unchanged is None:
            return False
        self._abort_exchange()
        self._end_with(unchanged)
        return True

    # What the exchange asks for.

    def send(self, data: bytes) -> None:
        """Send a part of the answer."""
        self._connection.send(data)

    def response_fields(self, headers: list[Header]) -> list[Header]:
        """The fields that a device may see."""
        services = self._services
        return services.caps.narrow(services.response_filter(headers))

    def take_no_more(self, full: bool) -> None:  # noqa: FBT001 (on or off)
        """Whether the request comes faster than the mail server takes it."""
        self.full = full
        self._owner.filled()

    def answered(self, status: int, *, keep: bool, latency: float) -> None:
        """The whole answer is sent: on to the next request, or to the end."""
        self._take_exchange()
        self._services.observer.counters.observe_latency(latency)
        self._count(status)
        self._owner.answered(keep=keep)

    def failed(self, error: UpstreamError, *, begun: bool) -> None:
        """The mail server gave no answer, or not a whole one."""
        self._take_exchange()
        full = isinstance(error, UpstreamFullError)
        denial = Deny(Reason.OVERLOADED if full else Reason.UPSTREAM_UNAVAILABLE, str(error))
        if begun:
            self._services.observer.denied(denial, **self._verdicts.about(self._route))
            self._count(ANSWERS[denial.reason].status)
            self._owner.abort()
            return
        self.full = False
        self._refuse(denial)
        self._owner.go_on()

    def redirected(self, headers: Sequence[Header]) -> None:
        """The mail server says that another one has the mailbox."""
        self._take_exchange()
        self.full = False
        host = None if self._head is None else self._head.single.get(b"host")
        self._do(redirect(self._services, self._verdicts, headers, host))
        self._owner.go_on()

    def reworded(self, outcome: LocalAnswer | Deny) -> None:
        """What the device gets in place of the mail server's answer."""
        self._take_exchange()
        self._do(outcome)
        self._owner.go_on()

    def give_up(self) -> None:
        """End the exchange, of which nothing more is wanted."""
        if self.exchange is not None:
            self.exchange.abort()

    def _pass_on(self, head: RequestHead) -> None:
        self._services.observer.counters.decisions[ALLOW] += 1
        outgoing = self._admission.outgoing(head, self.began)
        outgoing.client_keeps = outgoing.client_keeps and not self._owner.last
        service = self._verdicts.service
        pools = service.hosts.order(self._verdicts.mailbox_key)
        self.exchange = Exchange(self, pools, service.buffered, outgoing)
        if self._body_bytes == 0:
            self._ask_for_body(head)

    def _look_into(self, responder: Responder, head: RequestHead) -> None:
        length = head.content_length or 0
        if responder.body_limit == 0:
            self._ask(responder, b"")
        elif length > responder.body_limit:
            self._is_too_large(responder)
        else:
            self._reading = Reading(responder)
            self._ask_for_body(head)

    def _read(self, reading: Reading, data: bytes) -> None:
        held = self._services.looked_into
        if held.held + len(data) > held.limit:
            self._stop_reading()
            self._refuse(Deny(Reason.OVERLOADED, f"{held.limit} bytes of requests are held"))
            return
        held.held += len(data)
        reading.add(data)
        if not reading.too_large:
            return
        self._stop_reading()
        self._is_too_large(reading.responder)
        if self.exchange is not None:
            for piece in reading.pieces:
                self.exchange.body(piece)

    def _is_too_large(self, responder: Responder) -> None:
        if responder.larger_passes:
            self._do(PassOn())
        else:
            limit = responder.body_limit
            self._reject(RequestError(f"the body is larger than {limit} bytes", _TOO_LARGE))

    def _has_been_read(self, reading: Reading) -> None:
        self._stop_reading()
        body = b"".join(reading.pieces)
        outcome = self._ask(reading.responder, body)
        exchange = self.exchange
        if exchange is not None and isinstance(outcome, PassOn) and self._may_wait(body):
            exchange.whole(body if outcome.body is None else outcome.body)

    def _may_wait(self, body: bytes = b"") -> bool:
        """Count a Sync that asks to be held; False, and it is refused: that is one too many.

        `body` is what has come since the last part.
        """
        if self._command != "Sync" or not self._sync_wait.end(body):
            return True
        denial = self._admission.allowance.hold()
        if denial is not None:
            self._abort_exchange()
            self._refuse(denial)
        return denial is None

    def _ask(self, responder: Responder, body: bytes) -> Outcome | None:
        """Do what the responder says about the request."""
        if self._head is None:
            raise AssertionError("there is a request to be answered")
        asked = Asked(
            head=self._head,
            request=self._admission.request,
            verdict=self._verdicts.current(self._route),
            about=self._verdicts.about(self._route),
            holder=self._verdicts,
            body=body,
        )
        try:
            outcome = responder.respond(asked)
        except RequestError as error:
            self._reject(error)
            return None
        self._do(outcome)
        return outcome

    def _do(self, outcome: Outcome) -> None:
        if isinstance(outcome, LocalAnswer | Deny):
            self._refuse(outcome)
        elif self._head is not None:
            # Something may have changed while the body came.
            ruling = self._admission.again(self._head)
            if ruling is not None:
                self._refuse(ruling)
            elif isinstance(outcome, Discover):
                self._discover(outcome)
            else:
                self._pass_on(self._head)

    def _discover(self, asked: Discover) -> None:
        self._services.observer.counters.decisions[ALLOW] += 1
        pools = self._verdicts.service.hosts.order(self._verdicts.mailbox_key)
        client, outgoing = Rewording(self, asked.reword), self._admission.discovery(self.began)
        self.exchange = exchange = Exchange(client, pools, None, outgoing)
        exchange.whole(asked.body)

    def _cut(self, ruling: Deny | LocalAnswer) -> None:
        self._stop_reading()
        exchange = self._abort_exchange()
        owed = exchange is not None or (self.in_request and not self._discarding)
        begun = exchange is not None and exchange.answer_begun
        if owed and not begun and self._answered_in_words(ruling):
            self._owner.go_on()  # such an answer tells the device what to do, on this connection
            return
        denial = ruling if isinstance(ruling, Deny) else ruling.denial
        if denial is None:
            raise AssertionError("who is cut off is denied something")
        answers = ANSWERS[denial.reason]
        about = self._verdicts.about(self._route if owed else None)
        reference = self._services.observer.denied(denial, **about)
        if begun:
            self._count(answers.status)
            self._owner.abort()
        elif owed:
            self._answer(answers.status, reference, close=True, retry_after=scattered())
        else:
            self._owner.cut()

    def _reject(self, error: RequestError) -> None:
        reference = self._services.observer.refused(
            error.status, str(error), **self._verdicts.about(self._route)
        )
        self._stop_reading()
        exchange = self._abort_exchange()
        if exchange is not None and exchange.answer_begun:
            self._owner.abort()
        elif self._discarding:
            self._owner.end()
        else:
            self._answer(error.status, reference, close=True)

    def _stop_reading(self) -> None:
        reading, self._reading = self._reading, None
        if reading is not None:
            self._services.looked_into.held -= reading.size

    def _abort_exchange(self) -> Exchange | None:
        """The exchange that was under way, for which nothing more is done."""
        exchange = self._take_exchange()
        if exchange is not None:
            exchange.abort()
        return exchange

    def _take_exchange(self) -> Exchange | None:
        """The exchange, which is this turn's no more."""
        exchange, self.exchange = self.exchange, None
        return exchange
