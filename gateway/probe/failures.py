"""Why a request of the probing device failed, in words."""

from typing import Final

from gateway.errors import CertificateError
from gateway.probe.alerts import Shown, is_about_certificate, refused_certificate, refused_handshake
from gateway.probe.http_client import Response
from gateway.probe.identity import facts_of, names_problem
from gateway.probe.outcome import (
    ConnectionLost,
    Failure,
    HandshakeRefused,
    NoAnswer,
    NotConnected,
    Refused,
    ServerNotTrusted,
    Unreadable,
)
from gateway.probe.state import State
from gateway.probe.statuses import http_problem, is_web_page
from gateway.probe.step import Problem
from gateway.probe.target import ProbeIdentity
from gateway.probe.wire import Wire
from gateway.probe.words import printable

_FORBIDDEN: Final = 403


def problem_of(
    failure: Failure, wire: Wire, state: State, identity: ProbeIdentity | None
) -> Problem:
    """The likely cause of a failure of a request that was made on `wire` as `identity`."""
    if isinstance(failure, Refused):
        return _refused(failure, wire, identity)
    if isinstance(failure, HandshakeRefused):
        if is_about_certificate(failure, wire.handshake):
            return refused_certificate(failure, wire.handshake, Shown(identity, state.clock()))
        return refused_handshake(failure)
    if isinstance(failure, Unreadable):
        return _unreadable(failure.detail, wire)
    return _unanswered(failure)


def _refused(failure: Refused, wire: Wire, identity: ProbeIdentity | None) -> Problem:
    if wire.last is None:
        return Problem(f"the server refuses (HTTP {failure.status})", "look at the server's log")
    return refusal_problem(wire.last, identity)


def refusal_problem(response: Response, identity: ProbeIdentity | None) -> Problem:
    """Why an answer other than 200 came; a name that lacks in the certificate explains a 403."""
    problem = http_problem(response)
    if identity is not None and response.status == _FORBIDDEN:
        try:
            nameless = names_problem(facts_of(identity))
        except CertificateError as error:
            return Problem(f"the device's certificate cannot be read: {error}", "issue a new one")
        if nameless is not None:
            cause = f"{nameless.cause}, so that it leads to no mailbox (403)"
            return Problem(cause, nameless.advice, reference=problem.reference)
    return problem


def _unanswered(
    failure: NoAnswer | NotConnected | ConnectionLost | ServerNotTrusted,
) -> Problem:
    if isinstance(failure, NoAnswer):
        cause = f"the server has the request and does not answer within {failure.seconds:g} s"
        return Problem(cause, "look at the mail server: is it overloaded, or does it hang?")
    if isinstance(failure, NotConnected):
        cause = f"no connection any more: {printable(failure.detail)}"
        return Problem(cause, "look at the server: has it ended?")
    if isinstance(failure, ServerNotTrusted):
        advice = "give every server behind this address a certificate that phones trust"
        return Problem(printable(failure.detail), advice)
    advice = "look at the server's log, and at proxies and load balancers in between"
    return Problem(printable(failure.detail), advice)


def _unreadable(detail: str, wire: Wire) -> Problem:
    if wire.last is not None and is_web_page(wire.last):
        cause = "the server answers a command with a web page"
        return Problem(cause, "correct the path; is a sign-in page or a portal in front of it?")
    cause = f"the answer is not what ActiveSync defines: {printable(detail)}"
    return Problem(
        cause, "look at what stands in front of the mail server: does it change answers?"
    )
