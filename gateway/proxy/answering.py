"""The gateway's own answers to the request that is under way."""

from http import HTTPStatus

from gateway.core.decision import Deny
from gateway.core.reasons import ANSWERS
from gateway.proxy.admission import Admission
from gateway.proxy.answers import CONTINUE, answer, scattered
from gateway.proxy.connection import Connection
from gateway.proxy.local import LocalAnswer, written
from gateway.proxy.messages import RequestHead
from gateway.proxy.owner import Owner
from gateway.proxy.refusals import in_schema
from gateway.proxy.routes import Route
from gateway.proxy.services import Services
from gateway.proxy.verdicts import Verdicts
from gateway.telemetry.audit import new_reference


class Answering:
    """A request, as far as its answer by the gateway depends on it.

    Attributes:
        in_request: its head has been taken, its end not yet.
    """

    __slots__ = (
        "_admission",
        "_connection",
        "_discarding",
        "_head",
        "_owner",
        "_route",
        "_services",
        "_verdicts",
        "in_request",
    )

    def __init__(
        self,
        owner: Owner,
        connection: Connection,
        services: Services,
        verdicts: Verdicts,
        admission: Admission,
    ) -> None:
        self._owner = owner
        self._connection = connection
        self._services = services
        self._verdicts = verdicts
        self._admission = admission
        self._head: RequestHead | None = None
        self._route: Route | None = None
        self._discarding = False  # the request is answered, and the rest of it is passed over
        self.in_request = False

    @property
    def is_held(self) -> bool:
        """Whether the mail server holds the answer back until something happens."""
        return self._admission.allowance.is_held

    def _ask_for_body(self, head: RequestHead) -> None:
        """The device may hold it back until it is asked for it (RFC 9110 section 10.1.1)."""
        if b"expect" in head.single and not self._owner.reads_ahead and not head.http_1_0:
            self._connection.send(CONTINUE)

    def _refuse(self, ruling: Deny | LocalAnswer) -> None:
        if self._answered_in_words(ruling) or isinstance(ruling, LocalAnswer):
            return
        answers = ANSWERS[ruling.reason]
        reference = self._services.observer.denied(ruling, **self._verdicts.about(self._route))
        self._discarding = self.in_request
        close = answers.close or self._must_close()
        later = ruling.retry_after or answers.retry_after
        self._answer(answers.status, reference, close=close, retry_after=later)

    def _answered_in_words(self, ruling: Deny | LocalAnswer) -> bool:
        """Whether the ruling has words of the command, which are the answer then."""
        if isinstance(ruling, Deny):
            local = in_schema(ruling, self._admission.request, self._services.caps.versions)
        else:
            local = ruling
        if local is not None:
            self._answer_here(local)
        return local is not None

    def _answer_here(self, local: LocalAnswer) -> None:
        fields = local.headers
        if local.denial is not None:
            about = self._verdicts.about(self._route)
            reference = self._services.observer.denied(local.denial, **about)
            fields += ((b"X-Gateway-Reference", reference.encode()),)
        self._discarding = self.in_request
        close = local.close or self._must_close()
        body = self._head is None or self._head.method != b"HEAD"
        self._count(local.status)
        self._connection.send(written(local, fields, close=close, body=body))
        if close:
            self._owner.end()

    def _must_close(self) -> bool:
        """Whether the connection cannot stay after an answer of the gateway's."""
        head = self._head
        unsent = self.in_request and head is not None and b"expect" in head.single
        return self._owner.last or head is None or not head.keep_alive or unsent

    def _answer(
        self, status: int, reference: str, *, close: bool, retry_after: int | None = None
    ) -> None:
        body = self._head is None or self._head.method != b"HEAD"
        self._count(status)
        self._connection.send(
            answer(status, reference, close=close, retry_after=retry_after, body=body)
        )
        if close:
            self._owner.end()

    def _end_with(self, unchanged: bytes) -> None:
        """End the connection of a held request, with `unchanged` where somebody takes over."""
        if self._services.puts_off:
            self._answer(
                HTTPStatus.SERVICE_UNAVAILABLE, new_reference(), close=True, retry_after=scattered()
            )
            return
        self._count(HTTPStatus.OK)
        self._connection.send(unchanged)
        self._owner.end()

    def _count(self, status: int) -> None:
        self._admission.allowance.end()
        self._services.observer.counters.count_request(self._command, status)

    @property
    def _command(self) -> str:
        return "" if self._route is None else self._route.command
