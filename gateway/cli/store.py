"""`eas-gateway store`: the database behind the gateway is migrated, backed up, restored, copied."""

from pathlib import Path

import click

from gateway.cli.opening import open_state
from gateway.cli.options import config_option
from gateway.config import Config, StoreLocation, load
from gateway.errors import StateError
from gateway.store.backup import back_up, restore
from gateway.store.copying import Counts, copy_rows
from gateway.store.schema import SCHEMA_VERSION
from gateway.store.store import Store, open_store, store_exists

file_argument = click.argument(
    "file", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE"
)
overwrite_option = click.option(
    "--overwrite", is_flag=True, help="Replace all that the store holds, if it holds anything."
)


@click.group("store")
def command() -> None:
    """Look after the database that CAs, mailboxes, revocations and audit records are in."""


@command.command()
@config_option
def migrate(config_path: Path | None) -> None:
    """Bring the store up to this program's schema, as every other command does, too."""
    with open_state(config_path, create=True) as (_, store):
        store.require_integrity()
        click.echo(f"the store {store.database.name} is whole and has schema {SCHEMA_VERSION}")


@command.command()
@config_option
@file_argument
def backup(config_path: Path | None, file: Path) -> None:
    """Write all that the store holds to a new FILE; the gateway may go on meanwhile.

    FILE is an SQLite database, whichever the store is. It holds no CRLs, which come anew, and no
    keys.
    """
    with _opened(load(config_path)) as store:
        counts = back_up(store, file)
    click.echo(f"{file}: {_text(counts)}")


@command.command("restore")
@config_option
@overwrite_option
@file_argument
def restore_(config_path: Path | None, file: Path, *, overwrite: bool) -> None:
    """Fill the store from a backup, all of it or, if anything is wrong, nothing.

    A running gateway follows. With --overwrite what the store holds, its audit records too, is
    gone: back it up before.
    """
    with open_state(config_path, create=True) as (_, store):
        counts = restore(store, file, overwrite=overwrite)
        click.echo(f"the store {store.database.name} holds {_text(counts)}")


@command.command()
@config_option
@overwrite_option
@click.option("--from", "source_url", required=True, metavar="URL", help="The store to read.")
@click.option("--to", "target_url", required=True, metavar="URL", help="The store to fill.")
def copy(config_path: Path | None, source_url: str, target_url: str, *, overwrite: bool) -> None:
    """Fill one store from another, all of it or, if anything is wrong, nothing.

    A URL is what store.url may be: sqlite is the file in the state directory. What is written to
    the first store after its reading began is not in the other.
    """
    config = load(config_path)
    source_at, target_at = (_location(config, url) for url in (source_url, target_url))
    if source_at.url == target_at.url:
        raise click.UsageError("--from and --to are the same store")
    with (
        _opened(config, source_at) as source,
        open_store(config.state.directory, target_at) as target,
    ):
        counts = copy_rows(source, target, overwrite=overwrite)
        click.echo(f"the store {target.database.name} holds {_text(counts)}")
    if config.store.url != target_at.url:
        click.echo("to use it, set store.url in the configuration and restart the gateway")


def _opened(config: Config, location: StoreLocation | None = None) -> Store:
    """A store that is there already: one that was made just now would be an empty backup."""
    location = location or config.store
    directory = config.state.directory
    if not store_exists(directory, location):
        place = directory if location.url == "sqlite" else "that database"
        raise StateError(f"there is no store in {place}")
    return open_store(directory, location)


def _location(config: Config, url: str) -> StoreLocation:
    """Where `url` is; the configuration's own with its password file."""
    if url == config.store.url:
        return config.store
    try:
        return StoreLocation(url=url)
    except ValueError as error:
        raise click.UsageError(
            f"{url!r} is neither sqlite nor postgresql://USER@HOST/DB"
        ) from error


def _text(counts: Counts) -> str:
    held = [f"{number} {name.replace('_', ' ')}" for name, number in counts.items() if number]
    return ", ".join(held) or "nothing"
