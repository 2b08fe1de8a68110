"""`python -m tests.real.sogo up|down` runs and ends the test bed; root, Debian, loopback only."""

import os

import click

from tests.real.sogo import daemons, packages
from tests.real.sogo.bed import Bed


@click.group(help=__doc__)
def main() -> None:
    """Group of the two verbs."""


@main.command()
def up() -> None:
    """Install what is missing and start what does not run."""
    if os.geteuid() != 0:
        raise click.ClickException("the daemons have users of their own: run this as root")
    bed = Bed.from_environment()
    try:
        packages.install_missing()
        daemons.start(bed)
    except RuntimeError as failure:
        raise click.ClickException(str(failure)) from failure
    click.echo(f"SOGo answers on {bed.url}; state and logs are in {bed.state}")


@main.command()
@click.option("--wipe", is_flag=True, help="Remove what it wrote as well.")
def down(*, wipe: bool) -> None:
    """End what `up` started; the state stays, so that the next start is fast."""
    bed = Bed.from_environment()
    daemons.stop(bed)
    if wipe:
        daemons.wipe(bed)


main()
