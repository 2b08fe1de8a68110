"""Mailboxes as rows and back."""

from collections.abc import Collection

from sqlalchemy import Connection, select

from gateway.core.mailbox import Mailbox
from gateway.core.names import fold
from gateway.store.schema import mailboxes

_SEPARATOR = "\n"  # no address holds one: `gateway.core.address`


def mailbox_row(mailbox: Mailbox) -> dict[str, object]:
    """The row in `mailboxes`."""
    return {
        "key": mailbox.key,
        "upn": mailbox.upn,
        "primary_address": mailbox.primary_address,
        "proxy_addresses": _SEPARATOR.join(mailbox.proxy_addresses),
        "sam_account_name": mailbox.sam_account_name,
        "netbios_domain": mailbox.netbios_domain,
        "enabled": mailbox.enabled,
    }


def address_rows(mailbox: Mailbox) -> list[dict[str, object]]:
    """The rows in `addresses`; an address that is written twice, in whatever case, is one row."""
    return [
        {"address": address, "mailbox_key": mailbox.key}
        for address in sorted(folded_addresses(mailbox))
    ]


def folded_addresses(mailbox: Mailbox) -> set[str]:
    """Every address of the mailbox as it is compared."""
    joined = _SEPARATOR.join(mailbox.addresses)  # folding is slow: once for all of them
    return set(fold(joined).split(_SEPARATOR)) if joined else set()


def load_mailbox(connection: Connection, key: str) -> Mailbox | None:
    """The mailbox whose folded UPN is `key`, or None."""
    found = load_mailboxes(connection, {key})
    return found[0] if found else None


def load_mailboxes(connection: Connection, keys: Collection[str] | None = None) -> list[Mailbox]:
    """Those of `keys`, or all, by UPN."""
    table = mailboxes.c
    statement = select(
        table.upn,
        table.primary_address,
        table.proxy_addresses,
        table.sam_account_name,
        table.netbios_domain,
        table.enabled,
    ).order_by(table.key)
    if keys is not None:
        statement = statement.where(table.key.in_(keys))
    return [
        Mailbox(upn, primary, tuple(proxy.split(_SEPARATOR)) if proxy else (), sam, domain, enabled)
        for upn, primary, proxy, sam, domain, enabled in connection.execute(statement)
    ]
