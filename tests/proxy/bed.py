"""A worker's data plane on loopback: real TLS, real sockets, a scripted mail server behind it."""

import asyncio
import contextlib
import itertools
import json
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

from gateway.config import Limits, Upstream
from gateway.core.authority import Authority, AuthorityType
from gateway.core.binding import UsernameBinding
from gateway.core.certificate import ClientCertificate
from gateway.core.decision import Reauthentication, TokenValidFrom
from gateway.core.headers import RequestHeaderFilter, ResponseHeaderFilter
from gateway.core.mailbox import Mailbox
from gateway.core.names import fold
from gateway.core.revocation import RevocationState, RevocationStatus
from gateway.credentials.upstream_user import credentials, identity_headers
from gateway.proxy.downstream import Downstream
from gateway.proxy.exchange import BodyMode
from gateway.proxy.judge import Judge, Rules
from gateway.proxy.observer import Observer
from gateway.proxy.routes import Routes
from gateway.proxy.services import Services
from gateway.proxy.upstream import UpstreamPool
from gateway.tasks import Tasks
from gateway.telemetry.channel import Sender, open_channel
from gateway.telemetry.counters import Counters
from gateway.tls.context import ServerIdentity, server_context
from tests.helpers import Pki, StoredCertificate, client_context

Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Directory:
    """Mailboxes and what administrators decided, held in plain values that a test may change."""

    authorities: Mapping[str, Authority]
    mailboxes: tuple[Mailbox, ...]
    change_id: int = 1
    valid_from: dict[str, TokenValidFrom] = field(default_factory=dict)
    blocked: set[int] = field(default_factory=set)

    def find_by_upn(self, upn: str) -> Mailbox | None:
        """By UPN."""
        return next((m for m in self.mailboxes if m.key == fold(upn)), None)

    def find_by_address(self, address: str) -> Mailbox | None:
        """By address."""
        wanted = fold(address)
        return next((m for m in self.mailboxes if wanted in map(fold, m.addresses)), None)

    def token_valid_from(self, mailbox_key: str) -> TokenValidFrom | None:
        """As set by the test."""
        return self.valid_from.get(mailbox_key)

    def is_blocked(self, _issuer_id: str, serial_number: int) -> bool:
        """As set by the test."""
        return serial_number in self.blocked


@dataclass
class Crls:
    """CRLs that list what a test says."""

    revoked: set[int] = field(default_factory=set)
    known: bool = True

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

    def __init__(self) -> None:
        self.requests: list[Exchanged] = []
        self.connections = 0
        self.script: Script = self.echo
        self.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
        self.port = 0
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.close()

    async def receive(self, reader: asyncio.StreamReader) -> Exchanged:
        """The next whole request of a connection."""
        line, headers = await read_head(reader)
        request = Exchanged(line, headers, await read_body(reader, headers))
        self.requests.append(request)
        return request

    async def echo(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer every request with `answer` until the gateway closes."""
        while True:
            await self.receive(reader)
            writer.write(self.answer)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            await self.script(reader, writer)
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
        line, headers = await read_head(self.reader)
        status = int(line.split(" ")[1])
        if status in (204, 304):
            return Answer(status, headers, b"")
        return Answer(status, headers, await read_body(self.reader, headers))

    async def ended(self) -> bytes:
        """All that comes until the gateway closes."""
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
) -> bytes:
    """A request as a phone sends it."""
    framing = f"Content-Length: {len(body)}\r\n" if length else ""
    return (
        f"POST /Microsoft-Server-ActiveSync?{query} HTTP/1.1\r\nHost: localhost\r\n"
        f"MS-ASProtocolVersion: 14.1\r\n{headers}{framing}\r\n"
    ).encode() + body


class Bed:
    """The data plane under test."""

    def __init__(self, pki: Pki, mail: MailServer, settings: dict[str, Any]) -> None:
        self.pki = pki
        self.mail = mail
        limits = settings.pop("limits", {})
        self.upstream = Upstream(name="mail", url=f"http://127.0.0.1:{mail.port}", **settings)
        self.directory = Directory(
            MappingProxyType({a.id: a for a in _authorities(pki)}),
            (Mailbox("alice@example.test"), Mailbox("bob@example.test")),
        )
        self.crls = Crls()
        self.judge = Judge(
            Rules(tuple(UsernameBinding), Reauthentication.FRESH_CRL), self.directory, self.crls
        )
        self.limits = Limits(**limits)
        self.now = time.time
        self.counters = Counters()
        self.connections: set[Downstream] = set()
        self.handshake_timeout_seconds = 20.0
        self.response_timeout_seconds = 3900.0
        self.port = 0
        self._reading, writing = open_channel()
        self._sender = Sender(writing.detach())
        self._tasks = Tasks()
        self._ids = itertools.count()

    async def start(self) -> None:
        """Listen on a free port."""
        pool = UpstreamPool(self.upstream, self._tasks)
        await pool.resolve()
        self.pool = pool
        self.services = Services(
            context=server_context(
                ServerIdentity(self.pki.server.pem, self.pki.server.key),
                self.directory.authorities.values(),
                minimum_version="1.2",
            ),
            judge=self.judge,
            pool=pool,
            routes=Routes(self.upstream),
            request_filter=RequestHeaderFilter(identity_headers(self.upstream)),
            response_filter=ResponseHeaderFilter(),
            credentials=credentials(self.upstream),
            observer=Observer(self.counters, self._sender, 1),
            limits=self.limits,
            body_mode=BodyMode(self.upstream.request_body),
            body_limit=self.limits.body_bytes,
            handshake_timeout_seconds=self.handshake_timeout_seconds,
            response_timeout_seconds=self.response_timeout_seconds,
            clock=lambda: self.now(),
        )
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Listen no more, cut what is open."""
        self._server.close()
        for connection in tuple(self.connections):
            connection.abort()
        self.pool.close()
        await self._tasks.close()
        self._sender.close()
        self._reading.close()

    async def phone(
        self, device: StoredCertificate | None = None, *, server_name: str = "localhost"
    ) -> Phone:
        """A device's new connection: alice's unless another is given."""
        context = client_context(self.pki, device or self.pki.alice)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", self.port, ssl=context, server_hostname=server_name
        )
        return Phone(reader, writer)

    def messages(self, kind: str) -> list[dict[str, Any]]:
        """What has been sent to the control process since the last call."""
        found = []
        with contextlib.suppress(BlockingIOError):
            while data := self._reading.recv(65536):
                found.append(json.loads(data))
        return [message for message in found if message["kind"] == kind]

    def changed(self) -> None:
        """The directory or the CRLs are others now."""
        self.directory.change_id += 1
        self.judge.update(self.directory, self.crls)

    def sweep(self, later: float = 0.0) -> None:
        """Look at time limits as if `later` seconds had passed."""
        for connection in tuple(self.connections):
            connection.check(time.monotonic() + later)

    def _accept(self) -> Downstream:
        connection = Downstream(self.services, self.connections.discard)
        self.connections.add(connection)
        return connection


def _authorities(pki: Pki) -> list[Authority]:
    from cryptography.hazmat.primitives.serialization import Encoding

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
async def bed(pki: Pki, **settings: Any) -> AsyncIterator[Bed]:
    """A data plane with a mail server behind it; `settings` are keys of `[[upstream]]`."""
    mail = MailServer()
    await mail.start()
    under_test = Bed(pki, mail, settings)
    await under_test.start()
    try:
        yield under_test
    finally:
        await under_test.stop()
        await mail.stop()
