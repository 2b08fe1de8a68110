"""The clock of this machine against the server's: a wrong one makes right certificates wrong."""

import asyncio
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

from cryptography import x509

from gateway.errors import CertificateError
from gateway.probe.channel import ChannelError, Handshake, open_channel
from gateway.probe.http_client import Response, ask
from gateway.probe.state import State
from gateway.probe.step import Result, failed, fine, skipped, warning
from gateway.probe.words import moment

_SKEW: Final = timedelta(minutes=2)


async def compare(state: State) -> Result:
    """Ask the server for its time, with nothing in the request but host and path.

    A difference fails where it decides whether one of the certificates is valid.
    """
    seen = Handshake()
    try:
        async with asyncio.timeout(state.plan.timeout):
            theirs = await _server_time(state, seen)
    except (ChannelError, CertificateError, TimeoutError):
        theirs = None
    now = state.clock()
    if theirs is None:
        return skipped("the server tells no time to a request without a user")
    apart = abs(theirs - now)
    if apart < _SKEW:
        return fine(f"{round(apart.total_seconds())} s apart from the server's")
    words = f"here it is {moment(now)}, at the server {moment(theirs)}"
    own = () if state.target.identity is None else (state.target.identity.certificate,)
    advice = "set the clock that is wrong, best by NTP"
    if any(_validity_differs(one, now, theirs) for one in (*own, *seen.chain)):
        cause = f"a clock is wrong, so that a certificate is outside its validity: {words}"
        return failed(cause, f"{advice}; what else is found below may come of it")
    return warning(f"the clocks are apart: {words}", advice)


async def _server_time(state: State, seen: Handshake) -> datetime | None:
    target, endpoint = state.target, state.connected().endpoint
    head = (
        f"OPTIONS {target.path} HTTP/1.1\r\nHost: {target.authority}\r\nConnection: close\r\n\r\n"
    )
    async with open_channel(endpoint, target.identity, state.plan.timeout) as channel:
        try:
            await channel.shake_hands()
            return server_time(await ask(channel, head.encode(), None, has_body=True))
        finally:
            seen.chain = channel.handshake.chain


def server_time(response: Response) -> datetime | None:
    """What the Date field says (RFC 9110 section 6.6.1)."""
    try:
        found = parsedate_to_datetime(response.headers.get("Date", ""))
    except ValueError:
        return None
    return found if found.tzinfo is not None else None


def _validity_differs(certificate: x509.Certificate, *moments: datetime) -> bool:
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return len({begins <= at <= ends for at in moments}) > 1
