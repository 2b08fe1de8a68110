"""The mailboxes in the store, and that no two of them share an address."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypedDict, Unpack

from sqlalchemy import Column, Connection, Table, bindparam, delete, insert, select, update

from gateway.core.address import (
    address_problem,
    group_problem,
    name_problem,
    upstream_problem,
)
from gateway.core.certificate_user_id import user_ids_problem
from gateway.core.mailbox import Mailbox
from gateway.core.names import fold
from gateway.core.security_identifier import sid_problem
from gateway.errors import StateError
from gateway.store.database import Database, record_changes
from gateway.store.mailbox_rows import (
    address_rows,
    folded_addresses,
    identifier_digests,
    identifier_rows,
    load_mailbox,
    load_mailboxes,
    mailbox_row,
)
from gateway.store.schema import ChangeKind, addresses, identifiers, mailboxes

ALL_FIELDS = frozenset(
    {
        "primary_address",
        "proxy_addresses",
        "sam_account_name",
        "netbios_domain",
        "enabled",
        "certificate_user_ids",
        "on_premises_upn",
        "security_identifier",
        "groups",
        "upstream",
    }
)

_SHOWN_PROBLEMS = 50


class MailboxFields(TypedDict, total=False):
    """What may be changed in a mailbox; its UPN may not, as that is what identifies it."""

    primary_address: str | None
    proxy_addresses: tuple[str, ...]
    sam_account_name: str | None
    netbios_domain: str | None
    enabled: bool
    certificate_user_ids: tuple[str, ...]
    on_premises_upn: str | None
    security_identifier: str | None
    groups: frozenset[str]
    upstream: str | None


@dataclass(frozen=True, slots=True)
class ImportCount:
    """What an import did, in mailboxes."""

    added: int
    changed: int
    unchanged: int
    removed: int


class Mailboxes:
    """Reads and writes mailboxes; each method raises StateError if the store cannot do it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, mailbox: Mailbox) -> None:
        """The mailbox is stored; raises StateError if its UPN or an address is taken."""
        _raise(list(_problems(mailbox)))  # before any statement: PostgreSQL takes no NUL
        with self._database.writing() as connection:
            if load_mailbox(connection, mailbox.key) is not None:
                raise StateError(f"there is a mailbox {mailbox.upn} already; `user set` changes it")
            self._write(connection, [mailbox], replaced=())

    def get(self, upn: str) -> Mailbox:
        """The mailbox with this UPN; raises StateError if there is none."""
        with self._database.reading() as connection:
            return _require(connection, upn)

    def list(self) -> "Sequence[Mailbox]":
        """Every mailbox, by UPN."""
        with self._database.reading() as connection:
            return load_mailboxes(connection)

    def set(self, upn: str, **fields: Unpack[MailboxFields]) -> Mailbox:
        """The mailbox has the given fields; returns it.

        Raises StateError if there is no such mailbox or an address is another's.
        """
        with self._database.writing() as connection:
            old = _require(connection, upn)
            new = replace(old, **fields)
            if new != old:
                self._write(connection, [new], replaced=[new.key])
        return new

    def route(self, key: str, upstream: str) -> bool:
        """The mailbox with this key is served by the upstream named; False if there is none."""
        with self._database.writing() as connection:
            changed = connection.execute(
                update(mailboxes)
                .where(mailboxes.c.key == key, mailboxes.c.upstream.is_distinct_from(upstream))
                .values(upstream=upstream)
            ).rowcount
            if changed:
                self._log(connection, [key])
                return True
            return load_mailbox(connection, key) is not None

    def remove(self, upn: str) -> None:
        """The mailbox and its addresses are gone; its token-valid-from stays.

        Raises StateError if there was none.
        """
        with self._database.writing() as connection:
            self._remove(connection, [_require(connection, upn).key])

    def import_all(
        self,
        imported: Iterable[Mailbox],
        *,
        fields: Collection[str] = ALL_FIELDS,
        remove_missing: bool = False,
    ) -> ImportCount:
        """All of the mailboxes are stored as given, or none is.

        Args:
            imported: the mailboxes; those in the store and not here stay as they are.
            fields: what the source knows of a mailbox; other fields of one that is in the store
                already stay as they are.
            remove_missing: remove the mailboxes that are in the store and not here.

        Raises:
            StateError: two mailboxes would share a UPN or an address; one line for each.
        """
        with self._database.writing() as connection:
            before = {mailbox.key: mailbox for mailbox in load_mailboxes(connection)}
            merged = [_merge(before.get(new.key), new, fields) for new in imported]
            changed = [mailbox for mailbox in merged if before.get(mailbox.key) != mailbox]
            names = {mailbox.key for mailbox in merged}
            gone = [key for key in before if remove_missing and key not in names]
            if len(names) != len(merged):
                raise StateError("the import names a UPN twice")
            self._remove(connection, gone)
            replaced = [mailbox.key for mailbox in changed if mailbox.key in before]
            self._write(connection, changed, replaced)
        added = sum(mailbox.key not in before for mailbox in changed)
        return ImportCount(added, len(changed) - added, len(merged) - len(changed), len(gone))

    def _write(
        self, connection: Connection, new: Sequence[Mailbox], replaced: Sequence[str]
    ) -> None:
        if not new:
            return
        _raise(
            [problem for mailbox in new for problem in _problems(mailbox)]
            + list(_shared(_taken_addresses(connection, new), new, _written_addresses))
            + list(_shared(_taken_identifiers(connection, new), new, identifier_digests))
        )
        if replaced:
            _delete(connection, replaced)
        connection.execute(insert(mailboxes), [mailbox_row(mailbox) for mailbox in new])
        for table, rows_of in ((addresses, address_rows), (identifiers, identifier_rows)):
            if rows := [row for mailbox in new for row in rows_of(mailbox)]:
                connection.execute(insert(table), rows)
        self._log(connection, [mailbox.key for mailbox in new])

    def _remove(self, connection: Connection, keys: Sequence[str]) -> None:
        if keys:
            _delete(connection, keys)
            self._log(connection, keys)

    def _log(self, connection: Connection, keys: Sequence[str]) -> None:
        record_changes(connection, ChangeKind.MAILBOX, keys, self._database.now())


def _require(connection: Connection, upn: str) -> Mailbox:
    mailbox = load_mailbox(connection, fold(upn))
    if mailbox is not None:
        return mailbox
    owner = connection.execute(
        select(mailboxes.c.upn)
        .join(addresses, addresses.c.mailbox_key == mailboxes.c.key)
        .where(addresses.c.address == fold(upn))
    ).scalar()
    if owner is not None:
        raise StateError(f"no mailbox has the UPN {upn}; it is an address of {owner}")
    raise StateError(f"no mailbox has the UPN {upn}; see `user list`")


def _delete(connection: Connection, keys: Sequence[str]) -> None:
    rows = [{"gone": key} for key in keys]  # its addresses go with it: ON DELETE CASCADE
    connection.execute(delete(mailboxes).where(mailboxes.c.key == bindparam("gone")), rows)


def _merge(old: Mailbox | None, new: Mailbox, fields: Collection[str]) -> Mailbox:
    if old is None or set(fields) >= ALL_FIELDS:
        return new
    kept = {name: getattr(old, name) for name in ALL_FIELDS - set(fields)}
    return replace(new, **kept)


def _raise(problems: Sequence[str]) -> None:
    if problems:
        more = len(problems) - _SHOWN_PROBLEMS
        last = [f"and {more} more"] if more > 0 else []
        raise StateError("\n".join([*problems[:_SHOWN_PROBLEMS], *last]))


def _problems(mailbox: Mailbox) -> Iterable[str]:
    if problem := address_problem(mailbox.upn):
        yield f"the UPN {mailbox.upn!r} {problem}"
    for words, text, problem_of in _checked(mailbox):
        if problem := problem_of(text):
            yield f"{mailbox.upn!r}: {words}{text!r} {problem}"
    if problem := user_ids_problem(mailbox.certificate_user_ids):
        yield f"{mailbox.upn!r}: certificateUserIds: {problem}"


def _checked(mailbox: Mailbox) -> Iterable[tuple[str, str, Callable[[str], str | None]]]:
    """What each is called, the text, and what finds a problem in it."""
    for address in mailbox.addresses:
        yield "the address ", address, address_problem
    for group in sorted(mailbox.groups):
        yield "the group ", group, group_problem
    for words, text, problem_of in (
        ("the name ", mailbox.sam_account_name, name_problem),
        ("the name ", mailbox.netbios_domain, name_problem),
        ("the on-premises UPN ", mailbox.on_premises_upn, address_problem),
        ("the upstream ", mailbox.upstream, upstream_problem),
        ("", mailbox.security_identifier, sid_problem),
    ):
        if text is not None:
            yield words, text, problem_of


def _shared(
    taken: Iterable[tuple[str, str, str]],
    new: Sequence[Mailbox],
    names: Callable[[Mailbox], Mapping[str, str]],
) -> Iterable[str]:
    """One sentence for each of the `names` that two mailboxes would have once `new` is stored.

    `taken` are names that are stored, with their mailbox's key and UPN.
    """
    written = {mailbox.key for mailbox in new}
    owners = {name: upn for name, key, upn in taken if key not in written}
    for mailbox in new:
        for name, words in names(mailbox).items():
            owner = owners.setdefault(name, mailbox.upn)
            if owner != mailbox.upn:
                yield f"the {words} cannot be both of {owner} and of {mailbox.upn}"


def _written_addresses(mailbox: Mailbox) -> Mapping[str, str]:
    return {address: f"address {address}" for address in folded_addresses(mailbox)}


def _taken_addresses(
    connection: Connection, new: Sequence[Mailbox]
) -> Iterable[tuple[str, str, str]]:
    names = folded_addresses(new[0]) if len(new) == 1 else None
    return _taken(connection, addresses, addresses.c.address, names)


def _taken_identifiers(
    connection: Connection, new: Sequence[Mailbox]
) -> Iterable[tuple[str, str, str]]:
    names = identifier_digests(new[0]) if len(new) == 1 else None
    return _taken(connection, identifiers, identifiers.c.digest, names)


def _taken(
    connection: Connection, table: Table, column: Column[str], names: Collection[str] | None
) -> Iterable[tuple[str, str, str]]:
    """Those of `names`, or all, that are stored, with their mailbox's key and UPN."""
    statement = select(column, mailboxes.c.key, mailboxes.c.upn).join_from(
        table, mailboxes, table.c.mailbox_key == mailboxes.c.key
    )
    if names is not None:
        statement = statement.where(column.in_(names))
    return [(name, key, upn) for name, key, upn in connection.execute(statement)]
