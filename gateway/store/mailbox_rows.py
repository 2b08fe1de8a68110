"""Mailboxes as rows and back."""

from collections.abc import Collection
from hashlib import sha256

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
        "certificate_user_ids": _SEPARATOR.join(mailbox.certificate_user_ids),
        "on_premises_upn": mailbox.on_premises_upn,
        "security_identifier": mailbox.security_identifier,
        "groups": _SEPARATOR.join(sorted(mailbox.groups)),
        "upstream": mailbox.upstream,
    }


def address_rows(mailbox: Mailbox) -> list[dict[str, object]]:
    """The rows in `addresses`; an address that is written twice, in whatever case, is one row."""
    return [
        {"address": address, "mailbox_key": mailbox.key}
        for address in sorted(folded_addresses(mailbox))
    ]


def identifier_rows(mailbox: Mailbox) -> list[dict[str, object]]:
    """The rows in `identifiers`."""
    return [
        {"digest": digest, "mailbox_key": mailbox.key}
        for digest in sorted(identifier_digests(mailbox))
    ]


def identifier_digests(mailbox: Mailbox) -> dict[str, str]:
    """By digest, how each identifier of the mailbox is written."""
    return {
        sha256(key.encode()).hexdigest(): written for key, written in mailbox.identifiers.items()
    }


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
        table.certificate_user_ids,
        table.on_premises_upn,
        table.security_identifier,
        table.groups,
        table.upstream,
    ).order_by(table.key)
    if keys is not None:
        statement = statement.where(table.key.in_(keys))
    return [
        Mailbox(
            upn,
            primary,
            _lines(proxy),
            sam,
            domain,
            enabled,
            _lines(ids),
            on_premises,
            sid,
            frozenset(_lines(groups)),
            upstream,
        )
        for (
            upn,
            primary,
            proxy,
            sam,
            domain,
            enabled,
            ids,
            on_premises,
            sid,
            groups,
            upstream,
        ) in connection.execute(statement)
    ]


def _lines(text: str) -> tuple[str, ...]:
    return tuple(text.split(_SEPARATOR)) if text else ()
