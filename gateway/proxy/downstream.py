"""The connection of one device: bytes and TLS, time limits, its beginning and its end."""

import asyncio
import time
from enum import Enum
from typing import Protocol, cast

from gateway.limits.arrivals import Arrival, Refusal
from gateway.proxy.dialogue import Dialogue
from gateway.proxy.index import Key
from gateway.proxy.opening import Opening, is_trusted
from gateway.proxy.services import Services
from gateway.proxy.verdicts import Verdicts
from gateway.tls.client_hello import offers_ticket
from gateway.tls.proxy_protocol import ProxyProtocolError
from gateway.tls.session import HandshakeFailure, TlsSession

_LINGER_SECONDS = 5.0
"""How long the device may read nothing of the last answer before its connection is cut."""

_HALF_CLOSED_SECONDS = 5.0
"""How long an answer is waited for after the device said that it sends no more. Most that say so
are gone; a held Ping must not keep the mail server busy for them."""


_DOUBTFUL_SECONDS = 3.0
"""How long the handshake of an unknown phone may take while there is too much to do."""


class _Phase(Enum):
    """What a connection waits for; each has its own time limit."""

    HANDSHAKE = "handshake"
    IDLE = "idle"
    HEAD = "head"
    BODY = "body"
    ANSWER = "answer"
    HALF_CLOSED = "half closed"
    LINGER = "linger"


# Looked up at each request: the names of an enumeration's class are slow in Python 3.11.
_HANDSHAKE = _Phase.HANDSHAKE
_IDLE = _Phase.IDLE
_HEAD = _Phase.HEAD
_BODY = _Phase.BODY
_ANSWER = _Phase.ANSWER
_HALF_CLOSED = _Phase.HALF_CLOSED
_LINGER = _Phase.LINGER


_DRAIN_SECONDS = {
    _Phase.HANDSHAKE: 3.0,
    _Phase.IDLE: 3.0,
    _Phase.HEAD: 3.0,
    _Phase.LINGER: 1.0,
}
"""How long a device may take for these when the worker is about to end."""


class Home(Protocol):
    """Whose connections these are."""

    def file(self, connection: "Downstream", keys: tuple[Key, ...]) -> None:
        """From now on find `connection` under `keys`."""

    def gone(self, connection: "Downstream") -> None:
        """A connection has ended; said once of each."""


class Downstream(asyncio.Protocol):
    """One TCP connection of a device."""

    __slots__ = (
        "_address",
        "_arrival",
        "_dialogue",
        "_held",
        "_home",
        "_opening",
        "_phase",
        "_services",
        "_tls",
        "_transport",
        "_unsent",
        "_writes_stuck_since",
        "deadline",
    )

    def __init__(self, services: Services, home: Home) -> None:
        self._services = services
        self._home = home
        self._arrival = Arrival(services.node.arrivals)
        self._opening: Opening | None = None  # until the handshake is done
        self._tls: TlsSession | None = None
        self._dialogue: Dialogue | None = None
        self._transport: asyncio.Transport | None = None
        self._address = ""
        self._held = False
        self._writes_stuck_since = 0.0
        self._unsent = 0  # bytes that the device had not taken when that was last looked at
        self._phase = _HANDSHAKE
        self.deadline = float("inf")  # monotonic seconds; none before the connection is made

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The device has connected."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's has no common base class
        peer = transport.get_extra_info("peername")
        self._address = str(peer[0]) if peer else "unknown"
        self._enter(_HANDSHAKE, self._services.handshake_timeout_seconds)
        services, proxies = self._services, self._services.proxies
        if proxies is not None and not is_trusted(self._address, proxies):
            detail = f"{self._address} is not among listen.proxy_protocol_from"
            self._refuse(Refusal("proxy_protocol", detail))
        elif proxies is not None or self._is_taken(self._arrival.came(self._address)):
            header = proxies is not None
            self._opening = Opening(self._address, services.listener, has_header=header)

    def data_received(self, data: bytes) -> None:
        """Take bytes from the network."""
        if self._phase is _LINGER:
            return
        tls, dialogue = self._tls, self._dialogue
        if dialogue is None or tls is None:
            self._open(data)
            return
        plain = tls.feed(data)
        if plain and not (tls.broken or tls.closed):
            dialogue.receive(plain)
        else:
            self._take(tls, dialogue, plain)

    def _open(self, data: bytes) -> None:
        """Take what comes before the end of the handshake, and what comes along with it."""
        opening, tls = self._opening, self._tls
        if opening is None:
            return
        if tls is None:
            try:
                begun = opening.feed(data)
            except ProxyProtocolError as error:
                self._refuse(Refusal("proxy_protocol", str(error)))
                return
            if begun is None:
                return
            self._address = opening.address
            tls, data = begun
            if not self._greets(data):
                return
            self._tls = tls
        plain = tls.feed(data)
        dialogue = self._shake_hands(opening, tls)
        if dialogue is not None:
            self._take(tls, dialogue, plain)

    def _greets(self, hello: bytes) -> bool:
        """Whether a connection whose ClientHello is there goes on."""
        arrival = self._arrival
        if self._services.proxies is not None and not self._is_taken(arrival.came(self._address)):
            return False
        resumes = arrival.doubtful and offers_ticket(hello)
        return self._is_taken(arrival.greeted(resumes=resumes))

    def _is_taken(self, refusal: Refusal | None) -> bool:
        """Whether there is no refusal; if there is one, the connection is cut."""
        if refusal is not None:
            self._refuse(refusal)
        elif self._arrival.doubtful and self._phase is _HANDSHAKE:
            self._enter(_HANDSHAKE, _DOUBTFUL_SECONDS)
        return refusal is None

    def _take(self, tls: TlsSession, dialogue: Dialogue, plain: bytes) -> None:
        if plain:
            dialogue.receive(plain)
        else:
            self._send_raw(tls.output())
        if tls.broken:
            self.abort()
        elif tls.closed:
            self._half_closed()

    def eof_received(self) -> bool:
        """The device sends no more; with a close_notify before it, an answer may still go out."""
        if self._phase is _HALF_CLOSED or (self._tls is not None and self._tls.closed):
            return self._phase is not _LINGER
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection has ended."""
        failed = self._tls is not None and self._tls.failure is not None
        if self._phase is _HANDSHAKE and not failed:
            cut = HandshakeFailure(
                "other", "the client closed the connection" if exc is None else str(exc)
            )
            self._services.observer.handshake(cut, self._address)
        if self._dialogue is not None:
            self._dialogue.gone()
        self._arrival.gone()
        self._home.gone(self)
        # They name this connection, too, and a ring of 30 KB would wait for the garbage collector.
        self._dialogue = self._tls = self._opening = None

    def pause_writing(self) -> None:
        """The device reads too slowly."""
        self._writes_stuck_since = time.monotonic()
        if self._dialogue is not None:
            self._dialogue.client_full(True)

    def resume_writing(self) -> None:
        """The device has caught up."""
        self._writes_stuck_since = 0.0
        if self._dialogue is not None:
            self._dialogue.client_full(False)

    def check(self, now: float) -> None:
        """Act on a time limit that is over; `now` is monotonic seconds."""
        late = now >= self.deadline
        if not late and not self._writes_stuck_since:
            return
        takes = self._takes_some()
        if self._writes_stuck_since and takes:
            self._writes_stuck_since = now
        patience = self._services.limits.body_timeout_seconds
        if self._writes_stuck_since and now - self._writes_stuck_since > patience:
            self.abort()
        elif late and takes and self._phase is _LINGER:
            self.deadline = now + _LINGER_SECONDS
        elif late:
            self._expire()

    def send(self, data: bytes) -> None:
        """Send plain text to the device."""
        transport = self._transport
        tls = self._tls
        if transport is not None and tls is not None and not transport.is_closing():
            transport.write(tls.encrypt(data))

    def hold(self, full: bool) -> None:  # noqa: FBT001 (on or off)
        """Whether to take nothing more from the device for now."""
        if full == self._held or self._transport is None or self._transport.is_closing():
            return
        self._held = full
        if full:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def finish(self) -> None:
        """End the connection when the device has what was sent (RFC 9112 section 9.6).

        The device may still be sending: closing at once would make its TCP drop the answer.
        """
        transport = self._transport
        if transport is None or transport.is_closing() or self._phase is _LINGER:
            return
        self._say_goodbye()
        if self._phase is _HALF_CLOSED:
            transport.close()
            return
        self._linger()

    def drain(self) -> None:
        """End the connection as soon as no answer is owed on it; to be called until it has ended.

        What has just been accepted is still served: a device that comes again after another
        connection of its was closed must not be turned away once more.
        """
        if self._dialogue is not None:
            self._dialogue.drain()
        seconds = _DRAIN_SECONDS.get(self._phase)
        sent = self._transport is None or not self._transport.get_write_buffer_size()
        if seconds is not None and sent:
            self.deadline = min(self.deadline, time.monotonic() + seconds)

    def judge_again(self) -> None:
        """Something changed that may concern the device."""
        if self._dialogue is not None:
            self._dialogue.judge_again()

    @property
    def is_over(self) -> bool:
        """Whether a request is under way whose verdict does not stand any more."""
        return self._dialogue is not None and self._dialogue.is_over

    @property
    def verdicts(self) -> Verdicts | None:
        """Who the device is, and whether it may act; None before the handshake is done."""
        return None if self._dialogue is None else self._dialogue.verdicts

    def cut(self) -> None:
        """End the connection; the device gets nothing more of what waits to be sent."""
        if self._transport is not None and self._transport.get_write_buffer_size():
            self.abort()
        else:
            self.finish()

    def abort(self) -> None:
        """Cut the connection."""
        if self._transport is not None:
            self._transport.abort()

    def _shake_hands(self, opening: Opening, tls: TlsSession) -> Dialogue | None:
        """The dialogue, once the handshake is done."""
        services = self._services
        self._send_raw(tls.output())
        if tls.failure is not None:
            services.observer.handshake(tls.failure, self._address)
            self._linger()
            return None
        if not tls.established:
            return None
        services.observer.counters.handshakes["ok"] += 1
        verdicts = opening.verdicts(services, tls, self._file)
        self._opening = None
        if not self._is_taken(self._arrival.identified(verdicts.fingerprint, resumed=tls.resumed)):
            return None
        self._dialogue = dialogue = Dialogue(
            self, services, verdicts, address=self._address, server_name=tls.server_name()
        )
        # A device that has just come has something to ask.
        self._enter(_IDLE, services.limits.header_timeout_seconds)
        return dialogue

    def _refuse(self, refusal: Refusal) -> None:
        """Cut a connection before it can ask for anything."""
        self._services.observer.connection_refused(refusal.cause, self._address, refusal.detail)
        self._phase = _LINGER
        self.abort()

    def _say_goodbye(self) -> None:
        if self._tls is not None:
            self._send_raw(self._tls.end())

    def _linger(self) -> None:
        """Send no more, and read until the device closes: a reset would overtake what was sent."""
        self._enter(_LINGER, _LINGER_SECONDS)
        if self._transport is not None:
            self.hold(False)
            self._transport.write_eof()

    def _half_closed(self) -> None:
        if self._dialogue is not None and self._dialogue.waits_for_answer:
            if self._phase is not _HALF_CLOSED:
                self._enter(_HALF_CLOSED, _HALF_CLOSED_SECONDS)
        elif self._transport is not None:
            self._say_goodbye()
            self._transport.close()

    def settle(self, hold: bool) -> None:  # noqa: FBT001 (as `hold`)
        """Set the time limit of what the dialogue waits for now."""
        dialogue, phase = self._dialogue, self._phase
        if dialogue is None or phase is _LINGER:
            return
        if hold is not self._held:
            self.hold(hold)
        limits, waits = self._services.limits, dialogue.waits_for_answer
        if phase is _HALF_CLOSED:
            if not waits:
                self.finish()
        elif waits:
            self._enter(_ANSWER, dialogue.patience_seconds)
        elif dialogue.in_body:
            self._enter(_BODY, limits.body_timeout_seconds)
        elif not dialogue.in_head:
            self._enter(_IDLE, limits.idle_timeout_seconds)
        elif self._phase is not _HEAD:
            # Once a head has begun, its time runs: a byte now and then does not extend it.
            self._enter(_HEAD, limits.header_timeout_seconds)

    def _enter(self, phase: _Phase, seconds: float) -> None:
        self._phase = phase
        self.deadline = time.monotonic() + seconds

    def _expire(self) -> None:
        if self._phase is _HANDSHAKE:
            late = HandshakeFailure("timeout", "no handshake within tls.handshake_timeout_seconds")
            self._services.observer.handshake(late, self._address)
            self._phase = _LINGER
            self.abort()
        elif self._phase in (_LINGER, _HALF_CLOSED) or self._dialogue is None:
            self.abort()
        else:
            self._dialogue.expire()

    def _takes_some(self) -> bool:
        """Whether the device has taken some of what waits for it since this was last asked."""
        if self._transport is None:
            return False
        before, self._unsent = self._unsent, self._transport.get_write_buffer_size()
        return 0 < self._unsent != before

    def _file(self, keys: tuple[Key, ...]) -> None:
        self._arrival.let_in()
        self._home.file(self, keys)

    def _send_raw(self, data: bytes) -> None:
        if data and self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)
