"""`eas-gateway ca add` and `ca set`: what is said of a CA, and the fetch that follows."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, TypedDict, TypeVar, Unpack

import click

from gateway.cli.ca_input import HttpUrl, read_one_certificate
from gateway.cli.ca_refresh import fetch_now
from gateway.cli.opening import open_state
from gateway.cli.options import config_option
from gateway.core.authority import Authority, AuthorityType, CrlSource
from gateway.store.authorities import AuthorityFields

_TYPES = {"root": AuthorityType.ROOT, "intermediate": AuthorityType.INTERMEDIATE}
_DAY_SECONDS = 86_400
_Function = TypeVar("_Function", bound=Callable[..., Any])
_File = click.Path(dir_okay=False, path_type=Path)


class _Settings(TypedDict):
    crl: str | None
    delta_crl: str | None
    backdating: int | None
    delta_required: bool | None
    exempt: bool | None


class _AddOptions(_Settings):
    type_name: str
    cert: Path
    source: str | None
    signer: Path | None


class _SetOptions(_Settings):
    no_crl: bool
    no_delta_crl: bool


def _settings_options(function: _Function) -> _Function:
    """Add the options that `add` and `set` share."""
    for option in (
        click.option(
            "--exempt/--no-exempt",
            default=None,
            help="Consult no CRL about what it issued (Entra's exemption).",
        ),
        click.option(
            "--delta-required/--no-delta-required",
            default=None,
            help="Whether a stale delta CRL refuses everybody (the default), or the CRL stands.",
        ),
        click.option(
            "--backdating",
            type=click.IntRange(0, _DAY_SECONDS),
            metavar="SECONDS",
            help="What the CA subtracts from thisUpdate and notBefore; Microsoft's CA: 600.",
        ),
        click.option("--delta-crl", type=HttpUrl(), metavar="URL", help="Where the delta CRL is."),
        click.option("--crl", type=HttpUrl(), metavar="URL", help="Where its CRL is."),
    ):
        function = option(function)
    return function


@click.command()
@config_option
@click.option(
    "--type", "type_name", type=click.Choice(tuple(_TYPES)), required=True, help="The CA's place."
)
@click.option(
    "--cert", type=_File, required=True, metavar="FILE", help="Its certificate, DER or PEM."
)
@_settings_options
@click.option("--source", type=HttpUrl(), metavar="URL", help="A CRL that Entra need not know.")
@click.option(
    "--signer", type=_File, metavar="FILE", help="Who signs the CRL at --source, if not the CA."
)
def add(config_path: Path | None, **options: Unpack[_AddOptions]) -> None:
    """Trust a CA; prints the record's id, which is its subject key identifier.

    A further certificate of a CA that is a record already (a renewed or a cross-signed one) stands
    beside the others and needs no --crl.
    """
    if options["signer"] is not None and options["source"] is None:
        raise click.UsageError("--signer says who signs the CRL at --source URL: give that, too")
    read = Authority.from_der(
        read_one_certificate(options["cert"]),
        authority_type=_TYPES[options["type_name"]],
        crl_distribution_point=None,
    )
    authority = replace(
        read, sources=_sources(options["source"], options["signer"]), **_given(options)
    )
    with open_state(config_path, create=True) as (config, store):
        required = config.revocation.require_crl_validation
        record = store.authorities.add(authority, crl_required=required)
    click.echo(record.id)
    fetch_now(config, [record])


def _sources(url: str | None, signer: Path | None) -> tuple[CrlSource, ...]:
    if url is None:
        return ()
    return (CrlSource(url, None if signer is None else read_one_certificate(signer)),)


@click.command("set")
@config_option
@click.argument("authority_id", metavar="ID")
@_settings_options
@click.option("--no-crl", is_flag=True, help="It has no CRL of its own, nor a delta CRL.")
@click.option("--no-delta-crl", is_flag=True, help="It has no delta CRL.")
def set_(config_path: Path | None, authority_id: str, **options: Unpack[_SetOptions]) -> None:
    """Change where a CA's CRLs are and how they count."""
    fields = _changes(options)
    with open_state(config_path) as (config, store):
        known = store.authorities.get(authority_id)
        authority = store.authorities.set(known.id, **fields)
    click.echo(authority.id)
    if authority.urls and authority.urls != known.urls:
        fetch_now(config, [authority])
    elif not (authority.has_crl or authority.exempt) and config.revocation.require_crl_validation:
        click.echo("without a CRL its certificates are refused: --crl URL, or --exempt", err=True)


def _changes(options: _SetOptions) -> AuthorityFields:
    gone = options["no_crl"] or options["no_delta_crl"]
    if (options["no_crl"] and options["crl"]) or (gone and options["delta_crl"]):
        raise click.UsageError("--no-crl and --no-delta-crl contradict --crl and --delta-crl")
    fields = _given(options)
    if options["no_crl"]:
        fields["crl_distribution_point"] = None
    if gone:
        fields["delta_crl_distribution_point"] = None
    if not fields:
        raise click.UsageError(
            "say what to set: --crl, --delta-crl, --no-crl, --no-delta-crl, --backdating, "
            "--delta-required, --exempt"
        )
    return fields


def _given(options: _Settings) -> AuthorityFields:
    fields: AuthorityFields = {}
    if options["crl"] is not None:
        fields["crl_distribution_point"] = options["crl"]
    if options["delta_crl"] is not None:
        fields["delta_crl_distribution_point"] = options["delta_crl"]
    if options["backdating"] is not None:
        fields["backdating"] = timedelta(seconds=options["backdating"])
    if options["delta_required"] is not None:
        fields["delta_required"] = options["delta_required"]
    if options["exempt"] is not None:
        fields["exempt"] = options["exempt"]
    return fields
