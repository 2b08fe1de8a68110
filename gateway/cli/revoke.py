"""`eas-gateway user revoke`: one mailbox, many of them, or a single certificate."""

from collections.abc import Sequence
from pathlib import Path

import click

from gateway.cli.opening import open_state
from gateway.cli.options import config_option
from gateway.cli.readmission import readmission
from gateway.cli.serial_number import SerialNumber, serial_text
from gateway.cli.tables import iso
from gateway.config import Config
from gateway.errors import StateError
from gateway.store.store import Store


@click.command("revoke")
@config_option
@click.option(
    "--from",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Revoke every mailbox in FILE, one UPN a line, or none of them.",
)
@click.option(
    "--certificate",
    "serial",
    type=SerialNumber(),
    metavar="SERIAL",
    help="Block this certificate alone, until it is unblocked; other phones stay.",
)
@click.option("--issuer", metavar="SKI", help="The CA of that certificate; may be abbreviated.")
@click.argument("upn", required=False, metavar="[UPN]")
def command(
    config_path: Path | None,
    upn: str | None,
    *,
    file: Path | None,
    serial: int | None,
    issuer: str | None,
) -> None:
    """Refuse every session of a mailbox that has begun until now.

    A running gateway cuts its phones within a second.
    """
    _require_one_form(upn, file, serial, issuer)
    with open_state(config_path) as (config, store):
        if serial is not None:
            _block(store, upn, serial, issuer)
        elif file is not None:
            _revoke(config, store, _read(file), f"{file}: nobody was revoked: ")
        elif upn is not None:
            _revoke(config, store, [upn], "")


def _require_one_form(
    upn: str | None, file: Path | None, serial: int | None, issuer: str | None
) -> None:
    if file is not None and (upn is not None or serial is not None):
        raise click.UsageError("--from goes with neither UPN nor --certificate")
    if issuer is not None and serial is None:
        raise click.UsageError("--issuer belongs to --certificate")
    if upn is None and file is None and serial is None:
        raise click.UsageError("say whom: UPN, --from FILE or --certificate SERIAL")


def _revoke(config: Config, store: Store, upns: Sequence[str], prefix: str) -> None:
    try:
        stored = store.valid_from.revoke_all(upns)
    except StateError as error:
        raise StateError(f"{prefix}{error}") from error
    mailboxes = [one for one in store.mailboxes.list() if one.key in stored]
    valid_from = next(iter(stored.values()))
    for mailbox in mailboxes:
        click.echo(f"{mailbox.upn}: token-valid-from is {iso(valid_from.value)}")
    for line in readmission(config, store, mailboxes, valid_from):
        click.echo(line)


def _read(file: Path) -> Sequence[str]:
    """The UPNs in `file`; raises StateError if it cannot be read or names none."""
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise StateError(f"{file}: cannot be read: {error}") from error
    # A UPN of a guest has #EXT# in it, so that a comment is a line of its own.
    upns = [text for line in lines if (text := line.strip()) and not text.startswith("#")]
    if not upns:
        raise StateError(f"{file}: names no mailbox")
    return upns


def _block(store: Store, upn: str | None, serial: int, issuer: str | None) -> None:
    """The certificate that a phone showed is blocked."""
    if upn is not None:
        store.mailboxes.get(upn)
    prefix = (issuer or "").lower().replace(":", "")
    found = [
        one
        for one in store.certificates.seen(upn)
        if one.serial_number == serial and one.issuer_id.startswith(prefix)
    ]
    if not found:
        whose = f"of {upn} " if upn else ""
        raise StateError(
            f"no phone {whose}has shown certificate {serial_text(serial)}; "
            "`certificate block SERIAL --issuer SKI` blocks one that was never seen"
        )
    if len(found) > 1:
        issuers = ", ".join(one.issuer_id for one in found)
        raise StateError(
            f"certificate {serial_text(serial)} is one of each of the CAs {issuers}; "
            "say which with --issuer"
        )
    [one] = found
    already = "" if store.certificates.block(one.issuer_id, serial) else "already "
    click.echo(
        f"certificate {serial_text(serial)}, {one.subject} of {one.mailbox_key}, is {already}"
        "blocked until `certificate unblock`; other phones stay"
    )
