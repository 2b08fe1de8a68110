"""A supervisor over `child.py`, for tests.

supervise.py WORKER_MODE CONTROL_MODE DRAIN_SECONDS
"""

import asyncio
import os
import sys
from functools import partial
from pathlib import Path

from gateway.config import Admin, Config, Listen, Log
from gateway.errors import ConfigError
from gateway.runtime.forking import Forked, fork
from gateway.runtime.listeners import Listeners
from gateway.runtime.process import ProcessArguments
from gateway.runtime.reload import Source
from gateway.runtime.supervisor import Plan, Supervisor
from gateway.runtime.systemd import Notifier
from gateway.telemetry.logs import configure_logging
from tests.runtime import child


def load() -> Config:
    """Two workers on free ports; the certificate's file is this one, so that there is one."""
    here = Path(__file__).absolute()
    listen = Listen(address="127.0.0.1", port=0, workers=2, certificate=here, private_key=here)
    return Config(listen=listen, admin=Admin(port=0))


def check(_config: Config) -> None:
    """A reload is refused, or breaks, if the environment says so."""
    if detail := os.environ.get("REFUSE"):
        raise ConfigError(detail)
    _break("reload")


def _break(part: str) -> None:
    """What nobody thought of, in the part of the supervisor that the environment names."""
    if os.environ.get("BREAK") == part:
        raise RuntimeError(part)


class _Notifier(Notifier):
    def ready(self, status: str) -> None:
        """The gateway serves."""
        _break("watch")
        super().ready(status)


def start(worker_mode: str, control_mode: str, arguments: ProcessArguments) -> Forked:
    """A child of that mode."""
    _break("keep")
    mode = worker_mode if arguments.number else control_mode
    main = partial(child.main, mode, arguments)
    return Forked(fork(main, arguments.descriptors, arguments.name))


async def run(worker_mode: str, control_mode: str, drain_seconds: float) -> bool:
    """Supervise."""
    config = load()
    plan = Plan(
        config=config,
        source=Source(load, check),
        start=partial(start, worker_mode, control_mode),
        drain_seconds=drain_seconds,
    )
    listeners, notifier = Listeners.open(config), _Notifier.from_environment()
    return await Supervisor(listeners=listeners, plan=plan, notifier=notifier).run()


if __name__ == "__main__":
    configure_logging(Log(), process="supervisor")
    sys.exit(0 if asyncio.run(run(sys.argv[1], sys.argv[2], float(sys.argv[3]))) else 1)
