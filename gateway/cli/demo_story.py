"""What the demo shows: phones that are let in, and phones that are not, over sockets alone."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from typing import Final

from gateway.cli.demo_command import run_command
from gateway.cli.demo_folder import DemoFolder, upn
from gateway.cli.demo_report import Result, Step, describe
from gateway.probe.device import Device
from gateway.probe.outcome import (
    Capabilities,
    Folder,
    Folders,
    HandshakeRefused,
    Pinged,
    Provisioned,
    Refused,
    Sent,
    Synced,
)

_INBOX: Final = 2
"""The type of an Inbox (MS-ASCMD 2.2.3.186.3)."""
_FORBIDDEN: Final = 403
_UNAVAILABLE: Final = 503
_HEARTBEAT_SECONDS: Final = 20
_HELD_SECONDS: Final = 1.0
_FOLLOWED_SECONDS: Final = 5.0
_POLL_SECONDS: Final = 0.05


def command_step(*words: str, line: int = 0) -> Step:
    """Run a command of `eas-gateway`; that line of what it prints is what happened."""

    async def run() -> Result:
        done = await run_command(*words)
        if done.status:
            return Result(ok=False, detail=f"exit {done.status}: {' '.join(done.lines)}")
        return Result(ok=True, detail=done.lines[line] if done.lines else "done")

    return Step(f"$ eas-gateway {' '.join(words)}", run)


class Story:
    """The devices of the demo and what they do; `open` them before the first step is taken."""

    def __init__(self, folder: DemoFolder, url: str) -> None:
        self._folder = folder
        self._url = url
        self._alice = self._device("alice", "alice", "PHONE1")
        self._bob = self._device("bob", "bob", "PHONE2")
        self._carol = self._device("carol", "carol", "PHONE3")
        self._dave = self._device("dave", "dave", "PHONE4")
        self._inbox = "1"

    async def open(self, closing: AsyncExitStack) -> None:
        """The devices can act until `closing` closes them; raises CertificateError."""
        for device in (self._alice, self._bob, self._carol, self._dave):
            await closing.enter_async_context(device)

    def steps(self) -> Sequence[Step]:
        """All of them, in the order in which they make sense."""
        return (*self._mail(), *self._strangers(), *self._lost_phone(), *self._revoked_user())

    def _mail(self) -> Sequence[Step]:
        return (
            Step("alice's phone asks what the server can do (OPTIONS)", self._options),
            Step("alice's phone takes the server's policy (Provision)", self._provision),
            Step("alice's phone lists her folders (FolderSync)", self._folders),
            Step("alice's phone reads her inbox (Sync)", self._welcome),
            Step("alice's phone sends bob a message (SendMail)", self._send),
            Step("bob's phone receives it (Sync)", self._receive),
            Step("alice's phone waits for mail, and bob writes (Ping)", self._ping),
        )

    def _strangers(self) -> Sequence[Step]:
        return (
            Step("bob's phone asks for alice's mailbox", self._wrong_user),
            Step("a phone without a certificate connects", self._without_certificate),
            Step("a phone with a certificate of a CA that is not ours connects", self._foreign),
        )

    def _lost_phone(self) -> Sequence[Step]:
        certificate = str(self._folder.pki / "carol.pem")
        pki = str(self._folder.pki)
        return (
            Step("carol's phone lists her folders", lambda: self._let_in(self._carol)),
            command_step("pki", "revoke", "--directory", pki, certificate),
            self._refresh(),
            Step("carol's phone, its certificate revoked, tries again", self._certificate_revoked),
        )

    def _revoked_user(self) -> Sequence[Step]:
        config = str(self._folder.config)
        return (
            Step("dave's phone lists his folders", lambda: self._let_in(self._dave)),
            command_step("user", "revoke", upn("dave"), "-c", config),
            Step("dave's phone tries again", self._user_revoked),
            Step("dave's phone, its certificate still good, connects anew", self._kept_out),
            Step("the CA publishes a CRL from after that", self._publish),
            self._refresh(),
            Step("dave's phone, not on that CRL, tries again", self._readmitted),
            Step("alice's phone reads her inbox as before", self._undisturbed),
        )

    async def _options(self) -> Result:
        outcome = await self._alice.options()
        if not isinstance(outcome, Capabilities):
            return _unexpected(outcome)
        return Result(ok=True, detail=f"versions {', '.join(outcome.versions)}")

    async def _provision(self) -> Result:
        outcome = await self._alice.provision()
        ok = isinstance(outcome, Provisioned) and outcome.policy_key is not None
        return Result(ok=True, detail="done") if ok else _unexpected(outcome)

    async def _folders(self) -> Result:
        outcome = await self._alice.folder_sync()
        inboxes = [one for one in _folders(outcome) if one.type == _INBOX]
        if not inboxes:
            return _unexpected(outcome)
        self._inbox = inboxes[0].server_id
        return Result(ok=True, detail=", ".join(one.name for one in _folders(outcome)))

    async def _welcome(self) -> Result:
        return await self._sync(self._alice, "Welcome")

    async def _send(self) -> Result:
        return _sent(await self._alice.send_mail(upn("bob"), "Lunch?", "At noon."))

    async def _receive(self) -> Result:
        return await self._sync(self._bob, "Lunch?")

    async def _ping(self) -> Result:
        began = time.monotonic()
        waiting = self._alice.ping((self._inbox,), _HEARTBEAT_SECONDS)
        outcome, sent = await asyncio.gather(waiting, self._write_to_alice())
        held = time.monotonic() - began
        answered = isinstance(outcome, Pinged) and self._inbox in outcome.folders
        if not sent.ok or not answered:
            return _unexpected(outcome) if sent.ok else sent
        if not _HELD_SECONDS <= held < _HEARTBEAT_SECONDS:
            return Result(ok=False, detail=f"answered after {held:.2f} s")
        return Result(ok=True, detail=f"held for {held:.2f} s, answered when the mail arrived")

    async def _write_to_alice(self) -> Result:
        await asyncio.sleep(_HELD_SECONDS)
        return _sent(await self._bob.send_mail(upn("alice"), "Re: Lunch?", "Fine."))

    async def _undisturbed(self) -> Result:
        return await self._sync(self._alice, "Re: Lunch?")

    async def _sync(self, device: Device, subject: str) -> Result:
        outcome = await device.sync(self._inbox)
        subjects = [m.subject for m in outcome.messages] if isinstance(outcome, Synced) else []
        if subject not in subjects:
            return _unexpected(outcome)
        return Result(ok=True, detail=", ".join(f'"{one}"' for one in subjects))

    async def _wrong_user(self) -> Result:
        return await self._once(self._device("bob", "alice", "PHONE5"), _forbidden)

    async def _without_certificate(self) -> Result:
        return await self._once(self._device(None, "alice", "PHONE6"), _no_handshake)

    async def _foreign(self) -> Result:
        return await self._once(self._device("foreign", "alice", "PHONE7"), _no_handshake)

    async def _once(self, device: Device, expected: Callable[[object], bool]) -> Result:
        async with device:
            outcome = await device.folder_sync()
        return Result(ok=expected(outcome), detail=_said(outcome))

    async def _let_in(self, device: Device) -> Result:
        outcome = await device.folder_sync()
        return Result(ok=bool(_folders(outcome)), detail=_said(outcome))

    async def _certificate_revoked(self) -> Result:
        return await self._refused_soon(self._carol, _forbidden)

    async def _user_revoked(self) -> Result:
        return await self._refused_soon(self._dave, _unavailable)

    async def _refused_soon(self, device: Device, expected: Callable[[object], bool]) -> Result:
        before = device.connections
        outcome = await _while_followed(device.options, _is_in)
        kept = device.connections == before
        where = "on the connection that it held open" if kept else "on a new connection"
        return Result(ok=expected(outcome), detail=f"{_said(outcome)} {where}")

    async def _kept_out(self) -> Result:
        """Another worker may get the new connection, which has its own moment to follow."""

        async def connect() -> object:
            async with self._device("dave", "dave", "PHONE4") as device:
                return await device.options()

        outcome = await _while_followed(connect, _is_in)
        return Result(ok=_unavailable(outcome), detail=_said(outcome))

    async def _publish(self) -> Result:
        """A CRL says whole seconds, and its thisUpdate must be later than the revocation."""
        now = time.time()
        await asyncio.sleep(int(now) + 1.0 - now)
        return await command_step("pki", "crl", "--directory", str(self._folder.pki)).action()

    async def _readmitted(self) -> Result:
        outcome = await _while_followed(self._dave.options, _unavailable)
        return Result(ok=_is_in(outcome), detail=_said(outcome))

    def _refresh(self) -> Step:
        # The issuing CA, on whose CRL it depends, comes after the root.
        return command_step("ca", "refresh", "-c", str(self._folder.config), line=-1)

    def _device(self, certificate: str | None, user: str, device_id: str) -> Device:
        pki = self._folder.pki
        return Device(
            url=self._url,
            user=upn(user),
            device_id=device_id,
            ca=pki / "root.pem",
            certificate=None if certificate is None else pki / f"{certificate}.pem",
            key=None if certificate is None else pki / f"{certificate}.key",
            timeout_seconds=10.0,
        )


async def _while_followed(
    ask: Callable[[], Awaitable[object]], is_stale: Callable[[object], bool]
) -> object:
    """What is answered once the workers have followed a change, which takes up to a second."""
    deadline = time.monotonic() + _FOLLOWED_SECONDS
    outcome = await ask()
    while is_stale(outcome) and time.monotonic() < deadline:
        await asyncio.sleep(_POLL_SECONDS)
        outcome = await ask()
    return outcome


def _is_in(outcome: object) -> bool:
    return isinstance(outcome, Capabilities)


def _folders(outcome: object) -> Sequence[Folder]:
    return outcome.folders if isinstance(outcome, Folders) else ()


def _sent(outcome: object) -> Result:
    done = isinstance(outcome, Sent) and outcome.status == 1
    return Result(ok=True, detail="sent") if done else _unexpected(outcome)


def _unexpected(outcome: object) -> Result:
    return Result(ok=False, detail=_said(outcome))


def _said(outcome: object) -> str:
    match outcome:
        case Capabilities():
            return "let in"
        case Folders(_, folders) if folders:
            return f"let in: {len(folders)} folders"
        case _:
            return describe(outcome)


def _forbidden(outcome: object) -> bool:
    return isinstance(outcome, Refused) and outcome.status == _FORBIDDEN


def _unavailable(outcome: object) -> bool:
    return isinstance(outcome, Refused) and outcome.status == _UNAVAILABLE


def _no_handshake(outcome: object) -> bool:
    return isinstance(outcome, HandshakeRefused)
