"""`probe --watch`: the probe again and again, with metrics, until SIGTERM or Ctrl-C."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

import click
from aiohttp import web
from prometheus_client import CollectorRegistry

from gateway.admin.api import create_application
from gateway.cli.probe_output import summary
from gateway.errors import ConfigError
from gateway.probe.monitor import Monitor
from gateway.probe.step import Report, Step
from gateway.probe.words import moment
from gateway.tasks import Tasks


@dataclass(frozen=True, slots=True)
class Watch:
    """How often the probe begins, in seconds, and where the metrics are."""

    seconds: float
    address: str
    port: int


class Silent:
    """Progress that nobody watches."""

    def begun(self, title: str) -> None:
        """Nothing is shown."""

    def ended(self, step: Step) -> None:
        """Nothing is shown."""


async def watch(probe: Callable[[], Awaitable[Report]], how: Watch) -> None:
    """Probe every so many seconds until told to end.

    Raises ConfigError if the port is taken, and what a probe raises.
    """
    monitor, stop = Monitor(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    tasks = Tasks(failed=stop.set)
    async with AsyncExitStack() as stack:
        await _serve(stack, monitor, how)
        stack.push_async_callback(tasks.close)
        repeating = tasks.spawn(_repeat(probe, monitor, how.seconds), name="probe")
        await stop.wait()
        if repeating.done():
            repeating.result()


async def _repeat(probe: Callable[[], Awaitable[Report]], monitor: Monitor, seconds: float) -> None:
    loop = asyncio.get_running_loop()
    while True:
        next_time = loop.time() + seconds
        report = await probe()
        monitor.record(report)
        click.echo(f"{moment(report.began)}  {report.outcome.value:<8}{summary(report)}")
        await asyncio.sleep(max(0.0, next_time - loop.time()))


async def _serve(stack: AsyncExitStack, monitor: Monitor, how: Watch) -> None:
    registry = CollectorRegistry()
    registry.register(monitor)
    application = create_application(registry=registry, missing=monitor.missing)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    try:
        await web.TCPSite(runner, how.address, how.port).start()
    except OSError as error:
        words = f"--metrics-port: {how.address} port {how.port} cannot be used: {error.strerror}"
        raise ConfigError(words) from error
