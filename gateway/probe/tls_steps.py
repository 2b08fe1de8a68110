"""The TLS steps: the handshake, the server's certificate, and what it asks the phone for."""

import asyncio
from datetime import datetime
from typing import Final

from gateway.core.unreadable import UNREADABLE
from gateway.probe.alerts import is_about_certificate, not_among, refused_handshake
from gateway.probe.channel import ChannelError, Endpoint, Handshake, open_channel
from gateway.probe.identity import key_text
from gateway.probe.outcome import Failure, HandshakeRefused, NoAnswer
from gateway.probe.server_chain import chain_problems
from gateway.probe.step import Problem, Result, failed, fine, skipped
from gateway.probe.target import ProbeIdentity, Target
from gateway.probe.wire import Wire
from gateway.probe.words import issuer_of, listed, moment, name_of, printable

_OTHER_PROTOCOLS: Final = (
    (b"HTTP/", "plain HTTP"),
    (b"<", "plain HTTP"),
    (b"220", "SMTP or FTP"),
    (b"* OK", "IMAP"),
    (b"+OK", "POP3"),
    (b"SSH-", "SSH"),
)
_GREETING_SECONDS: Final = 3.0


async def shake_hands(target: Target, wire: Wire, now: datetime) -> Result:
    """TLS with the server; whether it liked our certificate is the business of a later step."""
    if not target.tls:
        cause = "there is no TLS at an http:// address, so that no certificate can be shown"
        return Result(problems=(Problem(cause, "use https; this is for tests alone", fatal=False),))
    failure = await wire.connect()
    seen = wire.handshake
    if failure is not None and not _reached_certificate(failure, seen):
        return await _no_tls(target, wire, failure)
    learnt = [f"{seen.version}, {seen.cipher}"] if seen.version else []
    if not seen.chain:
        return failed("the server showed no certificate", "give the server one", *learnt)
    leaf = seen.chain[0]
    try:
        learnt += [
            f"server certificate: {name_of(leaf)}, issued by {issuer_of(leaf)}",
            f"valid until {moment(leaf.not_valid_after_utc)}, key {key_text(leaf)}",
            f"certificates sent: {len(seen.chain)}",
        ]
        problems = tuple(chain_problems(seen.chain, target.host, target.trust, now))
    except UNREADABLE as error:
        cause = f"the server's certificate cannot be read: {printable(str(error))}"
        return failed(cause, "issue a new one", *learnt)
    return Result(tuple(learnt), problems)


def _reached_certificate(failure: Failure, seen: Handshake) -> bool:
    return (
        isinstance(failure, HandshakeRefused)
        and bool(seen.chain)
        and is_about_certificate(failure, seen)
    )


async def _no_tls(target: Target, wire: Wire, failure: Failure) -> Result:
    spoken = _protocol(wire.handshake.first)
    if spoken is None and not wire.handshake.chain:
        spoken = await _greeting(target, wire)
    if spoken is not None:
        cause = f"port {target.port} speaks {spoken} and no TLS"
        return failed(cause, "correct the port, or turn on TLS on it: phones need https")
    if isinstance(failure, HandshakeRefused):
        return Result(problems=(refused_handshake(failure),))
    if isinstance(failure, NoAnswer):
        cause = f"the server takes the connection and says nothing for {failure.seconds:g} s"
        advice = "is this port a TLS one, and has a load balancer in front a server behind it?"
        return failed(cause, advice)
    return failed(f"the TLS handshake failed: {failure}", "look at the server's log")


def _protocol(first: bytes) -> str | None:
    return next((name for start, name in _OTHER_PROTOCOLS if first.startswith(start)), None)


async def _greeting(target: Target, wire: Wire) -> str | None:
    """What a server speaks that does not answer a TLS greeting with a TLS one."""
    endpoint = Endpoint(wire.endpoint.address, wire.endpoint.port, None)
    seconds = min(_GREETING_SECONDS, wire.seconds)
    try:
        async with asyncio.timeout(seconds), open_channel(endpoint, None, seconds) as channel:
            line = f"OPTIONS {target.path} HTTP/1.1\r\nHost: {target.authority}\r\n"
            await channel.send(f"{line}Connection: close\r\n\r\n".encode())
            return _protocol(await channel.receive())
    except (ChannelError, TimeoutError):
        return None


def certificate_request(target: Target, identity: ProbeIdentity | None, seen: Handshake) -> Result:
    """Whether the server asks for a certificate, and for one of ours."""
    if not target.tls:
        return skipped("there is no TLS")
    if not seen.requested:
        cause = "the server does not ask for a client certificate, so that no phone offers one"
        advice = (
            "have it demand one in the handshake (nginx: ssl_verify_client on; IIS: Require, with"
            " client certificates negotiated at once); if a load balancer ends TLS in front, let it"
            " pass TLS through"
        )
        return failed(cause, advice)
    if not seen.issuers:
        return fine("the server asks for a certificate, of whichever CA")
    learnt = f"the server asks for a certificate of: {listed(seen.issuer_names)}"
    if identity is None or not not_among(identity, seen):
        return fine(learnt)
    cause = f"ours is of {issuer_of(identity.certificate)}, which the server does not ask for"
    advice = "issue the certificate from one of those CAs, or make its CA known to the server"
    return Result((learnt,), (Problem(f"{cause}: phones offer none then", advice, fatal=False),))
