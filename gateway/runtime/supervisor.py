"""The parent process: opens the listening sockets, keeps workers and control alive, ends them.

It holds both ends of the telemetry channel, so that no death of a child loses what waits there, and
the writing end of a lifeline that no child has: when the supervisor is gone, however that came
about, the children read the end of that pipe and end, too.
"""

import asyncio
import contextlib
import os
import resource
import signal
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from gateway.config import Config
from gateway.runtime import sockets
from gateway.runtime.kept import KeptProcess
from gateway.runtime.process import ProcessArguments
from gateway.tasks import Tasks
from gateway.telemetry.channel import Sender, open_channel
from gateway.telemetry.messages import restarts_message

_log = structlog.get_logger()

DRAIN_SECONDS: Final = 30.0
WORKER: Final = (sys.executable, "-m", "gateway.runtime.worker")
CONTROL: Final = (sys.executable, "-m", "gateway.runtime.control")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listeners:
    """The two listening sockets."""

    phones: socket.socket
    admin: socket.socket

    @classmethod
    def open(cls, config: Config) -> "Listeners":
        """Listen for phones and for operations; raises ConfigError naming the key to change."""
        with contextlib.ExitStack() as undo:
            listen, admin = config.listen, config.admin
            phones = sockets.listen(
                listen.address, listen.port, backlog=listen.backlog, section="listen"
            )
            undo.callback(phones.close)
            operations = sockets.listen(admin.address, admin.port, backlog=128, section="admin")
            undo.pop_all()
        return cls(phones=phones, admin=operations)

    def close(self) -> None:
        """Close both."""
        self.phones.close()
        self.admin.close()


def worker_count(config: Config) -> int:
    """How many workers run: as configured, or one for each core that this process may use."""
    return config.listen.workers or len(os.sched_getaffinity(0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What the supervisor runs.

    Attributes:
        config: the absolute path of the config.toml that the children read; None is the defaults.
        workers: how many of them.
        worker, control: the commands that `ProcessArguments` are appended to.
        drain_seconds: how long workers, and then control, may take to end after SIGTERM.
    """

    config: Path | None
    workers: int
    worker: Sequence[str] = WORKER
    control: Sequence[str] = CONTROL
    drain_seconds: float = DRAIN_SECONDS


class Supervisor:
    """Keeps the workers and one control process of `plan` running; owns `listeners` from now on."""

    def __init__(self, *, listeners: Listeners, plan: Plan) -> None:
        self._listeners = listeners
        self._plan = plan
        self._reading, writing = open_channel()
        self._writing_fd = writing.fileno()
        self._sender = Sender(writing.detach())
        self._lifeline, self._lifeline_held = os.pipe()
        self._stop = asyncio.Event()
        self._tasks = Tasks()
        self._workers = [self._kept(plan.worker, n) for n in range(1, plan.workers + 1)]
        self._control = self._kept(plan.control, 0)

    async def run(self) -> bool:
        """Run until SIGTERM or SIGINT; True if every process then ended by itself in time.

        After the first signal workers end first and control last, so that it hears all they have to
        say. A second signal kills what is left.
        """
        _raise_descriptor_limit()
        self._handle_signals()
        _log.info("supervisor.started", workers=self._plan.workers)
        try:
            control = self._tasks.spawn(self._control.keep(), name="keep control")
            workers = [self._tasks.spawn(w.keep(), name=f"keep {w.name}") for w in self._workers]
            await self._stop.wait()
            _log.info("supervisor.draining", drain_seconds=self._plan.drain_seconds)
            await self._end(self._workers, workers)
            await self._end([self._control], [control])
        finally:
            self._close()
        clean = not any(process.killed for process in (*self._workers, self._control))
        _log.info("supervisor.ended", clean=clean)
        return clean

    def _kept(self, command: Sequence[str], number: int) -> KeptProcess:
        """Worker `number`, or control for 0."""
        arguments = ProcessArguments(
            config=self._plan.config,
            listen_fd=(self._listeners.phones if number else self._listeners.admin).fileno(),
            channel_fd=self._writing_fd if number else self._reading.fileno(),
            lifeline_fd=self._lifeline,
            number=number,
            workers=self._plan.workers,
        )
        return KeptProcess(
            name=arguments.name,
            command=[*command, *arguments.to_argv()],
            descriptors=arguments.descriptors,
            started=self._report_restarts,
        )

    def _report_restarts(self) -> None:
        kept = (self._control, *self._workers)
        self._sender.send(restarts_message({process.name: process.restarts for process in kept}))

    def _handle_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopped_by, number)
        loop.add_signal_handler(signal.SIGHUP, self._refuse_reload)

    def _stopped_by(self, number: signal.Signals) -> None:
        _log.info("supervisor.signalled", signal=number.name)
        if self._stop.is_set():
            for process in (*self._workers, self._control):
                process.kill()
        self._stop.set()

    def _refuse_reload(self) -> None:
        _log.warning("reload.unsupported", detail="restart the gateway to read config.toml again")

    async def _end(self, kept: Sequence[KeptProcess], tasks: Sequence[asyncio.Task[None]]) -> None:
        for process in kept:
            process.end()
        _, late = await asyncio.wait(tasks, timeout=self._plan.drain_seconds)
        for process in kept if late else ():
            process.kill()
        if late:
            await asyncio.wait(late)

    def _close(self) -> None:
        """Nothing that a child waits for stays open: what still runs ends by its lifeline."""
        os.close(self._lifeline_held)
        os.close(self._lifeline)
        self._sender.close()
        self._reading.close()
        self._listeners.close()


def _raise_descriptor_limit() -> None:
    """A phone costs two descriptors, and a default of 1024 is for programs that call select()."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
