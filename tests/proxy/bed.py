"""A worker's data plane on loopback: real TLS, real sockets, a scripted mail server behind it."""

import asyncio
import contextlib
import json
import os
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding

from gateway.config import Config, Gateway, Listen
from gateway.config_eas import Eas
from gateway.config_limits import Limits
from gateway.config_upstream import Upstream
from gateway.core.authority import Authority, AuthorityType
from gateway.core.certificate import ClientCertificate
from gateway.core.decision import Reauthentication, Session, TokenValidFrom
from gateway.core.device_registry import DeviceRegistry, registry_difference
from gateway.core.difference import Difference, differing
from gateway.core.headers import RequestHeaderFilter, ResponseHeaderFilter
from gateway.core.mailbox import Mailbox
from gateway.core.names import fold
from gateway.core.revocation import RevocationState, RevocationStatus
from gateway.core.username_binding import DEFAULT_RULES
from gateway.core.wbxml import element, encode
from gateway.credentials.upstream_user import identity_headers
from gateway.limits.node import Node, NodeLimits, Seat
from gateway.proxy.autodiscover import autodiscover_rules
from gateway.proxy.connections import Connections
from gateway.proxy.downstream import Downstream
from gateway.proxy.heartbeat import bounds
from gateway.proxy.index import Key
from gateway.proxy.judge import Judge, Rules
from gateway.proxy.observer import Observer
from gateway.proxy.routes import PathRule, Routes
from gateway.proxy.services import Network, Services
from gateway.proxy.upstreams import build_upstreams
from gateway.runtime.parts import path_rules
from gateway.tasks import Tasks
from gateway.telemetry.channel import Sender, open_channel
from gateway.telemetry.counters import Counters
from gateway.tls.context import ServerIdentity
from gateway.tls.listener import Listener
from tests.helpers import Pki, StoredCertificate, client_context

_PATIENCE = 10.0  # seconds until a test that waits in vain fails

Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Directory:
    """Mailboxes and what administrators decided, held in plain values that a test may change."""

    authorities: Mapping[str, Authority]
    mailboxes: tuple[Mailbox, ...]
    change_id: int = 1
    valid_from: dict[str, TokenValidFrom] = field(default_factory=dict)
    blocked: set[int] = field(default_factory=set)
    devices: DeviceRegistry = field(default_factory=DeviceRegistry)

    def find_by_upn(self, upn: str) -> Mailbox | None:
        """By UPN."""
        return next((m for m in self.mailboxes if m.key == fold(upn)), None)

    def find_by_address(self, address: str) -> Mailbox | None:
        """By address."""
        wanted = fold(address)
        return next((m for m in self.mailboxes if wanted in map(fold, m.addresses)), None)

    def find_by_identifier(self, key: str) -> Mailbox | None:
        """By certificateUserIds and the like."""
        return next((m for m in self.mailboxes if key in m.identifiers), None)

    def token_valid_from(self, mailbox_key: str) -> TokenValidFrom | None:
        """As set by the test."""
        return self.valid_from.get(mailbox_key)

    def is_blocked(self, _issuer_id: str, serial_number: int) -> bool:
        """As set by the test."""
        return serial_number in self.blocked

    def difference(self, before: "Directory") -> Difference:
        """As a snapshot of the store says it."""
        old, new = ({m.key: m for m in one.mailboxes} for one in (before, self))
        changed = differing(old, new)
        valid_from = differing(before.valid_from, self.valid_from)
        devices, owners = registry_difference(before.devices, self.devices)
        addresses = {
            fold(a) for one in (old, new) for k in changed if k in one for a in one[k].addresses
        }
        return Difference(
            everything=before.authorities != self.authorities
            or before.devices.rules != self.devices.rules,
            names=frozenset(changed | valid_from | addresses) | owners,
            devices=devices,
            certificates=frozenset(
                (issuer, number)
                for issuer in self.authorities
                for number in before.blocked ^ self.blocked
            ),
            valid_from=max(
                (self.valid_from[k].value for k in valid_from if k in self.valid_from),
                default=None,
            ),
        )

    def copy(self) -> "Directory":
        """As it is now, whatever the test does later."""
        return replace(self, valid_from=dict(self.valid_from), blocked=set(self.blocked))


@dataclass
class Crls:
    """CRLs that list what a test says."""

    revoked: set[int] = field(default_factory=set)
    known: bool = True
    issuers: frozenset[str] | None = None  # of which something is said; None: of all

    def status(
        self, authority: Authority, certificate: ClientCertificate, now: datetime
    ) -> RevocationStatus:
        """Revoked if listed, unknown if the test says so, else good."""
        state = RevocationState.GOOD if self.known else RevocationState.UNKNOWN
        if certificate.serial_number in self.revoked:
            state = RevocationState.REVOKED
        return RevocationStatus(
            state,
            authority.id,
            certificate.serial_number,
            state.value,
            this_update=now - timedelta(hours=1),
            next_update=now + timedelta(hours=1),
            accepted_at=now - timedelta(hours=1),
        )

    def changed_issuers(self, before: "Crls") -> frozenset[str] | None:
        """Those that the test names, if anything is said otherwise."""
        same = (before.revoked, before.known) == (self.revoked, self.known)
        return frozenset() if same else self.issuers

    def copy(self) -> "Crls":
        """As they are now, whatever the test does later."""
        return replace(self, revoked=set(self.revoked))


@dataclass
class Exchanged:
    """One request as the mail server got it."""

    line: str
    headers: list[tuple[str, str]]
    body: bytes

    def get(self, name: str) -> list[str]:
        """The values of a field, in order."""
        return [v for n, v in self.headers if n.lower() == name.lower()]


async def read_head(reader: asyncio.StreamReader) -> tuple[str, list[tuple[str, str]]]:
    """A message head: its first line and its fields."""
    raw = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = raw.removesuffix("\r\n\r\n").split("\r\n")
    fields = [(n, v.strip()) for n, _, v in (line.partition(":") for line in lines)]
    return first, fields


async def read_body(reader: asyncio.StreamReader, headers: list[tuple[str, str]]) -> bytes:
    """A message body by its framing; without any it is empty."""
    fields = {n.lower(): v for n, v in headers}
    if fields.get("transfer-encoding") == "chunked":
        pieces = []
        while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
            pieces.append(await reader.readexactly(size))
            await reader.readexactly(2)
        await reader.readuntil(b"\r\n")
        return b"".join(pieces)
    return await reader.readexactly(int(fields.get("content-length", "0")))


class MailServer:
    """A mail server that does what the test's script says; keeps what it was sent."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[Exchanged] = []
        self.connections = 0
        self.heads = 0  # of requests whose body may still be coming
        self._left = asyncio.Event()
        self._tls = tls
        self._tasks = Tasks()
        self.script: Script = self.echo
        self.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
        self.port = 0
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Listen no more, and end what is open."""
        if self._server is not None:
            self._server.close()
        await self._tasks.close()

    async def receive(self, reader: asyncio.StreamReader) -> Exchanged:
        """The next whole request of a connection."""
        line, headers = await read_head(reader)
        self.heads += 1
        request = Exchanged(line, headers, await read_body(reader, headers))
        self.requests.append(request)
        return request

    async def echo(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer every request with `answer` until the gateway closes."""
        while True:
            await self.receive(reader)
            writer.write(self.answer)

    async def hold(self, reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        """Take a request and answer nothing until the gateway closes."""
        await self.receive(reader)
        await reader.read()
        raise ConnectionError

    async def left(self) -> None:
        """Return when the gateway has closed a connection in the middle of a script."""
        async with asyncio.timeout(_PATIENCE):
            await self._left.wait()

    def replies(self, *parts: bytes) -> None:
        """From now on write `parts` as the answer to one request of each connection, and close."""

        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await self.receive(reader)
            writer.writelines(parts)
            await writer.drain()

        self.script = script

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._tasks.spawn(self._serve(reader, writer), name="mail")

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self.script(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            self._left.set()
        finally:
            writer.close()


@dataclass
class Answer:
    """One answer as a device got it."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def get(self, name: str) -> list[str]:
        """The values of a field, in order."""
        return [v for n, v in self.headers if n.lower() == name.lower()]


class Phone:
    """A device's connection, byte for byte."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def ask(self, raw: bytes) -> Answer:
        """Send bytes and read one answer."""
        self.writer.write(raw)
        return await self.read()

    async def read(self) -> Answer:
        """Read one answer."""
        async with asyncio.timeout(_PATIENCE):
            line, headers = await read_head(self.reader)
            status = int(line.split(" ")[1])
            if status in (100, 204, 304):
                return Answer(status, headers, b"")
            return Answer(status, headers, await read_body(self.reader, headers))

    async def ended(self) -> bytes:
        """All that comes until the gateway closes."""
        async with asyncio.timeout(_PATIENCE):
            with contextlib.suppress(ConnectionError, ssl.SSLError):
                return await self.reader.read()
        return b""

    def close(self) -> None:
        """Cut the connection."""
        self.writer.transport.abort()


def post(
    body: bytes = b"",
    *,
    query: str = "Cmd=Sync&User=alice%40example.test&DeviceId=d1&DeviceType=x",
    headers: str = "",
    length: bool = True,
    method: str = "POST",
) -> bytes:
    """A request as a phone sends it."""
    framing = f"Content-Length: {len(body)}\r\n" if length else ""
    return (
        f"{method} /Microsoft-Server-ActiveSync?{query} HTTP/1.1\r\nHost: localhost\r\n"
        f"MS-ASProtocolVersion: 14.1\r\n{headers}{framing}\r\n"
    ).encode() + body


OTHER_USER = "Cmd=Sync&User=bob%40example.test&DeviceId=d1&DeviceType=x"
WAITING = encode(element("AirSync:Sync", element("AirSync:Wait", "10")))
"""The body of a Sync that asks to be held."""

PING = "Cmd=Ping&User=alice%40example.test&DeviceId=d1&DeviceType=x"


def chunked(*pieces: bytes) -> bytes:
    """`pieces` as chunks, with the last one and no trailer."""
    return b"".join(b"%x\r\n%b\r\n" % (len(p), p) for p in (*pieces, b""))


def ok(body: bytes = b"ok", headers: str = "") -> bytes:
    """A mail server's answer with a Content-Length."""
    return f"HTTP/1.1 200 OK\r\n{headers}Content-Length: {len(body)}\r\n\r\n".encode() + body


async def eventually(condition: Callable[[], bool]) -> None:
    """Return when `condition` has come true; raises TimeoutError if it does not."""
    async with asyncio.timeout(_PATIENCE):
        while not condition():  # noqa: ASYNC110 (it happens behind sockets and sets no event)
            await asyncio.sleep(0.001)


class Bed:
    """The data plane under test."""

    def __init__(self, pki: Pki, mail: MailServer, settings: dict[str, Any]) -> None:
        self.pki = pki
        self.mail = mail
        limits = settings.pop("limits", {})
        reauthentication = settings.pop("reauthentication", Reauthentication.FRESH_CRL)
        proxies = settings.pop("proxies", None)
        self.more_upstreams: tuple[Upstream, ...] = settings.pop("upstreams", ())
        self.gateway = Gateway(**settings.pop("gateway", {}))
        self.client_certificate = settings.pop("client_certificate", "require")
        self.eas = Eas(**settings.pop("eas", {}))
        self.rules: Sequence[PathRule] = settings.pop("rules", ())
        url = settings.pop("url", "http://127.0.0.1:{}").format(mail.port)
        self.upstream = Upstream(name="mail", url=url, **settings)
        self.directory = Directory(
            MappingProxyType({a.id: a for a in _authorities(pki)}),
            (Mailbox("alice@example.test"), Mailbox("bob@example.test")),
        )
        self.crls = Crls()
        self.judge = Judge(Rules(DEFAULT_RULES, reauthentication), self.directory, self.crls)
        self.limits = Limits(**limits)
        self.now = time.time
        self.counters = Counters()
        self.proxies: tuple[Network, ...] | None = proxies
        self.handshake_timeout_seconds = 20.0
        self.port = 0
        self._server: asyncio.Server | None = None
        self._reading, writing = open_channel()
        self._sender = Sender(writing.detach())
        self.observer = Observer(self.counters, self._sender, 1)
        self._node = Node(workers=2, connections=1)
        self.node_limits = NodeLimits(
            _own(self._node.seat(1)),
            self.limits,
            self.counters,
            say=self.observer.say,
            learning_seconds=0,
        )
        self._phones: list[Phone] = []
        self._messages: dict[str, list[dict[str, Any]]] = {}
        self._tasks = Tasks()

    async def start(self) -> None:
        """Listen on a free port."""
        observer = self.observer
        config = Config(limits=self.limits, upstream=(self.upstream, *self.more_upstreams))
        upstreams = build_upstreams(config, self._tasks, observer.host)
        observer.hosts(upstreams.urls())
        await upstreams.resolve()
        self.pool = upstreams.default.hosts.pools[0]
        self.services = Services(
            listener=self.listener(),
            judge=self.judge,
            upstreams=upstreams,
            routes=Routes(
                (
                    *self.rules,
                    *autodiscover_rules(self.gateway, upstreams),
                    *path_rules(Listen(self_check=False), self.eas),
                )
            ),
            public_url=self.gateway.public_url,
            request_filter=RequestHeaderFilter(identity_headers(*config.upstream)),
            response_filter=ResponseHeaderFilter(),
            observer=observer,
            limits=self.limits,
            node=self.node_limits,
            handshake_timeout_seconds=self.handshake_timeout_seconds,
            clock=self._clock,
            eas=self.eas,
            caps=self.eas.caps,
            bounds=bounds(self.eas),
        )
        self.services.proxies = self.proxies
        loop = asyncio.get_running_loop()
        self._connections = Connections(self.services)
        self._server = await loop.create_server(self._connections.accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    def listener(self) -> Listener:
        """For new connections while the directory is as it is now."""
        return Listener(
            ServerIdentity(self.pki.server.pem, self.pki.server.key),
            tuple(self.directory.authorities.values()),
            minimum_version="1.2",
            born=Session(datetime.now(UTC), self.directory.change_id),
            ticket_lifetime=timedelta(hours=1),
            client_certificate=self.client_certificate,
        )

    async def stop(self) -> None:
        """Listen no more, cut what is open."""
        if self._server is not None:
            self._server.close()
            for phone in self._phones:
                phone.close()
            await self._connections.drain(0)
            self.services.upstreams.close()
        await self._tasks.close()
        self._sender.close()
        self._reading.close()
        self.node_limits.close()
        self._node.close()

    async def phone(
        self,
        device: StoredCertificate | None = None,
        *,
        server_name: str = "localhost",
        anonymous: bool = False,
    ) -> Phone:
        """A device's new connection: alice's unless another is given; or without a certificate."""
        context = client_context(self.pki, None if anonymous else device or self.pki.alice)
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", self.port, ssl=context, server_hostname=server_name
        )
        phone = Phone(reader, writer)
        self._phones.append(phone)
        return phone

    def messages(self, kind: str) -> list[dict[str, Any]]:
        """What of this kind has been sent to the control process since the last call."""
        with contextlib.suppress(BlockingIOError):
            while data := self._reading.recv(65536):
                message = json.loads(data)
                self._messages.setdefault(message["kind"], []).append(message)
        return self._messages.pop(kind, [])

    def audit(self) -> list[dict[str, Any]]:
        """The audit records since the last call."""
        return self.messages("audit")

    def log(self) -> list[dict[str, Any]]:
        """The log lines since the last call."""
        return self.messages("log")

    def changed(self) -> None:
        """The directory or the CRLs are others now."""
        self.directory.change_id += 1
        self.judge.update(self.directory, self.crls)

    async def follow(self) -> Difference:
        """What the test has changed is what the worker goes by from now on, as in a real one."""
        self.directory.change_id += 1
        return await self._connections.follow(self.directory.copy(), self.crls.copy())

    async def judge_over(self) -> None:
        """As a worker does each second."""
        await self._connections.judge_over()

    def find(self, key: Key) -> frozenset[Downstream]:
        """The connections that the worker finds under `key`."""
        return self._connections.find(key)

    def sweep(self, later: float = 0.0) -> None:
        """Look at time limits as if `later` seconds had passed."""
        now = time.monotonic() + later
        for connection in self.connections:
            connection.check(now)
        self.services.upstreams.sweep(now)

    def _clock(self) -> float:
        return self.now()

    @property
    def connections(self) -> tuple[Downstream, ...]:
        """The living connections of phones."""
        return tuple(self._connections._open)

    async def drain(self) -> None:
        """End as a worker does."""
        await self._connections.drain(_PATIENCE)


def _own(seat: Seat) -> Seat:
    """As a process has inherited it: with descriptors of its own."""
    return replace(seat, hearing=os.dup(seat.hearing), saying=tuple(map(os.dup, seat.saying)))


def _authorities(pki: Pki) -> list[Authority]:
    return [
        Authority.from_der(
            ca.certificate.public_bytes(Encoding.DER),
            authority_type=kind,
            crl_distribution_point="http://127.0.0.1:1/crl",
        )
        for ca, kind in (
            (pki.root, AuthorityType.ROOT),
            (pki.issuing, AuthorityType.INTERMEDIATE),
        )
    ]


@contextlib.asynccontextmanager
async def mail_server(tls: ssl.SSLContext | None = None) -> AsyncIterator[MailServer]:
    """One that listens."""
    server = MailServer(tls)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


@contextlib.asynccontextmanager
async def bed(
    pki: Pki, *, mail_tls: ssl.SSLContext | None = None, **settings: Any
) -> AsyncIterator[Bed]:
    """A data plane with a mail server behind it; `settings` are keys of `[[upstream]]`.

    `limits` and `eas` have keys of those tables; `rules` are paths beside ActiveSync's; `upstreams`
    are further ones; `proxies` are who must send the PROXY protocol; `reauthentication` is that of
    `[revocation]`; `{}` in `url` is the mail server's port.
    """
    async with mail_server(mail_tls) as mail:
        under_test = Bed(pki, mail, settings)
        try:
            await under_test.start()
            yield under_test
        finally:
            await under_test.stop()
