"""The command `eas-gateway`: finds the sub-command, runs it, and turns the outcome into a status.

Sub-commands are imported when they are asked for, so that each pays only for what it uses.
"""

import gc
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from types import MappingProxyType, ModuleType

import click

from gateway import __version__
from gateway.errors import GatewayError

COMMANDS: Mapping[str, str] = MappingProxyType(
    {
        "demo": "gateway.cli.demo:command",
        "serve": "gateway.cli.serve:command",
        "check": "gateway.cli.check:command",
        "ca": "gateway.cli.ca:command",
        "user": "gateway.cli.user:command",
        "certificate": "gateway.cli.certificate:command",
        "device": "gateway.cli.device:command",
        "audit": "gateway.cli.audit:command",
        "store": "gateway.cli.store:command",
        "explain": "gateway.cli.explain:command",
        "profile": "gateway.cli.profile:command",
        "probe": "gateway.cli.probe:command",
        "pki": "gateway.cli.pki:command",
    }
)

_BAD_USAGE = 2
_INTERRUPTED = 130  # what a shell reports for a process that SIGINT ended


class LazyGroup(click.Group):
    """A group whose commands are `module:attribute` texts until one is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order in which an administrator meets them."""
        return [*COMMANDS, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, imported now; None if there is none."""
        if cmd_name not in COMMANDS:
            return super().get_command(ctx, cmd_name)
        module, _, attribute = COMMANDS[cmd_name].partition(":")
        gc.disable()  # a program that is being loaded leaves no garbage to look for
        try:
            _load_structlog()
            found: click.Command = getattr(import_module(module), attribute)
        finally:
            gc.enable()
        return found


def _load_structlog() -> None:
    """Where it finds rich, which only tables need here, it loads it for consoles: 0.1 s."""
    if "structlog" in sys.modules or "rich" in sys.modules:
        return
    modules: dict[str, ModuleType | None] = sys.modules  # type: ignore[assignment]  # see below
    modules["rich"] = None  # so that it counts as missing
    try:
        import_module("structlog")
    finally:
        del modules["rich"]


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="%(version)s")
def root() -> None:
    """Let phones into Exchange ActiveSync by their client certificates."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that `argv` names, the arguments of the process by default.

    Returns:
        0: all is well; 1: the command found a problem or refuses; 2: the usage or the
        configuration is wrong, and one sentence on standard error says how. A command gives 1 by
        returning it or by `ctx.exit(1)`.
    """
    try:
        status = root.main(argv, prog_name="eas-gateway", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return _BAD_USAGE
    except GatewayError as error:
        click.echo(f"eas-gateway: {error}", err=True)
        return _BAD_USAGE
    except click.Abort:
        return _INTERRUPTED
    return status if isinstance(status, int) else 0
