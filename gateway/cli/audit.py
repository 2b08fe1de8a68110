"""`eas-gateway audit`: what was decided about phones, and what is being decided now."""

import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import click

from gateway.cli.opening import open_state
from gateway.cli.options import config_option, json_option
from gateway.cli.tables import print_json, print_table, text_of
from gateway.store.audit import AuditRecord

mailbox_option = click.option("--mailbox", metavar="UPN", help="Only those about this mailbox.")

_COLUMNS: Final = (
    "at",
    "decision",
    "reason",
    "mailbox",
    "device_id",
    "command",
    "client_address",
    "reference",
    "detail",
)
_LOOK_EVERY_SECONDS: Final = 0.5
_MOST_AT_ONCE: Final = 100_000


@click.group("audit")
def command() -> None:
    """See the audit trail: each denial, and each verdict that was made anew."""


@command.command("list")
@config_option
@json_option
@mailbox_option
@click.option(
    "--limit",
    type=click.IntRange(1, _MOST_AT_ONCE),
    default=1000,
    show_default=True,
    metavar="N",
    help="How many at most, the latest of them.",
)
def list_(config_path: Path | None, mailbox: str | None, limit: int, *, as_json: bool) -> None:
    """List the latest records, oldest first."""
    with open_state(config_path) as (_, store):
        records = store.audit.list(upn=mailbox, limit=limit)
    if as_json:
        print_json([_to_json(one) for one in records])
        return
    titles = [name.replace("_", " ").upper() for name in _COLUMNS]
    print_table(titles, [_cells(one) for one in records])


@command.command()
@config_option
@json_option
@mailbox_option
def follow(config_path: Path | None, mailbox: str | None, *, as_json: bool) -> None:
    """Print each record as it is stored, one a line, until Ctrl-C."""
    with open_state(config_path) as (_, store):
        latest = max((one.id for one in store.audit.list(limit=1)), default=0)
        while True:
            records = store.audit.list(after_id=latest, upn=mailbox, limit=_MOST_AT_ONCE)
            _print_lines(records, as_json=as_json)
            latest = max((one.id for one in records), default=latest)
            time.sleep(_LOOK_EVERY_SECONDS)


def _print_lines(records: Iterable[AuditRecord], *, as_json: bool) -> None:
    for one in records:
        if as_json:
            click.echo(json.dumps(_to_json(one), ensure_ascii=False))
        else:
            click.echo("  ".join(text_of(cell) for cell in _cells(one)))


def _to_json(one: AuditRecord) -> dict[str, object]:
    return {"id": one.id, **one.record}


def _cells(one: AuditRecord) -> list[object]:
    return [one.record.get(name) for name in _COLUMNS]
