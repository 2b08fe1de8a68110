"""A mail server that sends a phone to another one (451, MS-ASHTTP section 3.1.5.2.2)."""

from collections.abc import Iterable
from typing import Final

from gateway.core.decision import Allow, Deny
from gateway.core.headers import Header
from gateway.core.location import own_url
from gateway.core.reasons import Reason
from gateway.errors import UpstreamError
from gateway.proxy.local import LocalAnswer
from gateway.proxy.services import Services
from gateway.proxy.verdicts import Verdicts

REDIRECT: Final = 451
_LOCATION = b"x-ms-location"
_PATH = b"/Microsoft-Server-ActiveSync"


def redirect(
    services: Services, verdicts: Verdicts, headers: Iterable[Header], host: bytes | None
) -> LocalAnswer | Deny:
    """What the phone gets for such an answer, which has `headers`; `host` is what it asked for.

    If the location is that of a mail server of the configuration, that one serves the mailbox from
    now on, and the phone is sent to the gateway, where it is already. Else nothing is changed, and
    the phone gets a denial: no other place is ever named to it.
    """
    verdict = verdicts.current(None)
    if isinstance(verdict, Deny):
        return verdict
    places = [value.decode("latin-1") for name, value in headers if name.lower() == _LOCATION]
    url = own_url(services.public_url, host)
    problem = _follow(services, verdicts, verdict, places)
    if problem is None and url is None:
        problem = "the phone named no Host, and gateway.public_url is not set"
    if problem is not None or url is None:
        name = verdicts.service.name
        detail = f"{name} sends {verdict.mailbox.upn} to another server (451): {problem}"
        return Deny(Reason.UPSTREAM_UNAVAILABLE, detail)
    return LocalAnswer(REDIRECT, ((b"X-MS-Location", url.encode("ascii") + _PATH),))


def _follow(
    services: Services, verdicts: Verdicts, verdict: Allow, places: list[str]
) -> str | None:
    """The mailbox is served by the server that is at `places`, or why it is not."""
    if len(places) != 1:
        return f"the answer has {len(places)} X-MS-Location fields"
    upstreams, mailbox, before = services.upstreams, verdict.mailbox, verdicts.service
    to = upstreams.find(places[0])
    if to is None:
        return f"{places[0]!r} is at no [[upstream]]; if it should be, add it to locations of one"
    if to is before:
        return f"{places[0]!r} is that server itself"
    try:
        is_known = upstreams.of(mailbox) is to  # another connection has learnt it
    except UpstreamError:
        is_known = False
    if not is_known and not upstreams.move(mailbox, to):
        return f"{places[0]!r} is the second place within a minute"
    try:
        verdicts.reroute(to, mailbox)
    except UpstreamError as error:
        return str(error)
    if not is_known:
        services.observer.routed(mailbox, before.name, to.name)
    return None
