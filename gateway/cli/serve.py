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
    path = configuration_file(config_path)
    config = load(path)
    require(config)
    listeners = Listeners.open(config)
    configure_logging(config.log, process="supervisor")
    return 0 if asyncio.run(_supervise(listeners, config, path)) else 1


def configuration_file(given: Path | None) -> Path | None:
    """The absolute path of what is read now and again at SIGHUP: `given`, or ./config.toml.

    None if neither is there; the defaults are then the configuration, also at SIGHUP.
    """
    path = given or (DEFAULT_PATH if DEFAULT_PATH.exists() else None)
    return path and path.absolute()


async def _supervise(listeners: Listeners, config: Config, path: Path | None) -> bool:
    source = Source(load=partial(load, path), check=partial(require, integrity=False))
    plan = Plan(config=config, source=source)
    notifier = Notifier.from_environment()
    return await Supervisor(listeners=listeners, plan=plan, notifier=notifier).run()
