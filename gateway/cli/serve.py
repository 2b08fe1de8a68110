"""`eas-gateway serve`: the gateway in the foreground."""

import asyncio
from functools import partial
from pathlib import Path

import click

from gateway.cli.options import config_option
from gateway.config import DEFAULT_PATH, Config, load
from gateway.runtime.listeners import Listeners
from gateway.runtime.reload import Source
from gateway.runtime.requirements import require
from gateway.runtime.supervisor import Plan, Supervisor
from gateway.runtime.systemd import Notifier
from gateway.telemetry.logs import configure_logging


@click.command("serve")
@config_option
def command(config_path: Path | None) -> int:
    """Run the gateway in the foreground, until SIGTERM or Ctrl-C.

    What it lacks is printed before it listens, and the status is then 2; `check` finds more. The
    status is 0 after a clean end, 1 if a process had to be killed. SIGHUP reads the configuration,
    certificates and keys again; if anything is wrong with them, all goes on as before.
    """
    path = config_path or (DEFAULT_PATH if DEFAULT_PATH.exists() else None)
    path = path and path.absolute()  # read again at SIGHUP
    config = load(path)
    require(config)
    listeners = Listeners.open(config)
    configure_logging(config.log, process="supervisor")
    return 0 if asyncio.run(_supervise(listeners, config, path)) else 1


async def _supervise(listeners: Listeners, config: Config, path: Path | None) -> bool:
    source = Source(load=partial(load, path), check=partial(require, integrity=False))
    plan = Plan(config=config, source=source)
    notifier = Notifier.from_environment()
    return await Supervisor(listeners=listeners, plan=plan, notifier=notifier).run()
