"""`eas-gateway ca`: the certificate authorities whose device certificates are let in."""

import asyncio
from pathlib import Path

import click

from gateway.cli.ca_change import add, set_
from gateway.cli.ca_exchange import export, import_
from gateway.cli.ca_output import list_row, to_json, to_pairs, warnings_of
from gateway.cli.ca_refresh import refresh
from gateway.cli.ca_source import source
from gateway.cli.opening import open_revocation, open_state
from gateway.cli.options import config_option, json_option
from gateway.cli.tables import print_json, print_pairs, print_table
from gateway.core.authority import AuthorityType
from gateway.errors import CrlError

_TITLES = ("ID", "TYPE", "SUBJECT", "VALID UNTIL", "LAST FETCH", "CRL", "REFUSED FROM")

id_argument = click.argument("authority_id", metavar="ID")


@click.group("ca")
def command() -> None:
    """Manage the certificate authorities; a running gateway follows every change."""


@command.command("list")
@config_option
@json_option
def list_(config_path: Path | None, *, as_json: bool) -> None:
    """List the CAs, a line for each certificate, with their CRLs."""
    with open_state(config_path) as (config, store):
        authorities = store.authorities.list()
    engine = open_revocation(config)
    reports = {one.id: engine.report(one) for one in authorities}
    if as_json:
        print_json([to_json(one, reports[one.id]) for one in authorities])
        return
    print_table(_TITLES, [list_row(one, reports[one.id]) for one in authorities])
    for report in reports.values():
        for warning in warnings_of(report):
            click.echo(f"warning: {warning}", err=True)


@command.command()
@config_option
@json_option
@id_argument
def show(config_path: Path | None, authority_id: str, *, as_json: bool) -> None:
    """Show one CA with all its certificates; ID may be abbreviated."""
    with open_state(config_path) as (config, store):
        records = store.authorities.certificates(authority_id)
    report = open_revocation(config).report(records[0])
    if as_json:
        shown = to_json(records[0], report)
        print_json(shown | {"otherCertificates": [to_json(one, report) for one in records[1:]]})
    else:
        print_pairs(to_pairs(records, report))


@command.command()
@config_option
@id_argument
@click.option(
    "--certificate",
    metavar="FINGERPRINT",
    help="Remove one of several certificates of the CA alone, by its SHA-256.",
)
def remove(config_path: Path | None, authority_id: str, certificate: str | None) -> None:
    """Trust a CA no longer: certificates that it issued are refused from now on."""
    with open_state(config_path) as (config, store):
        authority = store.authorities.get(authority_id)
        if certificate is not None:
            gone = store.authorities.remove_certificate(authority.id, certificate)
            until = gone.not_after.isoformat()
            click.echo(f"removed the certificate of {gone.id} {gone.trusted_issuer} until {until}")
            return
        store.authorities.remove(authority.id)
        left = store.authorities.list()
    click.echo(f"removed {authority.id} {authority.trusted_issuer}; its certificates are refused")
    if left and not any(one.authority_type is AuthorityType.ROOT for one in left):
        click.echo("no root is left, so every certificate is refused", err=True)
    try:
        asyncio.run(open_revocation(config).forget(authority.id))
    except (CrlError, OSError) as error:
        click.echo(f"its CRLs stay in {config.state.crl_directory}: {error}", err=True)


for _other in (add, set_, import_, export, refresh, source):
    command.add_command(_other)
