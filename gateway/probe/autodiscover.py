"""Autodiscover of the endpoint itself, in both forms: would a phone be led here?"""

from collections.abc import Callable
from typing import Final
from urllib.parse import quote, urlsplit

from gateway.core.autodiscover import write_question
from gateway.errors import RequestError
from gateway.probe.autodiscover_answer import Discovered, read_json, read_xml
from gateway.probe.failures import problem_of
from gateway.probe.http_client import Response
from gateway.probe.state import State
from gateway.probe.step import Result, failed, fine, skipped, warning
from gateway.probe.transport import Call
from gateway.probe.wire import reference_of
from gateway.probe.words import place, printable

_XML_PATH: Final = "/autodiscover/autodiscover.xml"
_JSON_PATH: Final = "/autodiscover/autodiscover.json"
_OK: Final = 200
_ABSENT: Final = (404, 405, 501)
_NOT_NEEDED: Final = "fine if the phones' profile names the host; else serve Autodiscover there"
_NO_ADDRESS: Final = "there is no mail address to ask for: give --email"


async def xml(state: State) -> Result:
    """The question in XML (MS-ASCMD 2.2.1.1)."""
    if state.target.email is None:
        return skipped(_NO_ADDRESS)
    question = write_question(state.target.email)
    call = state.call("POST", _XML_PATH, question, Content_Type="text/xml")
    return await _ask(state, call, read_xml)


async def json(state: State) -> Result:
    """The second version's question."""
    if state.target.email is None:
        return skipped(_NO_ADDRESS)
    query = f"Email={quote(state.target.email, safe='')}&Protocol=ActiveSync&RedirectCount=1"
    return await _ask(state, state.call("GET", f"{_JSON_PATH}?{query}"), read_json)


async def _ask(state: State, call: Call, read: Callable[[bytes], Discovered]) -> Result:
    wire = state.connected()
    outcome = await wire.request(call)
    if not isinstance(outcome, Response):
        return Result(problems=(problem_of(outcome, wire, state, state.target.identity),))
    if outcome.status in _ABSENT:
        return fine(f"not served here ({outcome.status}): phones need the host in their profile")
    if outcome.status != _OK:
        cause = f"{call.url.path} answers with HTTP {outcome.status} in place of Autodiscover"
        return warning(cause, _NOT_NEEDED, reference=reference_of(outcome))
    try:
        return _judge(state, read(outcome.body))
    except RequestError as error:
        cause = f"{call.url.path} answers with no Autodiscover: {error}"
        return warning(cause, _NOT_NEEDED)


def _judge(state: State, found: Discovered) -> Result:
    if found.error is not None:
        cause = f"Autodiscover knows no answer (error {printable(found.error, 40)})"
        return warning(cause, "is the mail address right, and its mailbox on this server?")
    if found.redirect is not None:
        cause = f"Autodiscover redirects to the address {printable(found.redirect)}"
        return warning(cause, "is that address's domain served by the same host?")
    url = found.url or ""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        host = ""
    if host.lower() != state.target.host.lower():
        cause = f"Autodiscover leads phones elsewhere: to {place(url)}"
        return failed(cause, f"have it answer https://{state.target.authority}{state.target.path}")
    return fine(f"leads to {place(url)}")
