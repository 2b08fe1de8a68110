"""A simulated device: it syncs, holds a Ping, changes its network, and comes back as phones do."""

import asyncio
import time
from dataclasses import dataclass
from random import Random
from typing import Final

from cryptography import x509
from OpenSSL import SSL

from bench import eas, mail_server
from bench.fleet_phone import Answer, ClosedError, Line, connect
from bench.habits import Habits, Life
from bench.seen import Seen
from gateway.core.wbxml import encode
from gateway.pki.identity import PrivateKey
from gateway.probe.messages import folder_sync_request, ping_request, sync_request

PATIENCE_SECONDS: Final = 20.0
_OK = 200
_BETWEEN_SYNCS = (0.5, 3.0)  # of the device's life
_FOLDER_SYNC = encode(folder_sync_request("0"))
_SYNC = encode(sync_request(mail_server.INBOX, "1"))


@dataclass(frozen=True)
class Surroundings:
    """What all devices of a process share.

    Attributes:
        port: of the server on 127.0.0.1; `address` is the local one that devices come from.
        ramp: seconds over which the devices begin.
        gate: how many shake hands at a time.
    """

    port: int
    address: str
    ramp: float
    context: SSL.Context
    key: PrivateKey
    gate: asyncio.Semaphore
    habits: Habits
    seen: Seen


class _RefusedError(Exception):
    """An answer that does not serve."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(f"answered {answer.status}")
        self.answer = answer


class _LateError(Exception):
    """No answer in time."""


class _FinishedError(Exception):
    """The server ends the connection after an answer."""


class Device:
    """One device, with a certificate and a TLS session of its own."""

    def __init__(
        self,
        around: Surroundings,
        name: str,
        mailbox: str,
        certificate: x509.Certificate,
        random: Random,
    ) -> None:
        self._around = around
        self._name = name
        self._mailbox = mailbox
        self._certificate = certificate
        self._random = random
        self._life = Life(around.habits, random)
        self._session: SSL.Session | None = None
        self._left: Line | None = None
        self._has_folders = False

    async def live(self) -> None:
        """Connect and talk, again and again, until cancelled."""
        await asyncio.sleep(self._random.uniform(0.0, self._around.ramp))
        try:
            while True:
                wait = await self._connect_and_use()
                await asyncio.sleep(wait)
        finally:
            if self._left is not None:
                self._left.drop()

    async def _connect_and_use(self) -> float:
        """One connection to its end; when to make the next."""
        try:
            line = await self._connect()
        except (OSError, TimeoutError) as error:
            self._failed(_words(error))
            return self._life.wait_after_loss()
        wait, cause = await self._use(line)
        self._around.seen.reconnects[cause] += 1
        return wait

    async def _connect(self) -> Line:
        around = self._around
        async with around.gate, asyncio.timeout(PATIENCE_SECONDS):
            began = time.monotonic()
            line = await connect(
                lambda: Line(around.context, self._certificate, around.key, self._session),
                port=around.port,
                address=around.address,
            )
        took = time.monotonic() - began
        around.seen.latencies["resumption" if line.resumed else "full handshake"].add(took)
        return line

    async def _use(self, line: Line) -> tuple[float, str]:
        """Talk as long as the connection is good; when to come back, and why."""
        network = asyncio.timeout(self._life.until_network_change())
        try:
            async with network:
                return await self._talk_to_its_end(line)
        except TimeoutError:
            self._leave(line)
            return 0.0, "network change"
        finally:
            self._session = line.session or self._session
            if self._left is not line:
                line.close()

    async def _talk_to_its_end(self, line: Line) -> tuple[float, str]:
        try:
            await self._talk(line)
        except _RefusedError as error:
            answer = error.answer
            self._failed(f"answered {answer.status}")
            return self._life.wait_after(answer.status, answer.retry_after), "refused"
        except _FinishedError:
            return 0.0, "the server closed"
        except _LateError:
            self._failed(f"no answer in {PATIENCE_SECONDS:.0f} s")
        except ClosedError as error:
            self._failed("closed in an answer" if error.begun else "closed without an answer")
        return self._life.wait_after_loss(), "lost"

    async def _talk(self, line: Line) -> None:
        """Never returns: raises what ended it."""
        if not self._has_folders:
            await self._ask(line, "FolderSync", _FOLDER_SYNC)
            self._has_folders = True
        await self._ask(line, "Sync", _SYNC)
        while True:
            if await self._ping(line):
                await self._burst(line)

    async def _burst(self, line: Line) -> None:
        for number in range(self._life.syncs()):
            if number:
                pause = self._random.uniform(*_BETWEEN_SYNCS) / self._around.habits.pace
                await asyncio.sleep(pause)
            await self._ask(line, "Sync", _SYNC)

    async def _ask(self, line: Line, command: str, body: bytes) -> None:
        began = time.monotonic()
        answer = await self._answer(line, command, body, PATIENCE_SECONDS)
        now = time.monotonic()
        self._around.seen.answered(command, now, now - began)
        if not answer.keeps:
            raise _FinishedError

    async def _ping(self, line: Line) -> bool:
        """Hold a Ping; whether it told of mail."""
        seen, heartbeat = self._around.seen, self._life.heartbeat
        body = encode(ping_request((mail_server.INBOX,), heartbeat))
        began = time.monotonic()
        seen.held += 1
        try:
            answer = await self._answer(line, "Ping", body, heartbeat + PATIENCE_SECONDS)
        except (ClosedError, _LateError):
            self._life.ping_broke()
            raise
        finally:
            seen.held -= 1
        now = time.monotonic()
        has_mail = answer.body == mail_server.CHANGES
        seen.outcomes["told of mail" if has_mail else "nothing new"] += 1
        lasted = not has_mail and answer.keeps
        seen.answered("Ping", now, max(0.0, now - began - heartbeat) if lasted else None)
        if lasted:
            self._life.ping_lasted()
        if not answer.keeps:
            raise _FinishedError
        return has_mail

    async def _answer(self, line: Line, command: str, body: bytes, patience: float) -> Answer:
        """A whole answer that serves."""
        request = eas.post(
            self._around.port,
            device=self._name,
            mailbox=self._mailbox,
            command=command,
            body=body,
        )
        answered = line.ask(request)
        await asyncio.wait((answered,), timeout=patience)
        if not answered.done():
            answered.cancel()
            raise _LateError
        answer = answered.result()
        if answer.status != _OK:
            raise _RefusedError(answer)
        self._life.answered()
        return answer

    def _leave(self, line: Line) -> None:
        """The network is another one: the server is not told, and holds what it holds."""
        if self._left is not None:
            self._left.drop()
        self._left = line
        line.leave()
        asyncio.get_running_loop().call_later(self._life.lingering, line.drop)

    def _failed(self, kind: str) -> None:
        self._around.seen.failed(kind, time.monotonic())


def _words(error: OSError | TimeoutError) -> str:
    if isinstance(error, TimeoutError):
        return f"no connection in {PATIENCE_SECONDS:.0f} s"
    if isinstance(error, ClosedError):
        return "closed in the handshake"
    return f"no connection: {error.strerror or type(error).__name__}"
