"""`eas-gateway profile`: device profiles, made and tested."""

import click

from gateway.cli.profile_android import android
from gateway.cli.profile_apple import apple
from gateway.cli.profile_intune import intune
from gateway.cli.profile_test import test


@click.group("profile")
def command() -> None:
    """Make profiles that let phones sign in by certificate, and say what is wrong with one."""


for _one in (apple, intune, android, test):
    command.add_command(_one)
