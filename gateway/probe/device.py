"""A phone as a program: it reaches the gateway by sockets only, step by step (MS-ASCMD)."""

import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeVar

import aiohttp
from yarl import URL

from gateway import __version__
from gateway.core.eas import EasRequest, QueryForm
from gateway.core.eas_query import encode_query
from gateway.core.wbxml import Element, Limits, decode, encode
from gateway.errors import ConfigError, WbxmlError
from gateway.probe import messages
from gateway.probe.outcome import (
    Capabilities,
    Failure,
    Folders,
    Pinged,
    Provisioned,
    Sent,
    Synced,
    Unreadable,
)
from gateway.probe.transport import MAX_ANSWER, Answer, Call, client_context, exchange

_PATH: Final = "/Microsoft-Server-ActiveSync"
_WBXML: Final = "application/vnd.ms-sync.wbxml"
_LIMITS: Final = Limits(size=MAX_ANSWER, value=MAX_ANSWER, items=200_000)
_PING_MARGIN_SECONDS: Final = 30.0
_OK: Final = 1

_CLASS_NAMED_UNTIL: Final = "12.1"
_KNOWN_BY_SETTINGS: Final = ("12.1", "14.0")

_T = TypeVar("_T")

Transport = Callable[[Call], Awaitable[Answer | Failure]]
"""Carries a request to the server and its answer back."""


@dataclass(kw_only=True)
class Device:
    """One device of one user; use it as `async with Device(...) as device`.

    It remembers its policy key and sync keys as a phone does. Every step makes one request
    (`provision` two, the first `sync` of a folder two) and ends in its own answer or a `Failure`.
    A `user`, `device_id` or `device_type` that a query cannot hold raises RequestError.

    Attributes:
        url: `https://host[:port]`, or `http://` without TLS; gets the usual path if it has none.
        user: the `User` of the query; None leaves it out.
        device_id: the `DeviceId`, up to 32 letters and digits.
        ca: PEM file of the CAs to trust for the server; needed for https.
        certificate: PEM file of the client certificate with its chain; None shows no certificate.
        key: PEM file of its private key.
        base64_query: say everything in the base64 query (MS-ASHTTP 2.2.1.1.1.1).
        timeout_seconds: for an answer to come whole; a Ping may take its heartbeat longer.
        transport: carries the requests in place of connections of the device's own.
        connections: how many were made so far.
    """

    url: str
    user: str | None
    device_id: str
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    device_type: str = "Probe"
    protocol_version: str = "14.1"
    base64_query: bool = False
    timeout_seconds: float = 30.0
    transport: Transport | None = field(default=None, repr=False)
    policy_key: int = field(default=0, init=False)
    connections: int = field(default=0, init=False)
    _folder_key: str = field(default="0", init=False, repr=False)
    _sync_keys: dict[str, str] = field(default_factory=dict, init=False, repr=False)
    _session: aiohttp.ClientSession | None = field(default=None, init=False, repr=False)

    async def __aenter__(self) -> Self:
        """Load the certificates; no connection is made before the first step.

        Raises:
            CertificateError: A certificate, key or CA file cannot be used.
            ConfigError: `url` is https and there is no `ca`.
        """
        if self.transport is not None:
            return self
        tls = None
        if URL(self.url).scheme == "https":
            if self.ca is None:
                raise ConfigError(f"{self.url} needs a CA file to trust its server by")
            tls = client_context(ca=self.ca, certificate=self.certificate, key=self.key)
        connector = aiohttp.TCPConnector(ssl=tls if tls is not None else True)
        agent = {"User-Agent": f"eas-gateway-probe/{__version__}"}
        trace = aiohttp.TraceConfig()
        trace.on_connection_create_end.append(self._count)
        self._session = aiohttp.ClientSession(
            connector=connector, headers=agent, trace_configs=[trace]
        )
        return self

    async def _count(self, *_: object) -> None:
        self.connections += 1

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the device's connections; it can be entered again."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def options(self) -> Capabilities | Failure:
        """What the server can do (MS-ASHTTP 2.2.3)."""
        call = Call("OPTIONS", self._url(), {}, None, self.timeout_seconds)
        answer = await self._exchange(call)
        if not isinstance(answer, Answer):
            return answer
        versions = _listed(answer, "MS-ASProtocolVersions")
        if not versions:
            return Unreadable("the answer to OPTIONS has no MS-ASProtocolVersions")
        return Capabilities(versions, _listed(answer, "MS-ASProtocolCommands"))

    async def provision(self) -> Provisioned | Failure:
        """Get the policy and acknowledge it (MS-ASPROV 3.1.5.1).

        The final key goes with every later request. A server without a policy, or one that asks for
        a wipe, is not asked a second time.
        """
        self.policy_key = 0
        # Before 14.1 a device tells what it is by Settings (MS-ASPROV 2.2.2.53).
        known = self.protocol_version in _KNOWN_BY_SETTINGS
        request = messages.policy_request(None if known else self.device_type)
        offered = await self._command("Provision", request, messages.read_provision)
        if not isinstance(offered, Provisioned) or offered.policy_key is None or offered.wipe:
            return offered
        self.policy_key = offered.policy_key
        acknowledgement = messages.policy_acknowledgement(offered.policy_key)
        final = await self._command("Provision", acknowledgement, messages.read_provision)
        key = final.policy_key if isinstance(final, Provisioned) else None
        self.policy_key = key or 0
        return final

    async def acknowledge_wipe(
        self, *, account_only: bool = False, succeeded: bool = True
    ) -> Provisioned | Failure:
        """Say that the wipe which `provision` met was carried out, or was not; nothing is wiped."""
        request = messages.wipe_acknowledgement(account_only=account_only, succeeded=succeeded)
        return await self._command("Provision", request, messages.read_provision)

    async def folder_sync(self) -> Folders | Failure:
        """The folders that are new to the device: all of them the first time."""
        request = messages.folder_sync_request(self._folder_key)
        outcome = await self._command("FolderSync", request, messages.read_folder_sync)
        if not isinstance(outcome, tuple):
            return outcome
        folders, key = outcome
        self._folder_key = key if folders.status == _OK else "0"
        return folders

    async def sync(
        self, folder: str, *, window: int = 100, body_bytes: int | None = None
    ) -> Synced | Failure:
        """What is new in the folder of that server id; the first time it gets a sync key before.

        At most `window` messages come at once, of each `body_bytes` of its text, or all.
        """
        if folder not in self._sync_keys:
            first = await self._sync(folder, "0", window, body_bytes)
            if not isinstance(first, Synced) or first.status != _OK:
                return first
        return await self._sync(folder, self._sync_keys[folder], window, body_bytes)

    async def _sync(
        self, folder: str, key: str, window: int, body_bytes: int | None
    ) -> Synced | Failure:
        request = messages.sync_request(
            folder,
            key,
            window=window,
            body_bytes=body_bytes,
            class_named=self.protocol_version == _CLASS_NAMED_UNTIL,
        )
        outcome = await self._command("Sync", request, messages.read_sync, empty=(Synced(_OK), key))
        if not isinstance(outcome, tuple):
            return outcome
        synced, key = outcome
        if synced.status == _OK:
            self._sync_keys[folder] = key
        else:
            self._sync_keys.pop(folder, None)
        return synced

    async def send_mail(self, to: str, subject: str, body: str = "") -> Sent | Failure:
        """Send a short text to one address."""
        mail = EmailMessage(policy=SMTP)
        mail["To"] = to
        mail["Subject"] = subject
        mail.set_content(body)
        request = messages.send_mail_request(uuid.uuid4().hex, mail.as_bytes())
        status = await self._command("SendMail", request, messages.read_send_mail, empty=_OK)
        return Sent(status) if isinstance(status, int) else status

    async def ping(self, folders: tuple[str, ...], heartbeat: int) -> Pinged | Failure:
        """Wait for a change in the folders of those server ids, at most `heartbeat` seconds."""
        request = messages.ping_request(folders, heartbeat)
        seconds = heartbeat + _PING_MARGIN_SECONDS
        return await self._command("Ping", request, messages.read_ping, seconds=seconds)

    async def _command(
        self,
        command: str,
        root: Element,
        read: Callable[[Element], _T],
        *,
        empty: _T | None = None,
        seconds: float | None = None,
    ) -> _T | Failure:
        """One command; `empty` is what an answer without a body means, if it may have none."""
        body = encode(root, _LIMITS)
        seconds = seconds or self.timeout_seconds
        call = Call("POST", self._url(command), self._headers(), body, seconds)
        answer = await self._exchange(call)
        if not isinstance(answer, Answer):
            return answer
        if not answer.body:
            return Unreadable(f"the answer to {command} is empty") if empty is None else empty
        try:
            return read(decode(answer.body, _LIMITS))
        except WbxmlError as error:
            return Unreadable(str(error))

    async def _exchange(self, call: Call) -> Answer | Failure:
        if self.transport is not None:
            return await self.transport(call)
        return await exchange(self._open_session(), call)

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("a Device is used inside `async with`")
        return self._session

    def _headers(self) -> dict[str, str]:
        headers = {"Content-Type": _WBXML}
        if not self.base64_query:
            headers["MS-ASProtocolVersion"] = self.protocol_version
            headers["X-MS-PolicyKey"] = str(self.policy_key)
        return headers

    def _url(self, command: str | None = None) -> URL:
        base = URL(self.url)
        path = base.raw_path if base.raw_path.strip("/") else _PATH
        if command is None:
            return base.with_path(path, encoded=True)
        request = EasRequest(
            command=command,
            user=self.user,
            device_id=self.device_id,
            device_type=self.device_type,
            protocol_version=self.protocol_version,
            policy_key=self.policy_key,
            query_form=QueryForm.BASE64 if self.base64_query else QueryForm.PLAIN,
        )
        # Encoded by hand: yarl would percent-encode the base64 form its own way.
        query = encode_query(request).decode("ascii")
        return URL(f"{base.origin()}{path}?{query}", encoded=True)


def _listed(answer: Answer, header: str) -> tuple[str, ...]:
    words = answer.headers.get(header, "").split(",")
    return tuple(word.strip() for word in words if word.strip())
