"""`eas-gateway ca`: the certificate authorities whose device certificates are let in."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import TypedDict, Unpack

import click

from gateway.cli.ca_input import HttpUrl, read_one_certificate
from gateway.cli.ca_output import crl_summary, to_json, to_pairs, type_name
from gateway.cli.opening import open_revocation, open_state
from gateway.cli.options import config_option, json_option
from gateway.cli.tables import print_json, print_pairs, print_table
from gateway.config import Config
from gateway.core.authority import Authority, AuthorityType
from gateway.errors import CrlError, StateError
from gateway.store.authorities import AuthorityFields

_TYPES = {"root": AuthorityType.ROOT, "intermediate": AuthorityType.INTERMEDIATE}
_DAY_SECONDS = 86_400

id_argument = click.argument("authority_id", metavar="ID")
delta_option = click.option(
    "--delta-crl", type=HttpUrl(), metavar="URL", help="Where the delta CRL is."
)
backdating_option = click.option(
    "--backdating",
    type=click.IntRange(0, _DAY_SECONDS),
    metavar="SECONDS",
    help="What the CA subtracts from thisUpdate and notBefore; Microsoft's CA: 600.",
)


class _AddOptions(TypedDict):
    type_name: str
    cert: Path
    crl: str
    delta_crl: str | None
    backdating: int | None


class _SetOptions(TypedDict):
    crl: str | None
    delta_crl: str | None
    no_delta_crl: bool
    backdating: int | None


@click.group("ca")
def command() -> None:
    """Manage the certificate authorities; a running gateway follows every change."""


@command.command()
@config_option
@click.option(
    "--type", "type_name", type=click.Choice(tuple(_TYPES)), required=True, help="The CA's place."
)
@click.option(
    "--cert",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    metavar="FILE",
    help="Its certificate, DER or PEM.",
)
@click.option("--crl", type=HttpUrl(), required=True, metavar="URL", help="Where its CRL is.")
@delta_option
@backdating_option
def add(config_path: Path | None, **options: Unpack[_AddOptions]) -> None:
    """Trust a CA; prints the record's id, which is its subject key identifier."""
    authority = Authority.from_der(
        read_one_certificate(options["cert"]),
        authority_type=_TYPES[options["type_name"]],
        crl_distribution_point=options["crl"],
        delta_crl_distribution_point=options["delta_crl"],
        backdating=timedelta(seconds=options["backdating"] or 0),
    )
    with open_state(config_path) as (config, store):
        store.authorities.add(authority)
    click.echo(authority.id)
    _fetch_now(config, authority)


@command.command("list")
@config_option
@json_option
def list_(config_path: Path | None, *, as_json: bool) -> None:
    """List the CAs with their CRLs."""
    with open_state(config_path) as (config, store):
        authorities = store.authorities.list()
    engine = open_revocation(config)
    reports = [(authority, engine.report(authority)) for authority in authorities]
    if as_json:
        print_json([to_json(authority, report) for authority, report in reports])
        return
    rows = [
        (one.id, type_name(one), one.trusted_issuer, one.not_after, crl_summary(report))
        for one, report in reports
    ]
    print_table(("ID", "TYPE", "SUBJECT", "VALID UNTIL", "CRL"), rows)


@command.command()
@config_option
@json_option
@id_argument
def show(config_path: Path | None, authority_id: str, *, as_json: bool) -> None:
    """Show one CA; ID may be abbreviated."""
    with open_state(config_path) as (config, store):
        authority = store.authorities.get(authority_id)
    report = open_revocation(config).report(authority)
    if as_json:
        print_json(to_json(authority, report))
    else:
        print_pairs(to_pairs(authority, report))


@command.command("set")
@config_option
@id_argument
@click.option("--crl", type=HttpUrl(), metavar="URL", help="Where its CRL is.")
@delta_option
@click.option("--no-delta-crl", is_flag=True, help="It has no delta CRL.")
@backdating_option
def set_(config_path: Path | None, authority_id: str, **options: Unpack[_SetOptions]) -> None:
    """Change where a CA's CRLs are, or its backdating."""
    fields = _fields(options)
    with open_state(config_path) as (config, store):
        known = store.authorities.get(authority_id)
        authority = store.authorities.set(known.id, **fields)
    click.echo(authority.id)
    if "crl_distribution_point" in fields or "delta_crl_distribution_point" in fields:
        _fetch_now(config, authority)


@command.command()
@config_option
@id_argument
def remove(config_path: Path | None, authority_id: str) -> None:
    """Trust a CA no longer: certificates that it issued are refused from now on."""
    with open_state(config_path) as (config, store):
        authority = store.authorities.get(authority_id)
        store.authorities.remove(authority.id)
        left = store.authorities.list()
    click.echo(f"removed {authority.id} {authority.trusted_issuer}; its certificates are refused")
    if left and not any(one.authority_type is AuthorityType.ROOT for one in left):
        click.echo("no root is left, so every certificate is refused", err=True)
    try:
        asyncio.run(open_revocation(config).forget(authority.id))
    except (CrlError, OSError) as error:
        click.echo(f"its CRLs stay in {config.state.crl_directory}: {error}", err=True)


@command.command()
@config_option
@click.argument("authority_id", metavar="[ID]", required=False)
@click.pass_context
def refresh(context: click.Context, config_path: Path | None, authority_id: str | None) -> None:
    """Fetch the CRLs of all CAs, or of one, now; exit 1 if one failed."""
    with open_state(config_path) as (config, store):
        if authority_id is not None:
            authorities = [store.authorities.get(authority_id)]
        else:
            authorities = list(store.authorities.list())
    if not authorities:
        raise StateError("there is no CA whose CRL could be fetched; `ca add` adds one")
    results = asyncio.run(open_revocation(config).refresh_all(authorities))
    for result in results:
        click.echo(f"{result.authority_id} {'ok' if result.ok else 'FAILED'}: {result.detail}")
    if not all(result.ok for result in results):
        context.exit(1)


def _fields(options: _SetOptions) -> AuthorityFields:
    if options["delta_crl"] and options["no_delta_crl"]:
        raise click.UsageError("--delta-crl and --no-delta-crl contradict each other")
    fields: AuthorityFields = {}
    if options["crl"] is not None:
        fields["crl_distribution_point"] = options["crl"]
    if options["delta_crl"] or options["no_delta_crl"]:
        fields["delta_crl_distribution_point"] = options["delta_crl"]
    if options["backdating"] is not None:
        fields["backdating"] = timedelta(seconds=options["backdating"])
    if not fields:
        raise click.UsageError("say what to set: --crl, --delta-crl, --no-delta-crl, --backdating")
    return fields


def _fetch_now(config: Config, authority: Authority) -> None:
    """Without its CRL a CA's certificates are refused, so it is fetched at once if it can be."""
    result = asyncio.run(open_revocation(config).refresh(authority))
    if not result.ok:
        click.echo(
            f"its CRL did not come, and without one its certificates are refused: {result.detail}",
            err=True,
        )
