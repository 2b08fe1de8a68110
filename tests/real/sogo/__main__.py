"""`python -m tests.real.sogo up|down` runs and ends the test bed; root, Debian, loopback only."""

import shutil

import click

from tests.real.sogo import daemons, packages
from tests.real.sogo.bed import Bed


@click.group(help=__doc__)
def main() -> None:
    """Group of the two verbs."""


@main.command()
def up() -> None:
    """Install what is missing and start what does not run."""
    bed = Bed.from_environment()
    packages.install_missing()
    daemons.start(bed)
    click.echo(f"SOGo answers on {bed.url}; state and logs are in {bed.state}")


@main.command()
@click.option("--wipe", is_flag=True, help="Remove the state folder as well.")
def down(*, wipe: bool) -> None:
    """End what `up` started; the state stays, so that the next start is fast."""
    bed = Bed.from_environment()
    daemons.stop(bed)
    if wipe:
        shutil.rmtree(bed.state, ignore_errors=True)


main()
