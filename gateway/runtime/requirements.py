"""What must be right before the gateway serves, or goes over to another configuration."""

import tempfile
from collections.abc import Callable, Sequence

from gateway.config import Config
from gateway.core.authority import Authority
from gateway.errors import ConfigError, GatewayError
from gateway.proxy.upstreams import build_upstreams
from gateway.store.store import open_store, store_exists
from gateway.tasks import Tasks
from gateway.tls.context import ServerIdentity, root_count, server_context


def require(config: Config, *, integrity: bool = True) -> None:
    """Nothing is missing without which no phone could be served.

    `integrity` reads the store whole, but for the audit trail. Raises ConfigError with every
    problem, one a line.
    """
    checks = [_require_identity, _require_upstream, _require_state_directory, _require_root]
    if integrity:
        checks.append(_require_integrity)
    problems = [problem for check in checks if (problem := _problem(check, config))]
    if problems:
        raise ConfigError("\n".join(dict.fromkeys(problems)))


def _problem(check: Callable[[Config], None], config: Config) -> str | None:
    try:
        check(config)
    except GatewayError as error:
        return str(error)
    return None


def _require_identity(config: Config) -> None:
    identity = ServerIdentity(config.listen.certificate, config.listen.private_key)
    server_context(identity, (), minimum_version=config.tls.minimum_version)


def _require_upstream(config: Config) -> None:
    build_upstreams(config, Tasks(), lambda *_: None)


def _require_state_directory(config: Config) -> None:
    directory = config.state.directory
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            pass
    except OSError as error:
        raise ConfigError(f"state.directory: {directory}: cannot be written: {error}") from error


def _require_root(config: Config) -> None:
    directory = config.state.directory
    authorities: Sequence[Authority] = ()
    if store_exists(directory, config.store):
        with open_store(directory, config.store, create=False) as store:
            authorities = store.authorities.list()
    if not root_count(authorities):
        raise ConfigError(
            "no root CA is known, so no certificate could be verified; "
            "add one with `eas-gateway ca add --type root --cert FILE --crl URL`"
        )


def _require_integrity(config: Config) -> None:
    directory = config.state.directory
    if not store_exists(directory, config.store):
        return  # then there is no root, which has been said
    with open_store(directory, config.store, create=False) as store:
        store.require_integrity(trail=False)
