"""A worker process: phones on one side, the mail server on the other, decisions between.

Its event loop never waits for a disk or a resolver: the store and the CRL indexes are looked at in
a thread, and what is new in them is swapped in whole.
"""

import asyncio
import gc
import signal
import socket
import sys
import time

import structlog
import uvloop
from OpenSSL import SSL

from gateway.config import Config, Upstream, load
from gateway.core.headers import RequestHeaderFilter, ResponseHeaderFilter
from gateway.credentials.upstream_user import credentials, identity_headers
from gateway.errors import ConfigError, GatewayError, UpstreamError
from gateway.proxy.connections import Connections
from gateway.proxy.exchange import BodyMode
from gateway.proxy.judge import Judge, Rules
from gateway.proxy.observer import Observer
from gateway.proxy.routes import Routes
from gateway.proxy.services import Services
from gateway.proxy.upstream import UpstreamPool
from gateway.runtime.following import Following, Known
from gateway.runtime.process import ProcessArguments, watch_lifeline
from gateway.store.snapshot import Snapshot
from gateway.tasks import Tasks
from gateway.telemetry.channel import Sender
from gateway.telemetry.counters import Counters
from gateway.telemetry.logs import configure_logging
from gateway.tls.context import ServerIdentity, server_context

_log = structlog.get_logger()

_TICK_SECONDS = 1.0
_POLL_SECONDS = 0.2
_GC_THRESHOLDS = (20_000, 20, 50)
_DRAIN_SECONDS = 20.0
"""How long requests that are under way at SIGTERM may take; shorter than the supervisor waits."""


class Worker:
    """One worker, from its start to its end."""

    def __init__(self, arguments: ProcessArguments, config: Config) -> None:
        """Read what must be readable; raises GatewayError."""
        self._config = config
        self._arguments = arguments
        self._tasks = Tasks()
        self._stop = asyncio.Event()
        self._identity = ServerIdentity(config.listen.certificate, config.listen.private_key)
        self._upstream = only_upstream(config)
        self._following = Following(config)
        self._counters = Counters()
        self._observer = Observer(self._counters, Sender(arguments.channel_fd), arguments.number)

    async def run(self) -> None:
        """Serve until SIGTERM, or until the supervisor is gone; raises GatewayError."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        watch_lifeline(self._arguments.lifeline_fd, self._stop.set)
        known = await self._following.poll()
        if known is None:
            raise AssertionError("the first poll tells what is known")
        services = self._services(known)
        await self._resolve(services.pool)
        connections = Connections(services)
        server = await loop.create_server(
            connections.accept,
            sock=socket.socket(fileno=self._arguments.listen_fd),
            backlog=self._config.listen.backlog,
        )
        self._tasks.spawn(services.pool.keep_resolved(), name="resolve")
        self._tasks.spawn(self._follow(services, known), name="follow")
        self._tasks.spawn(self._tick(connections), name="tick")
        _settle_memory()
        _log.info("worker.started", mailboxes=known.snapshot.mailbox_count)
        await self._stop.wait()
        server.close()
        await connections.drain(_DRAIN_SECONDS)
        services.pool.close()
        self._observer.flush()
        await self._tasks.close()
        await self._following.close()
        _log.info("worker.ended")

    def _services(self, known: Known) -> Services:
        config, upstream = self._config, self._upstream
        buffered = upstream.request_body == "buffer"
        limits = config.limits
        return Services(
            context=self._context(known.snapshot),
            judge=Judge(
                Rules(config.identity.username_bindings, config.revocation.reauthentication),
                known.snapshot,
                known.revocation,
            ),
            pool=UpstreamPool(upstream, self._tasks),
            routes=Routes(upstream),
            request_filter=RequestHeaderFilter(identity_headers(upstream)),
            response_filter=ResponseHeaderFilter(),
            credentials=credentials(upstream),
            observer=self._observer,
            limits=limits,
            body_mode=BodyMode(upstream.request_body),
            body_limit=(
                min(limits.body_bytes, upstream.buffer_limit_bytes)
                if buffered
                else limits.body_bytes
            ),
            handshake_timeout_seconds=config.tls.handshake_timeout_seconds,
            response_timeout_seconds=upstream.response_timeout_seconds,
            clock=time.time,
        )

    def _context(self, snapshot: Snapshot) -> SSL.Context:
        return server_context(
            self._identity,
            snapshot.authorities.values(),
            minimum_version=self._config.tls.minimum_version,
        )

    async def _resolve(self, pool: UpstreamPool) -> None:
        """A name that has no address yet must not keep the worker from starting."""
        try:
            await pool.resolve()
        except UpstreamError as error:
            _log.warning("upstream.unresolved", detail=str(error))

    async def _follow(self, services: Services, known: Known) -> None:
        """Swap in what is new; without any word for too long, refuse everybody."""
        heard = time.monotonic()
        silent = False
        while True:
            await asyncio.sleep(_POLL_SECONDS)
            try:
                news = await self._following.poll()
            except GatewayError as error:
                if not silent:
                    self._observer.log("store.unavailable", "", detail=str(error))
                silent = True
                if time.monotonic() - heard > self._config.state.max_staleness_seconds:
                    services.judge.suspend()
                continue
            heard = time.monotonic()
            if news is None and not silent:
                continue
            silent = False
            if news is not None and news.snapshot.authorities is not known.snapshot.authorities:
                services.context = self._context(news.snapshot)
            known = news or known
            services.judge.update(known.snapshot, known.revocation)

    async def _tick(self, connections: Connections) -> None:
        """Once a second: time limits, and the totals for operations."""
        due = time.monotonic() + _TICK_SECONDS
        while True:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            self._counters.loop_lag_seconds = max(0.0, time.monotonic() - due)
            due = time.monotonic() + _TICK_SECONDS
            connections.sweep()
            self._observer.flush()


def _settle_memory() -> None:
    """What is here now stays: the collector need not walk it, nor come as often as by default."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)


def only_upstream(config: Config) -> Upstream:
    """The upstream that every mailbox is served by; raises ConfigError if there is none."""
    if not config.upstream:
        raise ConfigError(
            "upstream: add an [[upstream]] table: the mail server to pass requests to"
        )
    return config.upstream[0]


def main() -> None:
    """Be a worker; ends with code 2 and a line in the log when it cannot begin."""
    arguments = ProcessArguments.from_argv()
    try:
        config = load(arguments.config)
        configure_logging(config.log, process=arguments.name)
        uvloop.run(Worker(arguments, config).run())
    except GatewayError as error:
        _log.error("worker.failed", detail=str(error))
        sys.exit(2)


if __name__ == "__main__":
    main()
