"""`eas-gateway ca source`: further CRLs of a CA, beside the two that Entra knows."""

from hashlib import sha256
from pathlib import Path

import click
from cryptography import x509

from gateway.cli.ca_input import HttpUrl, read_one_certificate
from gateway.cli.ca_output import crl_text
from gateway.cli.ca_refresh import fetch_now
from gateway.cli.opening import open_revocation, open_state
from gateway.cli.options import config_option, json_option
from gateway.cli.tables import print_json, print_table
from gateway.core.authority import CrlSource

_url_option = click.option(
    "--url", type=HttpUrl(), required=True, metavar="URL", help="Where the CRL is."
)
_id_argument = click.argument("authority_id", metavar="ID")


@click.group("source")
def source() -> None:
    """Manage further CRLs of a CA, as of one that splits its CRL, or lets another sign it."""


@source.command()
@config_option
@_id_argument
@_url_option
@click.option(
    "--signer",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="The certificate of who signs it, DER or PEM; without it the CA does.",
)
def add(config_path: Path | None, authority_id: str, url: str, signer: Path | None) -> None:
    """Ask one URL more for CRLs of the CA."""
    certificate = None if signer is None else read_one_certificate(signer)
    with open_state(config_path) as (config, store):
        known = store.authorities.get(authority_id)
        authority = store.authorities.add_source(known.id, CrlSource(url, certificate))
    click.echo(authority.id)
    fetch_now(config, [authority])


@source.command("list")
@config_option
@json_option
@_id_argument
def list_(config_path: Path | None, authority_id: str, *, as_json: bool) -> None:
    """List the further CRLs of a CA."""
    with open_state(config_path) as (config, store):
        authority = store.authorities.get(authority_id)
    reports = {one.name: one for one in open_revocation(config).report(authority).sources}
    if as_json:
        print_json(
            [
                {"url": one.url, "signer": _subject(one), "signerFingerprint": _fingerprint(one)}
                for one in authority.sources
            ]
        )
        return
    print_table(
        ("URL", "SIGNER", "CRL"),
        [(one.url, _subject(one), crl_text(reports[one.name])) for one in authority.sources],
    )


@source.command()
@config_option
@_id_argument
@click.option("--url", required=True, metavar="URL", help="As `ca source list` shows it.")
def remove(config_path: Path | None, authority_id: str, url: str) -> None:
    """Ask a URL no more; what only its CRL revoked is let in again."""
    with open_state(config_path) as (_, store):
        known = store.authorities.get(authority_id)
        authority = store.authorities.remove_source(known.id, url)
    click.echo(f"{authority.id} is asked at {url} no more")


def _subject(one: CrlSource) -> str | None:
    if one.signer is None:
        return None
    return x509.load_der_x509_certificate(one.signer).subject.rfc4514_string()


def _fingerprint(one: CrlSource) -> str | None:
    return None if one.signer is None else sha256(one.signer).hexdigest()
