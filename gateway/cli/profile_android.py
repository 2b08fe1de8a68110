"""`eas-gateway profile android`: managed configuration of Gmail."""

from pathlib import Path

import click

from gateway.cli.profile_input import File, Host, Mail
from gateway.cli.profile_output import write_json
from gateway.profiles.android import GmailConfiguration


@click.command("android")
@click.option(
    "--host", type=Host(with_port=True), required=True, help="The gateway's host name, bare."
)
@click.option(
    "--email",
    type=Mail(),
    required=True,
    help="The mailbox's address, or your console's variable for it, such as {{mail}}.",
)
@click.option("--user", metavar="NAME", help="The User that the phone sends; the address.")
@click.option(
    "--alias",
    required=True,
    metavar="TEXT",
    help="Under which the console installs the certificate (KeyChain alias).",
)
@click.option("--device-id", metavar="TEXT", help="DeviceId, or your console's variable for it.")
@click.option(
    "--google-play",
    is_flag=True,
    help="As androidenterprise#managedConfiguration, which Intune's JSON editor takes.",
)
@click.option(
    "-o", "--output", type=File, metavar="FILE", help="Write to FILE, not to standard output."
)
@click.option("--replace", is_flag=True, help="Overwrite the file.")
def android(  # noqa: PLR0913 (one argument an option)
    *,
    host: str,
    email: str,
    user: str | None,
    alias: str,
    device_id: str | None,
    google_play: bool,
    output: Path | None,
    replace: bool,
) -> None:
    """Make the managed configuration of Gmail (com.google.android.gm) as JSON."""
    gmail = GmailConfiguration(host, email, user or email, alias, device_id)
    value = gmail.managed_properties() if google_play else gmail.values()
    write_json(output, value, replace=replace)
