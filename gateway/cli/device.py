"""`eas-gateway device`: the devices that sync mailboxes, and what they may do."""

import re
from pathlib import Path

import click

from gateway.cli import device_rule, device_wipe
from gateway.cli.device_choice import choose, device_argument, mailbox_option, name, words
from gateway.cli.device_view import DeviceView
from gateway.cli.opening import open_state
from gateway.cli.options import config_option, json_option
from gateway.cli.tables import print_json, print_pairs, print_table
from gateway.core.device import Access, WipeState
from gateway.core.names import fold
from gateway.errors import StateError
from gateway.store.store import Store


@click.group("device")
def command() -> None:
    """See the devices that sync mailboxes, let them in, keep them out, wipe them."""


@command.command("list")
@config_option
@json_option
@click.option("--mailbox", metavar="UPN", help="Only those of this mailbox.")
def list_(config_path: Path | None, mailbox: str | None, *, as_json: bool) -> None:
    """List the devices, the first one seen first."""
    with open_state(config_path) as (config, store):
        snapshot = store.snapshot()
        devices = store.devices.list(mailbox)
        if mailbox is not None and not devices:
            store.mailboxes.get(mailbox)
    views = [DeviceView.of(one, snapshot, config.devices.policy) for one in devices]
    if as_json:
        print_json([one.to_json() for one in views])
        return
    titles = ("DEVICE ID", "MAILBOX", "TYPE", "MODEL", "OS", "LAST SEEN", "ACCESS", "WIPE")
    rows = [
        (
            one.device.device_id,
            one.device.mailbox_key,
            one.device.device_type,
            one.device.model,
            one.device.os,
            one.device.last_seen,
            one.access,
            one.wipe,
        )
        for one in views
    ]
    print_table(titles, rows)


@command.command()
@config_option
@json_option
@mailbox_option
@device_argument
def show(config_path: Path | None, device_id: str, mailbox: str | None, *, as_json: bool) -> None:
    """Show one device, and why it may not sync if it may not."""
    with open_state(config_path) as (config, store):
        device = choose(store, device_id, mailbox)
        view = DeviceView.of(device, store.snapshot(), config.devices.policy)
    if as_json:
        print_json(view.to_json())
    else:
        print_pairs(view.pairs())


@command.command()
@config_option
@mailbox_option
@device_argument
def allow(config_path: Path | None, device_id: str, mailbox: str | None) -> None:
    """Let a device in, whatever rules say.

    Also one that was wiped, or that a pin refuses for its new certificate. With --mailbox, it need
    not have been seen yet.
    """
    with open_state(config_path) as (_, store):
        _set_access(store, device_id, mailbox, Access.ALLOW)


@command.command()
@config_option
@mailbox_option
@device_argument
def block(config_path: Path | None, device_id: str, mailbox: str | None) -> None:
    """Refuse a device, whatever rules say; a running gateway cuts it within a second."""
    with open_state(config_path) as (_, store):
        _set_access(store, device_id, mailbox, Access.BLOCK)


@command.command()
@config_option
@mailbox_option
@device_argument
def quarantine(config_path: Path | None, device_id: str, mailbox: str | None) -> None:
    """Refuse a device until it is allowed, whatever rules say."""
    with open_state(config_path) as (_, store):
        _set_access(store, device_id, mailbox, Access.QUARANTINE)


@command.command()
@config_option
@mailbox_option
@device_argument
def forget(config_path: Path | None, device_id: str, mailbox: str | None) -> None:
    """Remove a device, with what was said of it alone: if it comes again, it is a new one."""
    with open_state(config_path) as (_, store):
        device = choose(store, device_id, mailbox)
        store.devices.forget(name(device))
    click.echo(f"forgot {words(device)}; if it comes again, it is a new one")


command.add_command(device_wipe.command)
command.add_command(device_rule.command)

_DEVICE_ID = re.compile(r"[A-Za-z0-9._~-]{1,510}")  # in the base64 query it may be that long

_DONE = {
    Access.ALLOW: "is let in, whatever rules say",
    Access.BLOCK: "is blocked, whatever rules say, until `device allow`",
    Access.QUARANTINE: "is in quarantine, whatever rules say, until `device allow`",
}


def _set_access(store: Store, device_id: str, mailbox: str | None, access: Access) -> None:
    """The device has the access; one that was not seen yet is made known with its mailbox."""
    key = (fold(mailbox), fold(device_id)) if mailbox is not None else None
    if mailbox is None or any(name(one) == key for one in store.devices.find(device_id)):
        known = choose(store, device_id, mailbox)
        key, device_id = name(known), known.device_id
        was_wiped = known.wipe.state is WipeState.ACKNOWLEDGED
    else:
        _require_device_id(device_id)
        key, was_wiped = (store.mailboxes.get(mailbox).key, fold(device_id)), False
    device = store.devices.set_access(key, access, device_id=device_id)
    click.echo(f"{words(device)} {_DONE[access]}")
    if device.wipe.is_due:
        click.echo("it is to be wiped all the same; `device wipe --cancel` takes that back")
    elif was_wiped and access is Access.ALLOW:
        click.echo("it was wiped, which no longer keeps it out")


def _require_device_id(device_id: str) -> None:
    if not _DEVICE_ID.fullmatch(device_id):
        raise StateError(
            f"{device_id!r} is no DeviceId: letters, digits, '.', '_', '~' and '-' without blanks"
        )
