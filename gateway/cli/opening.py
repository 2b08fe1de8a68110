"""What commands open: the configuration, and the store or the CRLs that it names."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.config import Config, load
from gateway.errors import StateError
from gateway.store.store import Store, open_store

if TYPE_CHECKING:
    from gateway.revocation.engine import RevocationEngine


@contextmanager
def open_state(config_path: Path | None) -> Iterator[tuple[Config, Store]]:
    """The configuration and its store, closed at the end; raises ConfigError or StateError."""
    config = load(config_path)
    with open_store(config.state.directory, config.store) as store:
        yield config, store


def open_revocation(config: Config) -> "RevocationEngine":
    """The CRLs of the configuration; raises StateError."""
    from gateway.revocation.engine import RevocationEngine  # noqa: PLC0415 (loads an HTTP client)

    try:
        return RevocationEngine(config.state.crl_directory, config.revocation)
    except OSError as error:
        raise StateError(f"{config.state.crl_directory}: cannot be made: {error}") from error
