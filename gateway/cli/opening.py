"""What commands open: the configuration, and the store or the CRLs that it names."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.config import Config, load
from gateway.errors import StateError
from gateway.store.store import Store, open_store, store_exists

if TYPE_CHECKING:
    from gateway.revocation.engine import RevocationEngine


@contextmanager
def open_state(config_path: Path | None, *, create: bool = False) -> Iterator[tuple[Config, Store]]:
    """The configuration and its store, closed at the end; raises ConfigError or StateError.

    A store is made only with `create`: in place of one that was lost, an empty one would hide
    that it is lost, and a running gateway would go by it.
    """
    config = load(config_path)
    directory = config.state.directory
    if not create and not store_exists(directory, config.store):
        place = directory if config.store.url == "sqlite" else "the database of store.url"
        raise StateError(f"{place} has no store yet; `eas-gateway ca add` makes one")
    with open_store(directory, config.store) as store:
        yield config, store


def open_revocation(config: Config) -> "RevocationEngine":
    """The CRLs of the configuration; raises StateError."""
    from gateway.revocation.engine import RevocationEngine  # noqa: PLC0415 (loads an HTTP client)

    try:
        return RevocationEngine(config.state.crl_directory, config.revocation)
    except OSError as error:
        raise StateError(f"{config.state.crl_directory}: cannot be made: {error}") from error
