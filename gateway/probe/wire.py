"""The connection of a probing device: kept between requests as a phone does, and made anew."""

import asyncio
import re
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Final

from cryptography import x509
from yarl import URL

from gateway import __version__
from gateway.core.unreadable import UNREADABLE
from gateway.probe.channel import Channel, ChannelError, Endpoint, Handshake, open_channel
from gateway.probe.http_client import Response, ask
from gateway.probe.outcome import (
    ConnectionLost,
    Failure,
    HandshakeRefused,
    NoAnswer,
    Refused,
    ServerNotTrusted,
)
from gateway.probe.server_chain import chain_problems
from gateway.probe.target import ProbeIdentity, Target
from gateway.probe.transport import Answer, Call

_OK: Final = 200
_VERDICT_SECONDS: Final = 3.0
_REFERENCE_FIELD: Final = "X-Gateway-Reference"
_REFERENCE: Final = re.compile(r"[\w-]{4,64}")


class Wire:
    """Requests of one device to one target, over one connection at a time.

    Attributes:
        endpoint: where it connects.
        seconds: how long a connection and its handshake may take.
        last: the answer to the latest request; None if there was none.
        handshake: of the latest connection.
        is_gateway: an answer had this gateway's reference id.
    """

    def __init__(
        self, target: Target, address: str, identity: ProbeIdentity | None, seconds: float
    ) -> None:
        port = target.connect_to[1] if target.connect_to else target.port
        self.endpoint = Endpoint(address, port, target.host if target.tls else None)
        self._target = target
        self._identity = identity
        self.seconds = seconds
        self._stack = AsyncExitStack()
        self._channel: Channel | None = None
        self.last: Response | None = None
        self.is_gateway = False
        self._answered = False
        self._trusted: tuple[x509.Certificate, ...] = ()
        self.handshake = Handshake()

    async def connect(self) -> Failure | None:
        """A new connection with its handshake done; else why there is none."""
        await self.close()
        try:
            async with asyncio.timeout(self.seconds):
                await self._open()
        except ChannelError as error:
            return error.failure
        except TimeoutError:
            return NoAnswer(self.seconds)
        return None

    async def exchange(self, call: Call) -> Answer | Failure:
        """The answer, or why there is none; nothing is tried twice and no redirect is followed."""
        outcome = await self.request(call)
        if not isinstance(outcome, Response):
            return outcome
        if outcome.status == _OK:
            return Answer(outcome.headers, outcome.body)
        after = outcome.headers.get("Retry-After", "")
        return Refused(
            status=outcome.status,
            retry_after=int(after) if re.fullmatch("[0-9]{1,9}", after) else None,
            reference=reference_of(outcome),
        )

    async def request(self, call: Call) -> Response | Failure:
        """As `exchange`, with the answer whole, whatever its status."""
        self.last = None
        fresh = self._channel is None
        try:
            async with asyncio.timeout(call.seconds):
                channel = self._channel or await self._open_judged()
                head = self._head(call)
                response = await ask(channel, head, call.body, has_body=call.method != "HEAD")
        except TimeoutError:
            await self.close()
            return NoAnswer(call.seconds)
        except ChannelError as error:
            await self.close()
            if isinstance(error.failure, ConnectionLost) and not fresh:
                return await self.request(call)  # the server had ended the kept connection
            return await self._verdict(error.failure)
        self.last, self._answered = response, True
        self.is_gateway = self.is_gateway or reference_of(response) is not None
        if not response.keeps:
            await self.close()
        return response

    async def close(self) -> None:
        """There is no connection; the next request makes one."""
        self._channel = None
        await self._stack.aclose()

    async def _open(self) -> Channel:
        opening = open_channel(self.endpoint, self._identity, self.seconds)
        channel = await self._stack.enter_async_context(opening)
        self.handshake = channel.handshake
        await channel.shake_hands()
        self._channel = channel
        return channel

    async def _open_judged(self) -> Channel:
        """A connection to a server that a phone would trust: it may be another than before."""
        channel = await self._open()
        detail = self._distrusted(channel.handshake) if self._target.tls else None
        if detail is not None:
            raise ChannelError(ServerNotTrusted(f"on a further connection, {detail}"))
        return channel

    def _distrusted(self, seen: Handshake) -> str | None:
        if not seen.chain:
            return "the server showed no certificate that can be read"
        if seen.chain == self._trusted:
            return None
        target = self._target
        try:
            problems = chain_problems(seen.chain, target.host, target.trust, datetime.now(UTC))
            found = next((one.cause for one in problems if one.fatal), None)
        except UNREADABLE as error:
            found = f"the server's certificate cannot be read: {error}"
        self._trusted = seen.chain if found is None else ()
        return found

    async def _verdict(self, failure: Failure) -> Failure:
        """Why a connection was lost: in TLS 1.3 the alert about our certificate comes late.

        A request that is on its way when the server closes makes the alert be lost, so that a
        second connection waits for it without sending anything.
        """
        lost = isinstance(failure, ConnectionLost)
        if not (lost and self.handshake.requested) or self._answered:
            return failure
        try:
            async with asyncio.timeout(_VERDICT_SECONDS):
                channel = await self._open()
                if not await channel.receive():
                    return HandshakeRefused(None, "the server closed the connection after it")
        except ChannelError as error:
            return error.failure if isinstance(error.failure, HandshakeRefused) else failure
        except TimeoutError:
            return failure
        finally:
            await self.close()
        return failure

    def _head(self, call: Call) -> bytes:
        fields = {
            "Host": self._target.authority,
            "User-Agent": f"eas-gateway-probe/{__version__}",
            **dict(self._target.headers),
            **call.headers,
        }
        if call.body is not None:
            fields["Content-Length"] = str(len(call.body))
        lines = [f"{name}: {value}" for name, value in fields.items()]
        text = "\r\n".join([f"{call.method} {_in_request(call.url)} HTTP/1.1", *lines, "", ""])
        return text.encode("latin-1", "replace")


def _in_request(url: URL) -> str:
    return url.raw_path_qs


def reference_of(response: Response) -> str | None:
    """The id by which the gateway's log knows this answer, if it is the gateway's."""
    found = response.headers.get(_REFERENCE_FIELD, "")
    return found if _REFERENCE.fullmatch(found) else None
