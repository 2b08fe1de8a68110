"""`eas-gateway device wipe`: have a lost device remove its data."""

from collections.abc import Iterator
from pathlib import Path

import click

from gateway.cli.device_choice import choose, device_argument, mailbox_option, name, words
from gateway.cli.device_view import wipe_words
from gateway.cli.opening import open_state
from gateway.cli.options import config_option
from gateway.cli.unlisted import is_listed
from gateway.config import Config
from gateway.core.device import Device, WipeKind, WipeState
from gateway.store.store import Store


@click.command("wipe")
@config_option
@mailbox_option
@click.option(
    "--account-only",
    is_flag=True,
    help="The mailbox's mail, contacts and calendar alone; the device has to speak 16.1.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--anyway", is_flag=True, help="Also if it cannot be delivered as things are.")
@click.option("--cancel", is_flag=True, help="Take back a wipe that is under way.")
@device_argument
@click.pass_context
def command(  # noqa: PLR0913 (one argument an option)
    context: click.Context,
    config_path: Path | None,
    device_id: str,
    mailbox: str | None,
    *,
    account_only: bool,
    yes: bool,
    anyway: bool,
    cancel: bool,
) -> None:
    """Wipe a device when it speaks to the gateway next, and block it from then on.

    Without --account-only a phone removes all that is on it, or all of its work profile.
    """
    if cancel and (account_only or anyway):
        raise click.UsageError("--cancel goes with neither --account-only nor --anyway")
    with open_state(config_path) as (config, store):
        device = choose(store, device_id, mailbox)
        if cancel:
            _cancel(store, device)
            return
        found = list(_obstacles(config, store, device))
        for line in found:
            click.echo(line, err=True)
        if found and not anyway:
            click.echo("nothing was done; --anyway has it wiped once that is mended", err=True)
            context.exit(1)
        kind = WipeKind.ACCOUNT_ONLY if account_only else WipeKind.FULL
        if not yes:
            what = "the mailbox's data on" if account_only else "ALL DATA on"
            click.confirm(f"erase {what} {words(device)}?", abort=True, err=True)
        _wipe(store, device, kind)


def _wipe(store: Store, device: Device, kind: WipeKind) -> None:
    wiped = store.devices.wipe(name(device), kind)
    click.echo(f"{words(wiped)}: wipe {wipe_words(wiped.wipe)}")
    click.echo(
        "it is told at its next request, and blocked once it has acknowledged; `device show` and "
        "`audit list` say how far it has come, `device wipe --cancel` takes it back until then"
    )


def _cancel(store: Store, device: Device) -> None:
    before = store.devices.cancel_wipe(name(device)).wipe
    click.echo(f"{words(device)} is no longer to be wiped")
    if before.state is not WipeState.PENDING:
        click.echo("it was told already, and may wipe itself all the same", err=True)


def _obstacles(config: Config, store: Store, device: Device) -> Iterator[str]:
    """Why the device would not be let as far as to be told, one a line."""
    snapshot = store.snapshot()
    if snapshot.find_by_upn(device.mailbox_key) is None:
        yield (
            f"the wipe cannot be delivered: there is no mailbox {device.mailbox_key} any more, "
            "so no certificate leads to it; `user add` adds it, and --disabled will do"
        )
    shown = device.certificate
    if shown is None:
        return
    if is_listed(config, store.authorities.list(), shown.issuer_id, shown.serial_number):
        yield (
            f"the wipe cannot be delivered: certificate {shown.serial_number:#x} of the device is "
            "on a CRL, so that nothing is answered to it"
        )
    if snapshot.is_blocked(shown.issuer_id, shown.serial_number):
        yield (
            f"the wipe cannot be delivered: certificate {shown.serial_number:#x} of the device is "
            f"blocked; `certificate unblock {shown.serial_number:#x} --issuer {shown.issuer_id}`"
        )
