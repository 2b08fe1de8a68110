"""`eas-gateway profile apple`: a .mobileconfig with a mailbox and its identity."""

from pathlib import Path
from typing import Unpack

import click

from gateway.cli.chain import read_certificates
from gateway.cli.profile_identity import IdentityOptions, Prepared, identity_options, prepare
from gateway.cli.profile_input import File, Host, Mail, read_authorities, read_key
from gateway.cli.profile_output import write_profile
from gateway.profiles.apple import MailSettings, configuration, dump
from gateway.profiles.signing import sign

_DAYS = ("0", "1", "3", "7", "14", "31")


class _Options(IdentityOptions):
    host: str
    user: str | None
    name: str
    organization: str | None
    identifier: str | None
    days: str
    authorities: tuple[Path, ...]
    signer: Path | None
    signer_key: Path | None
    output: Path
    replace: bool


@click.command("apple")
@click.option("--host", type=Host(), required=True, help="The gateway's host name, bare.")
@click.option("--email", type=Mail(), help="The mailbox's address; the certificate's.")
@click.option("--upn", type=Mail(), help="The owner's user principal name; the certificate's.")
@click.option("--user", metavar="NAME", help="The User that the phone sends; the UPN.")
@click.option("--name", default="Mail", show_default=True, help="What the phone shows.")
@click.option("--organization", metavar="TEXT", help="Who gives the profile, for its owner.")
@click.option("--identifier", metavar="TEXT", help="Reverse DNS; the same one replaces.")
@click.option(
    "--days",
    type=click.Choice(_DAYS),
    default="7",
    show_default=True,
    help="How many days of mail are synchronised; 0 for all.",
)
@click.option(
    "--root",
    "authorities",
    type=File,
    multiple=True,
    metavar="FILE",
    help="A CA that the phone is to trust for the gateway's certificate; repeat for more.",
)
@identity_options
@click.option(
    "--signer", type=File, metavar="FILE", help="Sign with this certificate; PEM, with its chain."
)
@click.option("--signer-key", type=File, metavar="FILE", help="The signer's key.")
@click.option("-o", "--output", type=File, required=True, metavar="FILE", help="The .mobileconfig.")
@click.option("--replace", is_flag=True, help="Overwrite the file.")
def apple(**options: Unpack[_Options]) -> None:
    """Make a configuration profile for iPhone and iPad.

    The identity is one of: --p12, --certificate with --key, --scep-url, --acme-url. The file has
    mode 0600; a generated password is printed once and kept nowhere.
    """
    if (options["signer"] is None) != (options["signer_key"] is None):
        raise click.UsageError("--signer and --signer-key are given together or not at all")
    prepared = prepare(options)
    user = options["user"] or prepared.upn or prepared.email
    mail = MailSettings(
        options["host"], prepared.email, user, options["name"], int(options["days"])
    )
    identifier = options["identifier"] or _identifier(options["host"], prepared.email)
    authorities = read_authorities(options["authorities"])
    whole = configuration(identifier, mail, prepared.identity, authorities, options["organization"])
    content = _signed(dump(whole), options["signer"], options["signer_key"])
    write_profile(options["output"], content, replace=options["replace"])
    _say(options["output"], identifier, prepared)


def _identifier(host: str, email: str) -> str:
    """Reverse DNS of the host, and whose mailbox it is."""
    owner = "".join(c if c.isalnum() and c.isascii() else "-" for c in email.lower())
    return f"{'.'.join(reversed(host.lower().split('.')))}.eas.{owner}"


def _signed(content: bytes, signer: Path | None, key: Path | None) -> bytes:
    if signer is None or key is None:
        return content
    certificate, *chain = read_certificates(signer)
    return sign(content, certificate, read_key(key, "--signer-key"), chain)


def _say(output: Path, identifier: str, prepared: Prepared) -> None:
    click.echo(f"wrote {output}, profile {identifier}")
    if prepared.generated is not None:
        click.echo(f"password of the identity, shown this once: {prepared.generated}")
