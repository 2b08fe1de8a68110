"""All that decisions need of the store, at one moment, in memory."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Self, TypedDict

from sqlalchemy import Connection

from gateway.core.authority import Authority
from gateway.core.decision import TokenValidFrom
from gateway.core.device_registry import DeviceRegistry, registry_difference
from gateway.core.difference import Difference, differing
from gateway.core.mailbox import Mailbox
from gateway.core.names import fold
from gateway.store.authority_rows import load_authorities
from gateway.store.certificates import load_blocked
from gateway.store.database import latest_change
from gateway.store.device_rows import load_devices, load_rules, names_of
from gateway.store.mailbox_rows import folded_addresses, load_mailboxes
from gateway.store.schema import ChangeKind
from gateway.store.validity import load_valid_from

Change = tuple[ChangeKind, str]


class _MailboxMaps(TypedDict):
    _mailboxes: Mapping[str, Mailbox]
    _by_address: Mapping[str, Mailbox]
    _by_identifier: Mapping[str, Mailbox]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state after change `change_id`; never changes. A `MailboxLookup`.

    Attributes:
        change_id: the last change that is in it, 0 before the first.
        authorities: the CA records; the newest of each CA by its id, any other by a key that
            begins with it.
        devices: the partnerships and the rules for them.
    """

    change_id: int
    authorities: Mapping[str, Authority]
    devices: DeviceRegistry
    _mailboxes: Mapping[str, Mailbox] = field(repr=False)
    _by_address: Mapping[str, Mailbox] = field(repr=False)
    _by_identifier: Mapping[str, Mailbox] = field(repr=False)
    _valid_from: Mapping[str, TokenValidFrom] = field(repr=False)
    _blocked: frozenset[tuple[str, int]] = field(repr=False)

    @property
    def mailbox_count(self) -> int:
        """How many mailboxes there are."""
        return len(self._mailboxes)

    def find_by_upn(self, upn: str) -> Mailbox | None:
        """The mailbox whose userPrincipalName this is."""
        return self._mailboxes.get(fold(upn))

    def find_by_address(self, address: str) -> Mailbox | None:
        """The mailbox that has this address as its primary or a proxy address."""
        return self._by_address.get(fold(address))

    def find_by_identifier(self, key: str) -> Mailbox | None:
        """The mailbox among whose `identifiers` this key is."""
        return self._by_identifier.get(key)

    def token_valid_from(self, mailbox_key: str) -> TokenValidFrom | None:
        """What is set for the mailbox with this key, or None."""
        return self._valid_from.get(mailbox_key)

    def is_blocked(self, issuer_id: str, serial_number: int) -> bool:
        """Whether an administrator blocked this certificate of the CA record `issuer_id`."""
        return (issuer_id, serial_number) in self._blocked

    @property
    def compared(
        self,
    ) -> tuple[Mapping[str, Mailbox], Mapping[str, TokenValidFrom], frozenset[tuple[str, int]]]:
        """The mailboxes and their token-valid-from by key, and the blocked certificates."""
        return self._mailboxes, self._valid_from, self._blocked

    def difference(self, before: "Snapshot") -> Difference:
        """What is not as it was `before`; takes milliseconds for 100,000 mailboxes."""
        old_mailboxes, old_valid_from, old_blocked = before.compared
        mailboxes = differing(old_mailboxes, self._mailboxes)
        valid_from = differing(old_valid_from, self._valid_from)
        states = (old_mailboxes, self._mailboxes)
        versions = [state[key] for key in mailboxes for state in states if key in state]
        leading = {address for one in versions for address in folded_addresses(one)}
        leading.update(key for one in versions for key in one.identifiers)
        devices, device_owners = registry_difference(before.devices, self.devices)
        moments = (self._valid_from[key].value for key in valid_from if key in self._valid_from)
        return Difference(
            everything=before.authorities != self.authorities
            or before.devices.rules != self.devices.rules,
            names=frozenset(mailboxes | valid_from | leading) | device_owners,
            certificates=old_blocked ^ self._blocked,
            devices=devices,
            valid_from=max(moments, default=None),
        )

    @classmethod
    def load(cls, connection: Connection) -> Self:
        """The whole state as the connection's transaction sees it; raises StateError."""
        mailboxes = load_mailboxes(connection)
        return cls(
            latest_change(connection),
            _authorities(connection),
            DeviceRegistry.of(load_devices(connection), load_rules(connection)),
            {mailbox.key: mailbox for mailbox in mailboxes},
            dict(_addressed(mailboxes)),
            dict(_identified(mailboxes)),
            load_valid_from(connection),
            load_blocked(connection),
        )

    def advance(
        self, connection: Connection, changes: Collection[Change], change_id: int
    ) -> "Snapshot":
        """The state at `change_id`, reading again what `changes`, all since this one, name."""
        kinds = {kind for kind, _ in changes}
        new = replace(self, change_id=change_id)
        if ChangeKind.AUTHORITY in kinds:
            new = replace(new, authorities=_authorities(connection))
        if ChangeKind.CERTIFICATE in kinds:
            new = replace(new, _blocked=load_blocked(connection))
        if ChangeKind.TOKEN_VALID_FROM in kinds:
            new = replace(new, _valid_from=load_valid_from(connection))
        if ChangeKind.DEVICE_RULE in kinds:
            new = replace(new, devices=new.devices.with_rules(load_rules(connection)))
        if ChangeKind.DEVICE in kinds:
            names = names_of(key for kind, key in changes if kind is ChangeKind.DEVICE)
            present = load_devices(connection, names)
            new = replace(new, devices=new.devices.with_devices(names, present))
        if ChangeKind.MAILBOX in kinds:
            keys = {key for kind, key in changes if kind is ChangeKind.MAILBOX}
            new = replace(new, **self._mailboxes_with(keys, load_mailboxes(connection, keys)))
        return new

    def _mailboxes_with(
        self, keys: Collection[str], present: Collection[Mailbox]
    ) -> "_MailboxMaps":
        """The maps where the mailboxes with these keys are those `present`, and no others."""
        mailboxes, by_address = dict(self._mailboxes), dict(self._by_address)
        by_identifier = dict(self._by_identifier)
        # An address may have moved from one of them to another: all go before the first comes.
        for key in keys:
            gone = mailboxes.pop(key, None)
            for address in folded_addresses(gone) if gone else ():
                by_address.pop(address, None)
            for identifier in gone.identifiers if gone else ():
                by_identifier.pop(identifier, None)
        mailboxes.update({mailbox.key: mailbox for mailbox in present})
        by_address.update(_addressed(present))
        by_identifier.update(_identified(present))
        return {
            "_mailboxes": mailboxes,
            "_by_address": by_address,
            "_by_identifier": by_identifier,
        }


def _authorities(connection: Connection) -> Mapping[str, Authority]:
    records: dict[str, Authority] = {}
    for record in load_authorities(connection):
        key = record.id if record.id not in records else f"{record.id}#{len(records)}"
        records[key] = record
    return MappingProxyType(records)


def _addressed(mailboxes: Iterable[Mailbox]) -> Iterable[tuple[str, Mailbox]]:
    for mailbox in mailboxes:
        for address in folded_addresses(mailbox):
            yield address, mailbox


def _identified(mailboxes: Iterable[Mailbox]) -> Iterable[tuple[str, Mailbox]]:
    for mailbox in mailboxes:
        for identifier in mailbox.identifiers:
            yield identifier, mailbox
