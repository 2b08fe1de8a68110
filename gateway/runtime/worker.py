"""A worker process: phones on one side, the mail server on the other, decisions between.

Its event loop never waits for a disk or a resolver: the store and the CRL indexes are looked at in
a thread, and what is new in them is swapped in whole.
"""

import asyncio
import contextlib
import gc
import signal
import socket
import time
import weakref
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog
import uvloop

from gateway.core.decision import Session
from gateway.errors import GatewayError
from gateway.limits.node import NodeLimits
from gateway.proxy.connections import Connections
from gateway.proxy.judge import Judge
from gateway.proxy.observer import Observer
from gateway.proxy.services import Services
from gateway.proxy.upstreams import Upstreams
from gateway.runtime.following import Following, Known
from gateway.runtime.parts import Parts
from gateway.runtime.process import ProcessArguments, end_alone, end_within, watch_lifeline
from gateway.runtime.settings import Settings, generation
from gateway.runtime.status import StatusSender
from gateway.tasks import Tasks
from gateway.telemetry.channel import PatientSender
from gateway.telemetry.counters import Counters
from gateway.telemetry.logs import configure_logging
from gateway.tls.context import root_count
from gateway.tls.listener import Listener

_log = structlog.get_logger()

_TICK_SECONDS = 1.0
_POLL_SECONDS = 0.2
_GC_THRESHOLDS = (20_000, 20, 50)
_DRAIN_SECONDS = 20.0
"""How long requests that are under way at SIGTERM may take; shorter than the supervisor waits."""

_ALONE_SECONDS = 0.9
"""How long a worker outlives its supervisor: the next one wants the port."""

_ALONE_DRAIN_SECONDS = 0.3

_LAST_WORDS_SECONDS = 1.0
"""How long control may take to make room for what the worker has said."""


@dataclass(slots=True)
class _Running:
    """What a worker serves with; swapped in place."""

    parts: Parts
    known: Known
    services: Services
    keeping: "asyncio.Task[None]"


class Worker:
    """One worker, from its start to its end."""

    def __init__(self, arguments: ProcessArguments, settings: Settings) -> None:
        """Read what must be readable; raises GatewayError."""
        self._arguments = arguments
        self._settings = settings
        self._tasks = Tasks()
        self._lasting = Tasks(failed=self._failed)
        self._has_failed = False
        self._heard = time.monotonic()
        self._stop = asyncio.Event()
        self._drain_seconds = _DRAIN_SECONDS
        self._services: Services | None = None  # once it serves
        self._following = Following(settings.config)
        self._counters = Counters()
        self._sender = PatientSender(arguments.channel_fd)
        self._observer = Observer(self._counters, self._sender, arguments.number)
        self._parts = Parts.build(settings.config, self._tasks, self._observer.host)
        if arguments.seat is None:
            raise AssertionError("a worker has a seat")
        self._node = NodeLimits(
            arguments.seat, settings.config.limits, self._counters, say=self._observer.say
        )
        self._status = StatusSender(arguments.status_fd, arguments.name, settings.generation)
        self._retired: weakref.WeakSet[Upstreams] = weakref.WeakSet()

    async def run(self) -> bool:
        """Serve until SIGTERM, or until the supervisor is gone; raises GatewayError.

        False if it ended because a part of it that must last did not.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        watch_lifeline(self._arguments.lifeline_fd, self._alone)
        running = await self._begin()
        self._services = running.services
        connections = Connections(running.services)
        self._node.hear()
        server = await loop.create_server(
            connections.accept,
            sock=socket.socket(fileno=self._arguments.listen_fd),
            backlog=self._settings.config.listen.backlog,
        )
        self._lasting.spawn(self._follow(running, connections), name="follow")
        self._lasting.spawn(self._tick(running, connections), name="tick")
        self._lasting.spawn(self._judge_over(connections), name="judge again")
        _settle_memory()
        _log.info("worker.started", mailboxes=running.known.snapshot.mailbox_count)
        await self._stop.wait()
        server.close()
        await connections.drain(self._drain_seconds)
        running.services.upstreams.close()
        self._observer.flush()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._sender.drain(), _LAST_WORDS_SECONDS)
        await self._lasting.close()
        await self._tasks.close()
        await self._following.close()
        _log.info("worker.ended")
        return not self._has_failed

    def _alone(self) -> None:
        """The supervisor is gone: whoever starts the next one waits for the port."""
        end_alone(_ALONE_SECONDS)
        if self._services is not None:
            self._services.puts_off = True
        self._drain_seconds = _ALONE_DRAIN_SECONDS
        self._stop.set()

    def _failed(self) -> None:
        """Without news or time limits nobody may be served: another worker takes the place."""
        self._has_failed = True
        end_within(_ALONE_SECONDS)
        self._drain_seconds = _ALONE_DRAIN_SECONDS
        self._stop.set()

    async def _begin(self) -> _Running:
        parts = self._parts
        known = await self._following.poll()
        if known is None:
            raise AssertionError("the first poll tells what is known")
        self._observer.hosts(parts.upstreams.urls())
        await self._resolve(parts.upstreams)
        services = Services(
            listener=_listener(parts, known),
            judge=Judge(parts.rules, known.snapshot, known.revocation),
            observer=self._observer,
            node=self._node,
            clock=time.time,
            **parts.services(),
        )
        keeping = self._lasting.spawn(parts.upstreams.keep(), name="keep upstreams")
        return _Running(parts, known, services, keeping)

    async def _resolve(self, upstreams: Upstreams) -> None:
        """A name that has no address yet must not keep the worker from starting."""
        for problem in await upstreams.resolve():
            _log.warning("upstream.unresolved", detail=problem)

    async def _follow(self, running: _Running, connections: Connections) -> None:
        """Swap in what is new, and note when all that is to be known was last known."""
        silent = False
        while True:
            await asyncio.sleep(_POLL_SECONDS)
            if not silent:
                await self._follow_settings(running)
            asked = time.monotonic()
            try:
                news = await self._following.poll()
            except GatewayError as error:
                if not silent:
                    self._observer.log("store.unavailable", "", level="error", detail=str(error))
                silent = True
                continue
            available = running.services.judge.available
            if news is not None and not news.is_whole:
                if available:  # who is refused stays so until the CRLs are known, too
                    await self._use(running, connections, news)
                continue
            self._heard, silent = asked, False
            if news is not None or not available:
                await self._use(running, connections, news or running.known)

    def _suspend_if_stale(self, running: _Running) -> None:
        """Without any word for too long, refuse everybody; a look that hangs brings none either."""
        patience = running.parts.config.state.max_staleness_seconds
        if time.monotonic() - self._heard > patience:
            running.services.judge.suspend()

    async def _use(self, running: _Running, connections: Connections, news: Known) -> None:
        """Decide by `news` from now on; whom it cuts off has been on return."""
        services, before = running.services, running.known.snapshot.authorities
        if news.snapshot.authorities is not before:
            services.listener = _listener(running.parts, news)
        running.known = news
        change = await connections.follow(news.snapshot, news.revocation)
        if change.valid_from is not None:
            services.listener.outdate(change.valid_from)
            self._renew_listener(running)

    def _renew_listener(self, running: _Running) -> None:
        """Issue tickets anew if those that phones have are no longer good."""
        if running.services.listener.is_old(datetime.now(UTC)):
            running.services.listener = _listener(running.parts, running.known)

    async def _follow_settings(self, running: _Running) -> None:
        """Go over to what the supervisor has found right, if it has anything new."""
        number = generation(self._arguments.settings_fd)
        if number == self._settings.generation:
            return
        try:
            settings = await asyncio.to_thread(Settings, self._arguments.settings_fd)
            parts = await asyncio.to_thread(
                Parts.build, settings.config, self._tasks, self._observer.host
            )
            await self._resolve(parts.upstreams)
            self._swap(running, parts)
        except GatewayError as error:
            self._status.refuse(number, str(error))
            return
        self._settings.close()
        self._settings = settings
        self._status.took(settings.generation)

    def _swap(self, running: _Running, parts: Parts) -> None:
        """New requests go by `parts`; those under way end as they began. No await: all or none."""
        services, known = running.services, running.known
        listener = _listener(parts, known)
        judge = Judge(parts.rules, known.snapshot, known.revocation)
        judge.epoch = services.judge.epoch + 1  # so that every verdict is made again
        if not services.judge.available:
            judge.suspend()
        old = services.upstreams
        parts.replace_in(services)
        services.listener, services.judge = listener, judge
        running.parts = parts
        running.keeping.cancel()
        running.keeping = self._lasting.spawn(parts.upstreams.keep(), name="keep upstreams")
        self._observer.hosts(parts.upstreams.urls())
        self._following.reconfigure(parts.config)
        old.close()
        self._retired.add(old)

    async def _judge_over(self, connections: Connections) -> None:
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            await connections.judge_over()

    async def _tick(self, running: _Running, connections: Connections) -> None:
        """Once a second: time limits, and the totals for operations."""
        due = time.monotonic()
        while True:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            now = time.monotonic()
            self._counters.loop_lag_seconds = max(0.0, now - due)
            due = now + _TICK_SECONDS
            self._suspend_if_stale(running)
            self._counters.serves = _serves(running)
            self._node.tick()
            connections.sweep()
            self._renew_listener(running)
            for upstreams in tuple(self._retired):
                upstreams.sweep(now)
            self._observer.flush()
            self._status.report()


def _listener(parts: Parts, known: Known) -> Listener:
    snapshot = known.snapshot
    born = Session(datetime.now(UTC), snapshot.change_id)
    return parts.listener(snapshot.authorities.values(), born)


def _serves(running: _Running) -> bool:
    """Whether anybody can be let in."""
    authorities = running.known.snapshot.authorities.values()
    return running.services.judge.available and root_count(authorities) > 0


def _settle_memory() -> None:
    """What is here now stays: the collector need not walk it."""
    gc.collect()
    gc.freeze()


def main(arguments: ProcessArguments) -> int:
    """Be a worker; returns 2, with a line in the log, when it cannot begin, 1 when it fails."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # the supervisor reloads for all of them
    gc.set_threshold(*_GC_THRESHOLDS)  # the collector comes less often than by default
    try:
        settings = Settings(arguments.settings_fd)
        configure_logging(settings.config.log, process=arguments.name)
        ended_as_told = uvloop.run(Worker(arguments, settings).run())
    except GatewayError as error:
        _log.error("worker.failed", detail=str(error))
        return 2
    return 0 if ended_as_told else 1
