"""`eas-gateway profile intune`: e-mail and certificate profiles for Microsoft Graph."""

import re
from pathlib import Path
from typing import TypedDict, Unpack, get_args

import click

from gateway.cli.ca_input import HttpUrl
from gateway.cli.profile_input import File, Host
from gateway.cli.profile_output import write_json
from gateway.profiles.intune import (
    Duration,
    EmailProfile,
    Source,
    refuse_without_certificate,
)
from gateway.profiles.intune_certificates import PKCS_TYPES, SCEP_TYPES, PkcsProfile, ScepProfile

_GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\Z")
_SOURCES = get_args(Source)
_MOST_MONTHS = 24  # Intune's own limit


class _Guid(click.ParamType[str]):
    """The id of a device configuration."""

    name = "ID"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The id; a usage error if it is no GUID."""
        if not _GUID.match(value):
            self.fail(f"{value!r} is no id as Graph gives it to a profile (a GUID)", param, ctx)
        return value.lower()


class _Email(TypedDict):
    kind: str
    host: str
    identity_id: str | None
    name: str
    email_source: Source
    user_source: Source
    duration: Duration
    output: Path | None
    replace: bool


class _Certificate(TypedDict):
    kind: str
    name: str
    scep_url: tuple[str, ...]
    root_id: str | None
    authority: str | None
    authority_name: str | None
    template: str | None
    months: int
    key_size: str
    sid: bool
    output: Path | None
    replace: bool


output_option = click.option(
    "-o", "--output", type=File, metavar="FILE", help="Write to FILE, not to standard output."
)
replace_option = click.option("--replace", is_flag=True, help="Overwrite the file.")


@click.group("intune")
def intune() -> None:
    """Make JSON for Intune: POST it to /deviceManagement/deviceConfigurations of Graph (beta)."""


@intune.command(
    "email",
    epilog="""\b
    TYPE is one of
      iosEasEmailProfileConfiguration             iPhone and iPad
      androidEasEmailProfileConfiguration         Samsung Knox
      androidWorkProfileGmailEasConfiguration     Gmail in an Android work profile
      androidWorkProfileNineWorkEasConfiguration  Nine Work in an Android work profile""",
)
@click.argument("kind", metavar="TYPE")
@click.option("--host", type=Host(), required=True, help="The gateway's host name, bare.")
@click.option(
    "--identity",
    "identity_id",
    type=_Guid(),
    help="The id of the SCEP or PKCS certificate profile, which is made first.",
)
@click.option("--name", default="Mail", show_default=True, help="Of profile and mailbox.")
@click.option(
    "--email-source",
    type=click.Choice(_SOURCES),
    default="primarySmtpAddress",
    show_default=True,
    help="Where the address comes from.",
)
@click.option(
    "--user-source",
    type=click.Choice(_SOURCES),
    default="userPrincipalName",
    show_default=True,
    help="Where the User that the phone sends comes from.",
)
@click.option(
    "--duration",
    type=click.Choice(get_args(Duration)),
    default="oneMonth",
    show_default=True,
    help="How much mail is synchronised.",
)
@output_option
@replace_option
def email(**options: Unpack[_Email]) -> None:
    """Make an e-mail profile; TYPE is as Graph calls it."""
    refuse_without_certificate(options["kind"])
    if options["identity_id"] is None:
        raise click.UsageError(
            "--identity ID links the certificate: post what `profile intune certificate` makes,"
            " and give the id in Graph's answer"
        )
    profile = EmailProfile(
        options["kind"],
        options["name"],
        options["host"],
        options["identity_id"],
        options["email_source"],
        options["user_source"],
        options["duration"],
    )
    write_json(options["output"], profile.as_json(), replace=options["replace"])


@intune.command(
    "certificate",
    epilog="""\b
    TYPE is one of
      iosScepCertificateProfile                 iosPkcsCertificateProfile
      androidScepCertificateProfile             androidPkcsCertificateProfile
      androidWorkProfileScepCertificateProfile  androidWorkProfilePkcsCertificateProfile""",
)
@click.argument("kind", type=click.Choice((*SCEP_TYPES, *PKCS_TYPES)), metavar="TYPE")
@click.option("--name", default="Mail certificate", show_default=True, help="Of the profile.")
@click.option("--scep-url", type=HttpUrl(), multiple=True, metavar="URL", help="SCEP: its server.")
@click.option("--root", "root_id", type=_Guid(), help="SCEP: the trusted certificate profile's id.")
@click.option("--ca", "authority", type=Host(), metavar="HOST", help="PKCS: the CA's host.")
@click.option("--ca-name", "authority_name", metavar="TEXT", help="PKCS: the CA's name.")
@click.option("--template", metavar="TEXT", help="PKCS: the certificate template's name.")
@click.option(
    "--months",
    type=click.IntRange(1, _MOST_MONTHS),
    default=12,
    show_default=True,
    help="How long a certificate is valid.",
)
@click.option(
    "--key-size",
    type=click.Choice(("2048", "4096")),
    default="2048",
    show_default=True,
    help="SCEP: bits of the RSA key.",
)
@click.option(
    "--sid/--no-sid",
    default=True,
    help="SCEP: whether the owner's SID is named, too; it is. Without for users of Entra alone.",
)
@output_option
@replace_option
def certificate(**options: Unpack[_Certificate]) -> None:
    """Make a SCEP or PKCS certificate profile; TYPE is as Graph calls it."""
    made = _scep(options) if options["kind"] in SCEP_TYPES else _pkcs(options)
    write_json(options["output"], made.as_json(), replace=options["replace"])


def _scep(options: _Certificate) -> ScepProfile:
    if not options["scep_url"] or options["root_id"] is None:
        raise click.UsageError(f"{options['kind']} needs --scep-url URL and --root ID")
    return ScepProfile(
        options["kind"],
        options["name"],
        options["scep_url"],
        options["root_id"],
        options["months"],
        int(options["key_size"]),
        security_identifier=options["sid"],
    )


def _pkcs(options: _Certificate) -> PkcsProfile:
    authority, name, template = options["authority"], options["authority_name"], options["template"]
    if authority is None or name is None or template is None:
        raise click.UsageError(f"{options['kind']} needs --ca HOST, --ca-name and --template")
    return PkcsProfile(
        options["kind"], options["name"], authority, name, template, options["months"]
    )
