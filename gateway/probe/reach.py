"""The first two steps: the host's name has addresses, and something listens there."""

import asyncio
import errno
import socket
from typing import Final

from gateway.probe.channel import ChannelError, Endpoint, is_address, open_channel
from gateway.probe.outcome import NoAnswer
from gateway.probe.step import Problem, Result, failed, fine
from gateway.probe.target import Target
from gateway.probe.words import listed

_MOST_ADDRESSES: Final = 8
_LATER: Final = (socket.EAI_AGAIN, socket.EAI_FAIL)


async def resolve(target: Target, seconds: float) -> tuple[Result, tuple[str, ...]]:
    """The addresses of the host, as this machine's resolver gives them."""
    host, port = target.connect_to or (target.host, target.port)
    if is_address(host):
        why = "given in place of what DNS says" if target.connect_to else "the host is an address"
        return fine(f"{host}: {why}"), (host,)
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(seconds):
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except TimeoutError:
        cause = f"DNS did not answer about {host} within {seconds:g} s"
        return failed(cause, "make the name server of this network reachable"), ()
    except (OSError, UnicodeError) as error:
        return _unknown(host, error), ()
    addresses = tuple(dict.fromkeys(str(entry[4][0]) for entry in found))[:_MOST_ADDRESSES]
    return fine(f"{host} is {listed(addresses)}"), addresses


def _unknown(host: str, error: Exception) -> Result:
    if isinstance(error, socket.gaierror) and error.errno in _LATER:
        cause = f"DNS could not be asked about {host}: {error.strerror}"
        advice = "make the name server reachable; if it is, the name may have no zone"
        return failed(cause, advice)
    words = error.strerror if isinstance(error, OSError) else str(error)
    cause = f"the host name {host} has no address in DNS: {words}"
    return failed(cause, "correct the host name in the profile, or add it to DNS")


async def connect(
    target: Target, addresses: tuple[str, ...], seconds: float
) -> tuple[Result, str | None]:
    """Every address is tried; the first one that takes a connection is the one to use."""
    port = target.connect_to[1] if target.connect_to else target.port
    refusals: dict[str, ChannelError] = {}
    reached: list[str] = []
    for address in addresses:
        try:
            async with open_channel(Endpoint(address, port, None), None, seconds):
                reached.append(address)
        except ChannelError as error:
            refusals[address] = error
    problems = [_problem(address, port, error) for address, error in refusals.items()]
    if not reached:
        return Result(problems=tuple(problems)), None
    tolerable = [
        Problem(f"{one.cause}; phones that try it first wait or fail", one.advice, fatal=False)
        for one in problems
    ]
    learnt = (f"{listed(reached)} port {port} takes connections",)
    return Result(learnt, tuple(tolerable)), reached[0]


def _problem(address: str, port: int, error: ChannelError) -> Problem:
    where = f"{address} port {port}"
    if isinstance(error.failure, NoAnswer):
        cause = f"{where} does not answer at all (no reply within {error.failure.seconds:g} s)"
        advice = "let the firewall pass that port, or correct the address: nothing came back"
        return Problem(cause, advice)
    number = error.__cause__.errno if isinstance(error.__cause__, OSError) else None
    if number == errno.ECONNREFUSED:
        cause = f"nothing listens on {where}: the connection was refused"
        return Problem(cause, "start the server, or correct the port; a firewall may refuse, too")
    if number in {errno.ENETUNREACH, errno.EHOSTUNREACH}:
        cause = f"there is no way to {where} from here: {error}"
        return Problem(cause, "correct the route, or the address in DNS")
    return Problem(f"no connection to {where}: {error}", "look at the network between here and it")
