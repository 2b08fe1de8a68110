"""Whether one request of a connection is let in, and what the mail server is to see of it."""

from dataclasses import dataclass

from gateway.core.decision import Allow, Deny, judge_user
from gateway.core.eas import EasRequest
from gateway.core.reasons import Reason
from gateway.errors import RequestError
from gateway.limits.requests import Allowance, Asking
from gateway.proxy.device_gate import DeviceGate, Ruling
from gateway.proxy.local import LocalAnswer, Responder
from gateway.proxy.messages import RequestHead
from gateway.proxy.outgoing import Outgoing
from gateway.proxy.routes import Route
from gateway.proxy.services import Services
from gateway.proxy.upstreams import UpstreamService
from gateway.proxy.verdicts import Verdicts

_CONTINUE = b"100-continue"
_DISCOVERY_FIELDS = b"Content-Type: text/xml; charset=utf-8\r\nAccept: text/xml\r\n"
_MISDIRECTED = 421
_EXPECTATION_FAILED = 417


@dataclass(frozen=True, slots=True)
class _Sent:
    """The request that went to the mail server last, and all that its head was made of."""

    outgoing: Outgoing
    head: RequestHead
    route: Route
    service: UpstreamService
    credentials: bytes

    def is_made_of(
        self, head: RequestHead, route: Route, service: UpstreamService, credentials: bytes
    ) -> bool:
        """Whether the same comes out again."""
        return (
            head is self.head
            and route is self.route
            and service is self.service
            and credentials is self.credentials
        )


class Admission:
    """The requests of one connection, each judged by itself.

    Attributes:
        route: of the request judged last; None where it has none.
        request: what the query and the headers of that one say.
        allowance: what the requests take of the limits of device and mailbox.
    """

    __slots__ = (
        "_address",
        "_forwarded",
        "_gate",
        "_host",
        "_passed_edition",
        "_passed_head",
        "_passed_route",
        "_passed_ruling",
        "_sent",
        "_server_name",
        "_services",
        "_verdicts",
        "allowance",
        "request",
        "route",
    )

    def __init__(
        self, services: Services, verdicts: Verdicts, *, address: str, server_name: str | None
    ) -> None:
        self._services = services
        self._verdicts = verdicts
        self._server_name = server_name
        self._host: bytes | None = None
        self._sent: _Sent | None = None
        self._passed_head: RequestHead | None = None
        self._passed_edition = 0
        self._passed_route: Route | None = None
        self._passed_ruling: Responder | None = None
        self._gate = DeviceGate(services, verdicts)
        self.route: Route | None = None
        self.request = EasRequest()
        self.allowance = Allowance(services.node.requests)
        self._address = address
        self._forwarded = self._forwarded_fields()

    def judge(self, head: RequestHead, asking: Asking) -> Ruling:
        """A denial, an answer, or who is to look into the request; None: the mail server answers.

        What is let in counts as under way until `allowance` is told that it has ended. Raises
        RequestError for what has no meaning; else `route` and `request` are set, but for what is
        denied for want of a route.
        """
        if head is self._passed_head:
            verdict = self._verdicts.current(self._passed_route)
            if self._verdicts.edition == self._passed_edition and isinstance(verdict, Allow):
                self.route = self._passed_route
                self._check_length(head)
                return self._within_limits(verdict, asking) or self._passed_ruling
        self._passed_head = self.route = None
        ruling = self._read(head)
        verdict = self._verdicts.current(self.route)
        if isinstance(ruling, Deny | LocalAnswer) or isinstance(verdict, Deny):
            return ruling  # who looks into a denied request does so for nobody
        return self._within_limits(verdict, asking) or ruling

    def _read(self, head: RequestHead) -> Ruling:
        """As `judge`, for a head that was not there before, and but for limits."""
        host = head.single.get(b"host")
        if host != self._host:
            self._check_host(host)
        route = self._services.routes.find(head.method, head.target, host)
        known = route if isinstance(route, Route) else None
        verdict = self._verdicts.current(known)
        self.route = known
        self._check_length(head)
        if head.single.get(b"expect", _CONTINUE).lower() != _CONTINUE:
            raise RequestError("an unknown expectation", _EXPECTATION_FAILED)
        if known is not None:
            self.request = self._services.readings.request(known, head)
        return self._rule(head, route, verdict)

    def _within_limits(self, verdict: Allow, asking: Asking) -> Deny | None:
        """Count a request that was let in, or say why it is one too many."""
        route = self.route
        if route is None:
            raise AssertionError("an allowed request has a route")
        return self.allowance.begin(
            verdict.mailbox.key,
            self.request.device_id,
            asking,
            held=route.command == "Ping",  # whether a Sync is, its body says
            ping=route.command == "Ping",
        )

    def _rule(self, head: RequestHead, route: Route | Deny, verdict: Allow | Deny) -> Ruling:
        """As `judge`, for a request that has been read."""
        if isinstance(route, Deny):
            return verdict if isinstance(verdict, Deny) else route
        if route.responder is not None and route.responder.denied_too:
            return route.responder
        agent = head.single.get(b"user-agent")
        if isinstance(verdict, Deny):
            return self._gate.last_words(self.request, verdict, agent)
        ruling = judge_user(verdict.mailbox, self.request.user) or self._gate.rule(
            self.request, verdict, agent
        )
        if ruling is None or (isinstance(ruling, Responder) and not ruling.denied_too):
            ruling = self._policy(head) or ruling or route.responder
            ruling = ruling or self._services.bounds.get(route.command)
        if ruling is None or isinstance(ruling, Responder):
            self._passed_head, self._passed_edition = head, self._verdicts.edition
            self._passed_route, self._passed_ruling = route, ruling
        return ruling

    def again(self, head: RequestHead) -> Deny | LocalAnswer | None:
        """What is to be said now against the request judged last, which was let in then."""
        verdict = self._verdicts.current(self.route)
        agent = head.single.get(b"user-agent")
        if isinstance(verdict, Deny):
            ruling = self._gate.last_words(self.request, verdict, agent)
            return verdict if isinstance(ruling, Responder) else ruling
        return self._gate.against(self.request, verdict, agent)

    def _policy(self, head: RequestHead) -> Deny | None:
        return self._services.caps.judge(self.request) or self._authorization(head)

    def _authorization(self, head: RequestHead) -> Deny | None:
        """A name and password are no proof of anything here, and never reach the mail server."""
        if self._services.eas.authorization == "strip" or b"authorization" not in head.single:
            return None
        return Deny(
            Reason.AUTHORIZATION_NOT_ALLOWED,
            'the request has an Authorization, and eas.authorization = "refuse"',
        )

    def outgoing(self, head: RequestHead, began: float) -> Outgoing:
        """The request that was let in, as the mail server is to get it."""
        route, service = self.route, self._verdicts.service
        credentials, sent = self._verdicts.credentials, self._sent
        if route is None:
            raise AssertionError("an allowed request has a route")
        if sent is not None and sent.is_made_of(head, route, service, credentials):
            again = sent.outgoing
            again.length, again.client_keeps = head.content_length, head.keep_alive
            again.began = began
            return again
        if head.forwarded is None:
            fields = self._services.request_filter(head.headers)
            head.forwarded = b"\r\n".join((*map(b": ".join, fields), b""))
            head.headers = []  # the head may be remembered for long, and this is the most of it
        outgoing = Outgoing(
            head=b"".join(
                (
                    route.method,
                    route.path or service.path,
                    route.rest,
                    self._forwarded,
                    credentials,
                    head.forwarded,
                )
            ),
            length=head.content_length,
            retriable=head.method == b"OPTIONS",
            client_keeps=head.keep_alive,
            http_1_0=head.http_1_0,
            is_head=head.method == b"HEAD",
            is_activesync=route.path is None,
            began=began,
        )
        self._sent = _Sent(outgoing, head, route, service, credentials)
        return outgoing

    def discovery(self, began: float) -> Outgoing:
        """The gateway's own question to the mail server, for whom the request is let in."""
        path = self._verdicts.service.settings.autodiscover_path.encode("ascii")
        line = b"POST %b HTTP/1.1\r\n" % path
        return Outgoing(
            head=line + self._forwarded + self._verdicts.credentials + _DISCOVERY_FIELDS,
            length=None,
            retriable=False,
            client_keeps=True,
            http_1_0=True,  # the answer comes here without chunks
            began=began,
        )

    def _forwarded_fields(self) -> bytes:
        """For the mail server, whose own name is the Host.

        It needs none of the gateway's (no X-Forwarded-Host): ActiveSync answers hold no links to
        the server.
        """
        return f"X-Forwarded-For: {self._address}\r\nX-Forwarded-Proto: https\r\n".encode()

    def _check_length(self, head: RequestHead) -> None:
        length, route, bodies = head.content_length, self.route, self._verdicts.service.bodies
        if length and length > bodies.small and route is not None:
            error = bodies.refuses(route.command, length)
            if error is not None:
                raise error

    def _check_host(self, host: bytes | None) -> None:
        """Host is the name that TLS was asked for, where one was (RFC 9110 section 7.4)."""
        if host is not None:
            name = self._services.readings.host_name(host)
            if self._server_name is not None and name != self._server_name.lower().rstrip("."):
                raise RequestError("Host is not the server name of the handshake", _MISDIRECTED)
        self._host = host
