"""`eas-gateway serve`: the gateway in the foreground."""

import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path

import click

from gateway.cli.options import config_option
from gateway.config import DEFAULT_PATH, Config, load
from gateway.errors import ConfigError, GatewayError
from gateway.runtime.supervisor import Listeners, Plan, Supervisor, worker_count
from gateway.store.store import open_store
from gateway.telemetry.logs import configure_logging
from gateway.tls.context import ServerIdentity, root_count


@click.command("serve")
@config_option
def command(config_path: Path | None) -> int:
    """Run the gateway in the foreground, until SIGTERM or Ctrl-C.

    What it lacks is printed before it listens, and the status is then 2; `check` finds more. The
    status is 0 after a clean end, 1 if a process had to be killed.
    """
    config = load(config_path)
    require(config)
    listeners = Listeners.open(config)
    configure_logging(config.log, process="supervisor")
    return 0 if asyncio.run(_supervise(listeners, config, config_path)) else 1


def require(config: Config) -> None:
    """Nothing is missing without which no phone could be served.

    Raises ConfigError with every problem, one a line.
    """
    checks = (_require_identity, _require_upstream, _require_state_directory, _require_root)
    problems = [problem for check in checks if (problem := _problem(check, config))]
    if problems:
        raise ConfigError("\n".join(problems))


def _problem(check: Callable[[Config], None], config: Config) -> str | None:
    try:
        check(config)
    except GatewayError as error:
        return str(error)
    return None


async def _supervise(listeners: Listeners, config: Config, config_path: Path | None) -> bool:
    path = config_path or (DEFAULT_PATH if DEFAULT_PATH.exists() else None)
    plan = Plan(config=path.absolute() if path else None, workers=worker_count(config))
    return await Supervisor(listeners=listeners, plan=plan).run()


def _require_identity(config: Config) -> None:
    ServerIdentity(config.listen.certificate, config.listen.private_key)


def _require_upstream(config: Config) -> None:
    if not config.upstream:
        raise ConfigError("upstream: name the mail server in an [[upstream]] table")


def _require_state_directory(config: Config) -> None:
    directory = config.state.directory
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            pass
    except OSError as error:
        raise ConfigError(f"state.directory: {directory}: cannot be written: {error}") from error


def _require_root(config: Config) -> None:
    with open_store(config.state.directory) as store:
        store.require_integrity()
        if not root_count(store.authorities.list()):
            raise ConfigError(
                "no root CA is known, so no certificate could be verified; "
                "add one with `eas-gateway ca add --type root --cert FILE --crl URL`"
            )
