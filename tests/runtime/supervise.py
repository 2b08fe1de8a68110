"""A supervisor over `child.py`, for tests.

supervise.py WORKER_MODE CONTROL_MODE DRAIN_SECONDS
"""

import asyncio
import sys
from pathlib import Path

from gateway.config import Admin, Config, Listen, Log
from gateway.runtime.supervisor import Listeners, Plan, Supervisor
from gateway.telemetry.logs import configure_logging

CHILD = (sys.executable, str(Path(__file__).with_name("child.py")))


async def run(worker_mode: str, control_mode: str, drain_seconds: float) -> bool:
    """Supervise two workers on free ports."""
    config = Config(listen=Listen(address="127.0.0.1", port=0), admin=Admin(port=0))
    plan = Plan(
        config=Path("/nowhere/config.toml"),
        workers=2,
        worker=(*CHILD, worker_mode),
        control=(*CHILD, control_mode),
        drain_seconds=drain_seconds,
    )
    return await Supervisor(listeners=Listeners.open(config), plan=plan).run()


if __name__ == "__main__":
    configure_logging(Log(), process="supervisor")
    sys.exit(0 if asyncio.run(run(sys.argv[1], sys.argv[2], float(sys.argv[3]))) else 1)
