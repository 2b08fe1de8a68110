"""`eas-gateway ca import` and `ca export`: records move from and to Entra."""

from pathlib import Path

import click

from gateway.cli.ca_entra import azuread, graph, read_records
from gateway.cli.ca_refresh import fetch_now
from gateway.cli.opening import open_state
from gateway.cli.options import config_option
from gateway.cli.tables import print_json
from gateway.errors import StateError
from gateway.store.authority_import import import_authorities

_FORMS = {"azuread": azuread, "graph": graph}


@click.command("import")
@config_option
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE")
def import_(config_path: Path | None, file: Path) -> None:
    """Take over CA records from Entra, all of FILE or none.

    FILE is JSON as the AzureAD cmdlets or Microsoft Graph print it. CAs that are records already
    get the URLs of the file; CAs that it does not name stay.
    """
    try:
        content = file.read_bytes()
    except OSError as error:
        raise StateError(f"{file}: cannot be read: {error.strerror}") from error
    try:
        rows = read_records(content)
        with open_state(config_path, create=True) as (config, store):
            done = import_authorities(store.database, rows)
            touched = {*done.added, *done.changed}
            records = [one for one in store.authorities.list() if one.id in touched]
    except StateError as error:
        lines = str(error).splitlines()
        raise StateError("\n".join(f"{file}: {line}" for line in lines)) from error
    click.echo(
        f"{len(done.added)} added, {len(done.changed)} changed, {len(done.unchanged)} unchanged"
    )
    fetch_now(config, records)


@click.command()
@config_option
@click.option(
    "--format",
    "form",
    type=click.Choice(tuple(_FORMS)),
    default="azuread",
    show_default=True,
    help="The names of the AzureAD cmdlets, or those of Microsoft Graph.",
)
def export(config_path: Path | None, form: str) -> None:
    """Print the CA records as JSON for Entra; what Entra has no field for is left out."""
    with open_state(config_path) as (_, store):
        records = store.authorities.list()
    print_json(_FORMS[form](records))
