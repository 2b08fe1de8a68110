"""`eas-gateway certificate`: single device certificates, seen and blocked."""

from pathlib import Path

import click

from gateway.cli.opening import open_state
from gateway.cli.options import config_option, json_option
from gateway.cli.serial_number import SerialNumber, serial_text
from gateway.cli.tables import print_json, print_table
from gateway.errors import StateError
from gateway.store.certificates import BlockedCertificate, SeenCertificate
from gateway.store.store import Store

serial_argument = click.argument("serial", type=SerialNumber(), metavar="SERIAL")
issuer_option = click.option(
    "--issuer",
    required=True,
    metavar="SKI",
    help="The id of the CA that issued it, as `ca list` shows it; may be abbreviated.",
)


@click.group("certificate")
def command() -> None:
    """Refuse single certificates, and see which ones phones showed."""


@command.command("list")
@config_option
@json_option
@click.option("--mailbox", metavar="UPN", help="Only those that led to this mailbox.")
def list_(config_path: Path | None, mailbox: str | None, *, as_json: bool) -> None:
    """List the certificates that phones showed, and those that are blocked."""
    with open_state(config_path) as (_, store):
        if mailbox is not None:
            store.mailboxes.get(mailbox)
        seen = store.certificates.seen(mailbox)
        blocked = {(one.issuer_id, one.serial_number): one for one in store.certificates.blocked()}
    found = [_seen_json(one, blocked.pop((one.issuer_id, one.serial_number), None)) for one in seen]
    if mailbox is None:
        found += [_unseen_json(one) for one in blocked.values()]
    if as_json:
        print_json(found)
        return
    names = ("serialNumber", "issuer", "mailbox", "subject", "notAfter", "lastSeen", "blockedAt")
    titles = ("SERIAL", "ISSUER", "MAILBOX", "SUBJECT", "VALID UNTIL", "LAST SEEN", "BLOCKED")
    print_table(titles, [[one[name] for name in names] for one in found])


@command.command()
@config_option
@serial_argument
@issuer_option
def block(config_path: Path | None, serial: int, issuer: str) -> None:
    """Refuse a certificate until it is unblocked, whatever any CRL says.

    SERIAL is decimal (digits alone), or hexadecimal: 0x4af3, 4a:f3, 4AF3.
    """
    with open_state(config_path) as (_, store):
        authority = store.authorities.get(issuer)
        is_new = store.certificates.block(authority.id, serial)
    already = "" if is_new else "already "
    click.echo(
        f"certificate {serial_text(serial)} of {authority.trusted_issuer} is {already}blocked "
        "until `certificate unblock`"
    )


@command.command()
@config_option
@serial_argument
@issuer_option
def unblock(config_path: Path | None, serial: int, issuer: str) -> None:
    """Judge a blocked certificate like any other again."""
    with open_state(config_path) as (_, store):
        issuer_id = _blocked_issuer(store, serial, issuer)
        store.certificates.unblock(issuer_id, serial)
    click.echo(f"certificate {serial_text(serial)} of CA {issuer_id} is no longer blocked")


def _blocked_issuer(store: Store, serial: int, issuer: str) -> str:
    """The issuer among the blocked certificates: its CA may have been removed since."""
    prefix = issuer.lower().replace(":", "")
    found = [
        one.issuer_id
        for one in store.certificates.blocked()
        if one.serial_number == serial and one.issuer_id.startswith(prefix)
    ]
    if len(found) != 1:
        several = "is blocked of several CAs" if found else "is not blocked"
        raise StateError(
            f"certificate {serial_text(serial)} of CA {issuer} {several}; see `certificate list`"
        )
    return found[0]


def _seen_json(one: SeenCertificate, blocked: BlockedCertificate | None) -> dict[str, object]:
    return {
        "serialNumber": f"{one.serial_number:#x}",
        "issuer": one.issuer_id,
        "mailbox": one.mailbox_key,
        "subject": one.subject,
        "fingerprint": one.fingerprint,
        "notBefore": one.not_before,
        "notAfter": one.not_after,
        "firstSeen": one.first_seen,
        "lastSeen": one.last_seen,
        "blockedAt": blocked.at if blocked else None,
    }


def _unseen_json(one: BlockedCertificate) -> dict[str, object]:
    unknown = ("mailbox", "subject", "fingerprint", "notBefore", "notAfter")
    return {
        "serialNumber": f"{one.serial_number:#x}",
        "issuer": one.issuer_id,
        **dict.fromkeys(unknown),
        "firstSeen": None,
        "lastSeen": None,
        "blockedAt": one.at,
    }
