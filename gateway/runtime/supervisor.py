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
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import structlog

from gateway.config import Config
from gateway.limits.node import Node
from gateway.runtime.forking import Child, start
from gateway.runtime.kept import KeptProcess
from gateway.runtime.listeners import Listeners
from gateway.runtime.process import ProcessArguments
from gateway.runtime.reload import Reload, Source
from gateway.runtime.settings import SettingsWriter
from gateway.runtime.status import Statuses
from gateway.runtime.systemd import Notifier
from gateway.runtime.watch import Watch
from gateway.tasks import Tasks
from gateway.telemetry.channel import Receiver, Sender, open_channel
from gateway.telemetry.messages import reload_message, restarts_message

_log = structlog.get_logger()

DRAIN_SECONDS: Final = 30.0
CONTROL_WAITS_SECONDS: Final = 1.5


def worker_count(config: Config) -> int:
    """How many workers run: as configured, or one for each core that this process may use."""
    return config.listen.workers or len(os.sched_getaffinity(0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What the supervisor runs.

    Attributes:
        config: that the gateway begins with.
        source: of another one, at SIGHUP.
        start: starts the process of these arguments, or raises OSError.
        drain_seconds: how long workers, and then control, may take to end after SIGTERM.
    """

    config: Config
    source: Source
    start: Callable[[ProcessArguments], Child] = start
    drain_seconds: float = DRAIN_SECONDS


class Supervisor:
    """Keeps the workers and one control process of `plan` running; owns `listeners` from now on."""

    def __init__(self, *, listeners: Listeners, plan: Plan, notifier: Notifier) -> None:
        """Raises ConfigError if a file that the configuration names cannot be read."""
        self._settings = SettingsWriter(plan.config)
        self._listeners = listeners
        self._plan = plan
        self._notifier = notifier
        self._reading, writing = open_channel()
        self._writing_fd = writing.fileno()
        self._sender = Sender(writing.detach())
        heard, self._saying = open_channel()
        self._heard = Receiver(heard.detach())
        self._lifeline, self._lifeline_held = os.pipe()
        self._stop = asyncio.Event()
        self._reload_wanted = asyncio.Event()
        self._has_failed = False
        self._tasks = Tasks(failed=self._failed)
        self._quiet = asyncio.Lock()
        count = worker_count(plan.config)
        self._node = Node(workers=count, connections=plan.config.limits.connections)
        workers = range(1, count + 1)
        self._workers = [self._kept(number) for number in workers]
        self._control = self._kept(0)
        self._statuses = Statuses(time.monotonic)
        self._reload = Reload(
            self._settings,
            plan.source,
            statuses=self._statuses,
            kept=[self._control, *self._workers],
            quiet=self._quiet,
        )
        self._watch = Watch(self._statuses, self._workers, self._control, notifier)

    async def run(self) -> bool:
        """Run until SIGTERM or SIGINT; True if every process then ended by itself in time.

        After the first signal workers end first and control last, so that it hears all they have to
        say. A second signal kills what is left. It also ends, with False, when a part of it that
        must last did not: whoever started it starts it again.
        """
        _raise_descriptor_limit()
        self._handle_signals()
        _log.info("supervisor.started", workers=len(self._workers))
        try:
            workers = [self._tasks.spawn(w.keep(), name=f"keep {w.name}") for w in self._workers]
            control = self._tasks.spawn(self._keep_control(), name="keep control")
            beside = Tasks(failed=self._failed)
            beside.spawn(self._hear(), name="hear")
            beside.spawn(self._watch.run(), name="watch")
            beside.spawn(self._reload_when_told(), name="reload")
            await self._stop.wait()
            await beside.close()
            self._notifier.stopping()
            _log.info("supervisor.draining", drain_seconds=self._plan.drain_seconds)
            self._listeners.phones.close()
            await self._end(self._workers, workers)
            await self._end([self._control], [control])
        finally:
            self._close()
        killed = any(process.killed for process in (*self._workers, self._control))
        clean = not (killed or self._has_failed)
        _log.info("supervisor.ended", clean=clean)
        return clean

    def _failed(self) -> None:
        self._has_failed = True
        self._stop.set()

    def _kept(self, number: int) -> KeptProcess:
        """Worker `number`, or control for 0."""
        arguments = ProcessArguments(
            settings_fd=self._settings.fd,
            listen_fd=(self._listeners.phones if number else self._listeners.admin).fileno(),
            channel_fd=self._writing_fd if number else self._reading.fileno(),
            status_fd=self._saying.fileno(),
            lifeline_fd=self._lifeline,
            number=number,
            workers=worker_count(self._plan.config),
            seat=self._node.seat(number) if number else None,
        )
        return KeptProcess(
            name=arguments.name,
            start=partial(self._plan.start, arguments),
            started=self._tell_control,
            ended=partial(self._node.clear, number) if number else None,
            quiet=self._quiet,
        )

    async def _keep_control(self) -> None:
        """No phone waits for control, and its start would take the CPU from the workers'."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CONTROL_WAITS_SECONDS):
                await self._watch.workers_serve()
        await self._control.keep()

    def _tell_control(self) -> None:
        """Control knows what only the supervisor does; told at every start, as it may be new."""
        kept = (self._control, *self._workers)
        self._sender.send(restarts_message({process.name: process.restarts for process in kept}))
        self._sender.send(reload_message(succeeded=self._reload.succeeded, at=self._reload.at))

    async def _hear(self) -> None:
        async for message in self._heard:
            self._statuses.receive(message)

    async def _reload_when_told(self) -> None:
        while True:
            await self._reload_wanted.wait()
            self._reload_wanted.clear()
            self._notifier.reloading()
            await self._reload.run()
            self._tell_control()
            self._notifier.ready(self._watch.summary())

    def _handle_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopped_by, number)
        loop.add_signal_handler(signal.SIGHUP, self._reload_wanted.set)

    def _stopped_by(self, number: signal.Signals) -> None:
        _log.info("supervisor.signalled", signal=number.name)
        if self._stop.is_set():
            for process in (*self._workers, self._control):
                process.kill()
        self._stop.set()

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
        self._saying.close()
        self._heard.close()
        self._listeners.close()
        self._settings.close()
        self._node.close()
        self._notifier.close()


def _raise_descriptor_limit() -> None:
    """A phone costs two descriptors, and a default of 1024 is for programs that call select()."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
