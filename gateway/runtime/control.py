"""The control process: all that may wait for a disk or the network.

It fetches CRLs, writes the audit trail and the log lines of the workers, tidies the store, and
answers operations on the admin listener. No phone waits for it: it may die and come back.
"""

import asyncio
import signal
import socket
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import structlog
from aiohttp import web
from prometheus_client import CollectorRegistry

from gateway.admin.api import create_application
from gateway.admin.metrics import GatewayCollector
from gateway.admin.reports import FRESH_SECONDS, Reports
from gateway.errors import GatewayError
from gateway.revocation.engine import RevocationEngine
from gateway.revocation.schedule import RefreshSchedule
from gateway.runtime.batch_writer import BatchWriter
from gateway.runtime.crl_facts import CrlWatch
from gateway.runtime.housekeeping import keep_house
from gateway.runtime.inbox import Inbox
from gateway.runtime.process import ProcessArguments, end_alone, end_within, watch_lifeline
from gateway.runtime.settings import Settings, generation
from gateway.runtime.status import StatusSender
from gateway.runtime.store_watch import StoreWatch
from gateway.store.certificates import SeenCertificate
from gateway.store.devices import DeviceEvent
from gateway.store.store import Store, open_store
from gateway.tasks import Tasks
from gateway.telemetry.audit import AuditRecord
from gateway.telemetry.channel import Receiver
from gateway.telemetry.logs import configure_logging

_log = structlog.get_logger()

_REPORT_SECONDS: Final = 1.0
_FOLLOW_SECONDS: Final = 0.2
_ALONE_SECONDS: Final = 5.0
"""How long control may take to store what it has heard once its supervisor is gone."""

_LAST_ROUNDS: Final = 1000
"""Of reading the channel at the end, should somebody still write into it."""


class Control:
    """The parts of the control process, joined; `store` and `engine` stay the caller's."""

    def __init__(self, arguments: ProcessArguments, settings: Settings, store: Store) -> None:
        self._arguments = arguments
        self._settings = settings
        self._status = StatusSender(arguments.status_fd, arguments.name, settings.generation)
        self._stop = asyncio.Event()
        self._has_failed = False
        self._tasks = Tasks(failed=self._failed)
        self._writing = Tasks(failed=self._failed)
        self._store = store
        self._audit: BatchWriter[AuditRecord] = BatchWriter("audit records", self._append)
        self._seen: BatchWriter[SeenCertificate] = BatchWriter(
            "seen certificates", store.certificates.record_seen
        )
        self._devices: BatchWriter[DeviceEvent] = BatchWriter("devices", self._record)
        self._reports = Reports(workers=arguments.workers, clock=time.monotonic)
        self._routes: BatchWriter[tuple[str, str]] = BatchWriter("upstreams", self._route)
        self._inbox = Inbox(
            reports=self._reports,
            audit=self._audit.add,
            seen=self._seen.add,
            devices=self._devices.add,
            route=self._routes.add,
        )
        self._receiver = Receiver(arguments.channel_fd)
        self._watch = StoreWatch(store)
        self._refreshing = Tasks(failed=self._failed)
        self._build(settings)

    async def run(self) -> bool:
        """Work until SIGTERM, or until the supervisor is gone; then store what was received.

        False if it ended because a part of it that must last did not.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        watch_lifeline(self._arguments.lifeline_fd, self._alone)
        await self._watch.look()
        writing = [
            self._writing.spawn(self._audit.run(), name="write audit records"),
            self._writing.spawn(self._seen.run(), name="write seen certificates"),
            self._writing.spawn(self._devices.run(), name="write devices"),
            self._writing.spawn(self._routes.run(), name="write upstreams"),
        ]
        self._tasks.spawn(self._receive(), name="receive")
        self._tasks.spawn(self._watch.run(revoked=self._revoked), name="watch the store")
        self._refresh()
        self._tasks.spawn(self._watch.compare_clocks(), name="compare clocks")
        self._tasks.spawn(keep_house(self._store), name="keep house")
        runner = await self._listen()
        self._tasks.spawn(self._follow_settings(), name="follow settings")
        self._tasks.spawn(self._report(), name="report")
        _log.info("control.started", authorities=len(self._watch.authorities))
        await self._stop.wait()
        await runner.cleanup()
        await self._tasks.close()
        await self._refreshing.close()
        self._receive_rest()
        self._audit.close()
        self._seen.close()
        self._devices.close()
        self._routes.close()
        await asyncio.gather(*writing, return_exceptions=True)  # a failure has been logged
        self._watch.close()
        _log.info("control.ended")
        return not self._has_failed

    def _alone(self) -> None:
        end_alone(_ALONE_SECONDS)
        self._stop.set()

    def _failed(self) -> None:
        """Half of it would go unnoticed: the next control process does all of it."""
        self._has_failed = True
        end_within(_ALONE_SECONDS)
        self._stop.set()

    def _build(self, settings: Settings) -> None:
        """What asks for CRLs, by `settings`."""
        revocation = settings.config.revocation
        engine = RevocationEngine(settings.config.state.crl_directory, revocation)
        self._crls = CrlWatch(engine, lambda: self._watch.authorities)
        self._schedule = RefreshSchedule(
            engine,
            revocation,
            lambda: self._watch.authorities,
            refreshed=self._crls.refreshed,
        )

    def _refresh(self) -> None:
        self._refreshing.spawn(self._schedule.run(), name="refresh CRLs")
        self._refreshing.spawn(self._crls.run(), name="watch CRLs")

    def _revoked(self) -> None:
        self._schedule.request()

    async def _report(self) -> None:
        while True:
            self._status.report()
            await asyncio.sleep(_REPORT_SECONDS)

    async def _follow_settings(self) -> None:
        """Go over to what the supervisor has found right, whenever it has anything new."""
        while True:
            await asyncio.sleep(_FOLLOW_SECONDS)
            number = generation(self._arguments.settings_fd)
            if number == self._settings.generation:
                continue
            try:
                settings = await asyncio.to_thread(Settings, self._arguments.settings_fd)
            except GatewayError as error:
                self._status.refuse(number, str(error))
                continue
            before, self._settings = self._settings, settings
            if settings.config.revocation != before.config.revocation:
                await self._refreshing.close()
                self._build(settings)
                self._refresh()
            before.close()
            self._status.took(settings.generation)

    def missing(self) -> Sequence[str]:
        """What the gateway lacks to serve, a sentence each."""
        lacks = [
            f"worker {number} has not reported for {FRESH_SECONDS:g} s"
            for number in self._reports.silent()
        ]
        lacks += [
            f"worker {number} lets nobody in: {self._watch.obstacle}"
            for number, report in self._reports.alive().items()
            if not report.counters.serves
        ]
        return lacks

    async def _receive(self) -> None:
        async for message in self._receiver:
            self._inbox.receive(message)

    def _receive_rest(self) -> None:
        for _ in range(_LAST_ROUNDS):
            messages = list(self._receiver.pending())
            for message in messages:
                self._inbox.receive(message)
            if not messages:
                return

    def _append(self, records: Sequence[AuditRecord]) -> None:
        self._store.audit.append([record.to_json() for record in records])

    def _record(self, events: Sequence[DeviceEvent]) -> None:
        most = self._settings.config.devices.policy.most_partnerships
        self._store.devices.record(events, most=most)

    def _route(self, routes: Sequence[tuple[str, str]]) -> None:
        """Each mailbox is served by the upstream of that name; the last word counts."""
        for key, upstream in dict(routes).items():
            self._store.mailboxes.route(key, upstream)

    async def _listen(self) -> web.AppRunner:
        registry = CollectorRegistry()
        registry.register(
            GatewayCollector(
                reports=self._reports,
                crls=lambda: self._crls.facts,
                dropped=lambda: self._audit.dropped,
                clock=lambda: datetime.now(UTC),
                ahead=lambda: self._watch.ahead,
            )
        )
        application = create_application(registry=registry, missing=self.missing)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        await web.SockSite(runner, socket.socket(fileno=self._arguments.listen_fd)).start()
        return runner


async def _run(arguments: ProcessArguments, settings: Settings) -> bool:
    config = settings.config
    with open_store(config.state.directory, config.store, create=False) as store:
        return await Control(arguments, settings, store).run()


def main(arguments: ProcessArguments) -> int:
    """Be the control process; returns 1, with a line in the log, if it cannot run."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # the supervisor reloads for all processes
    try:
        settings = Settings(arguments.settings_fd)
        configure_logging(settings.config.log, process=arguments.name)
        ended_as_told = asyncio.run(_run(arguments, settings))
    except (GatewayError, OSError) as error:
        _log.error("control.failed", detail=str(error))
        return 1
    return 0 if ended_as_told else 1
