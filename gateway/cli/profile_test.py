"""`eas-gateway profile test`: every point of a profile that would make sign-in fail."""

from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import click

from gateway.cli.findings import Finding, State
from gateway.cli.options import config_option, json_option
from gateway.cli.profile_gateway import Gateway, load_gateway
from gateway.cli.profile_input import File, read_secret
from gateway.cli.profile_test_apple import check_apple
from gateway.cli.profile_test_gmail import check_gmail
from gateway.cli.profile_test_intune import check_intune
from gateway.cli.tables import print_json
from gateway.profiles.reading import AppleProfile, Document, GraphProfiles, read_file

_LONGEST = 200


@click.command("test")
@click.argument("path", type=File, metavar="FILE")
@click.option(
    "--p12-password-file",
    type=File,
    metavar="FILE",
    help="The password of the PKCS#12 in a profile that does not hold it.",
)
@config_option
@json_option
def test(
    path: Path, p12_password_file: Path | None, config_path: Path | None, *, as_json: bool
) -> int:
    """Say what in a profile would make sign-in by certificate fail, and which key to change.

    FILE is a .mobileconfig, signed or not, what Graph exports from Intune, or Gmail's managed
    configuration. One line for each point: ok, warn or fail. The status is 1 if something fails, 2
    if FILE is no profile. Nothing is sent anywhere.
    """
    password = None
    if p12_password_file is not None:
        password = read_secret(p12_password_file, "--p12-password-file")
    document = read_file(path)
    gateway = load_gateway(config_path)
    findings = [_plain(one) for one in (*gateway.unknown, *check(document, gateway, password))]
    if as_json:
        print_json([asdict(one) for one in findings])
    else:
        for one in findings:
            click.echo(f"{one.state.value:<4}  {one.subject}: {one.detail}")
    return int(any(one.state is State.FAIL for one in findings))


def check(document: Document, gateway: Gateway, password: str | None) -> Iterator[Finding]:
    """The findings about a profile, in the order of its parts."""
    if isinstance(document, AppleProfile):
        return check_apple(document, gateway, password)
    if isinstance(document, GraphProfiles):
        return check_intune(document, gateway)
    return check_gmail(document.values, gateway)


def _plain(finding: Finding) -> Finding:
    """The finding for a terminal: what a file says must not send it commands."""
    return replace(
        finding, subject=_printable(finding.subject)[:_LONGEST], detail=_printable(finding.detail)
    )


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
