"""The partnerships and rules of one moment, found by mailbox, DeviceId and certificate."""

from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Self, TypeVar

from gateway.core.device import Device, DeviceRule
from gateway.core.difference import differing

DeviceName = tuple[str, str]
"""The folded UPN and the folded DeviceId of a partnership."""

_Group = tuple[Device, ...]
_Key = TypeVar("_Key", bound=Hashable)


@dataclass(frozen=True, slots=True)
class DeviceRegistry:
    """Never changes; a `DeviceLookup`.

    Attributes:
        rules: every rule, by id.
    """

    rules: Sequence[DeviceRule] = ()
    _by_mailbox: Mapping[str, _Group] = field(default_factory=dict, repr=False)
    _by_id: Mapping[str, _Group] = field(default_factory=dict, repr=False)
    _by_certificate: Mapping[tuple[str, int], _Group] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, devices: Iterable[Device], rules: Iterable[DeviceRule] = ()) -> Self:
        """With these devices and rules."""
        known = list(devices)
        return cls(
            tuple(rules),
            _with({}, known, _mailbox),
            _with({}, known, _id),
            _with({}, known, _certificate),
        )

    def with_rules(self, rules: Iterable[DeviceRule]) -> Self:
        """With these rules and no others."""
        return replace(self, rules=tuple(rules))

    def with_devices(self, names: Collection[DeviceName], present: Iterable[Device]) -> Self:
        """Where the devices with these names are those `present`, and no others."""
        found = list(present)
        gone = [one for name in set(names) if (one := self.device(*name)) is not None]
        return replace(
            self,
            _by_mailbox=_with(_without(self._by_mailbox, gone, _mailbox), found, _mailbox),
            _by_id=_with(_without(self._by_id, gone, _id), found, _id),
            _by_certificate=_with(
                _without(self._by_certificate, gone, _certificate), found, _certificate
            ),
        )

    def device(self, mailbox_key: str, device_key: str) -> Device | None:
        """The partnership of this mailbox and DeviceId, or None."""
        devices = self.devices_of(mailbox_key)
        return next((one for one in devices if one.key == device_key), None)

    def devices_of(self, mailbox_key: str) -> Sequence[Device]:
        """The partnerships of a mailbox, by `Device.rank`."""
        return self._by_mailbox.get(mailbox_key, ())

    def devices_with_id(self, device_key: str) -> Sequence[Device]:
        """The partnerships of a DeviceId, by `Device.rank`."""
        return self._by_id.get(device_key, ())

    def certificate_devices(self, issuer_id: str, serial_number: int) -> Sequence[Device]:
        """The partnerships whose certificate this is, by `Device.rank`."""
        return self._by_certificate.get((issuer_id, serial_number), ())

    @property
    def by_mailbox(self) -> Mapping[str, _Group]:
        """The partnerships by mailbox."""
        return self._by_mailbox

    def __len__(self) -> int:
        """How many partnerships there are."""
        return sum(map(len, self._by_mailbox.values()))


def registry_difference(
    before: DeviceRegistry, after: DeviceRegistry
) -> tuple[frozenset[str], frozenset[str]]:
    """The keys of devices, and of mailboxes, that are to be judged again.

    A partnership that comes moves nothing but itself and those after it. One that goes or changes
    makes room for devices that are not registered, which are known by their mailbox alone.
    """
    old, new = before.by_mailbox, after.by_mailbox
    changed = differing(old, new)
    devices = {one.key for key in changed for one in (*old.get(key, ()), *new.get(key, ()))}
    mailboxes = {key for key in changed if set(old.get(key, ())) - set(new.get(key, ()))}
    return frozenset(devices), frozenset(mailboxes)


def _with(
    groups: Mapping[_Key, _Group],
    devices: Iterable[Device],
    key_of: Callable[[Device], _Key | None],
) -> dict[_Key, _Group]:
    added: dict[_Key, list[Device]] = {}
    for device in devices:
        key = key_of(device)
        if key is not None:
            added.setdefault(key, []).append(device)
    found = dict(groups)
    for key, more in added.items():
        group = (*found.get(key, ()), *more)
        found[key] = group if len(group) == 1 else tuple(sorted(group, key=_rank))
    return found


def _without(
    groups: Mapping[_Key, _Group], gone: Iterable[Device], key_of: Callable[[Device], _Key | None]
) -> dict[_Key, _Group]:
    found = dict(groups)
    for device in gone:
        key = key_of(device)
        if key is None:
            continue
        rest = tuple(one for one in found.pop(key) if one != device)
        if rest:
            found[key] = rest
    return found


def _rank(device: Device) -> tuple[datetime, str, str]:
    return device.rank


def _mailbox(device: Device) -> str:
    return device.mailbox_key


def _id(device: Device) -> str:
    return device.key


def _certificate(device: Device) -> tuple[str, int] | None:
    certificate = device.certificate
    return None if certificate is None else (certificate.issuer_id, certificate.serial_number)
