"""Whether a device may sync a mailbox: its own exemption, the rules, the limit and the pins.

Decides from facts and what the registry holds; is not told how either was found.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from gateway.core.decision import Deny
from gateway.core.device import (
    MOST_PARTNERSHIPS,
    Access,
    Characteristic,
    Device,
    DeviceCertificate,
    DeviceRule,
    Wipe,
    WipeState,
    pattern_matches,
)
from gateway.core.mailbox import Mailbox
from gateway.core.names import fold
from gateway.core.reasons import Reason


class Pin(Enum):
    """What is tied to what by its first use."""

    NONE = "none"
    DEVICE_TO_CERTIFICATE = "device_to_certificate"
    CERTIFICATE_TO_DEVICE = "certificate_to_device"


@dataclass(frozen=True, slots=True)
class DevicePolicy:
    """`[devices]` of the configuration.

    Attributes:
        default_access: of a device that no rule matches.
        limit: partnerships of one mailbox; 0 for no other limit than `MOST_PARTNERSHIPS`.
        pin: what is tied to what.
        pin_allows_renewal: a device that is tied to a certificate may come with a later one of the
            same CA, and is tied to that from then on.
        one_mailbox_a_device: a DeviceId belongs to the mailbox that it was first seen with.
    """

    default_access: Access = Access.ALLOW
    limit: int = 20
    pin: Pin = Pin.NONE
    pin_allows_renewal: bool = True
    one_mailbox_a_device: bool = False

    @property
    def most_partnerships(self) -> int:
        """How many partnerships of one mailbox are kept."""
        return self.limit or MOST_PARTNERSHIPS


@dataclass(frozen=True, slots=True)
class DeviceFacts:
    """What a request says of its device; what it does not say is None.

    Attributes:
        mailbox: that the certificate led to.
        device_id: None in OPTIONS alone; no other request is read without one.
        certificate: None where it plays no part, as it does when rules are tried out.
    """

    mailbox: Mailbox
    device_id: str | None
    device_type: str | None = None
    user_agent: str | None = None
    certificate: DeviceCertificate | None = None


class DeviceLookup(Protocol):
    """The registry; keys are folded."""

    @property
    def rules(self) -> Sequence[DeviceRule]:
        """Every rule."""

    def device(self, mailbox_key: str, device_key: str) -> Device | None:
        """The partnership of this mailbox and DeviceId, or None."""

    def devices_of(self, mailbox_key: str) -> Sequence[Device]:
        """The partnerships of a mailbox, by `Device.rank`."""

    def devices_with_id(self, device_key: str) -> Sequence[Device]:
        """The partnerships of a DeviceId, by `Device.rank`."""

    def certificate_devices(self, issuer_id: str, serial_number: int) -> Sequence[Device]:
        """The partnerships whose certificate this is, by `Device.rank`."""


@dataclass(frozen=True, slots=True)
class _Case:
    """One question: `known` is the partnership, None before it is registered."""

    facts: DeviceFacts
    key: str
    known: Device | None
    lookup: DeviceLookup
    policy: DevicePolicy


def wipe_of(facts: DeviceFacts, lookup: DeviceLookup, policy: DevicePolicy) -> Wipe | None:
    """The wipe that the device of this request is to be told, or None.

    One that is tied to another certificate is another device, which neither learns of the wipe nor
    acknowledges it.
    """
    known = _known(facts, lookup)
    if facts.device_id is None or known is None or not known.wipe.is_due:
        return None
    case = _Case(facts, fold(facts.device_id), known, lookup, policy)
    return None if _other_certificate(case) is not None else known.wipe


def judge_device(facts: DeviceFacts, lookup: DeviceLookup, policy: DevicePolicy) -> Deny | None:
    """A denial if the device of this request may not sync its mailbox, whatever it asks.

    An acknowledged wipe comes first; then what an administrator said of this device alone, which
    beats the rest but a device's own certificate pin; then pins, the limit, rules and default.
    A wipe that is due is no denial: `wipe_of` tells of it.
    """
    if facts.device_id is None:
        return None
    case = _Case(facts, fold(facts.device_id), _known(facts, lookup), lookup, policy)
    known = case.known
    if known is not None and known.wipe.state is WipeState.ACKNOWLEDGED:
        return Deny(
            Reason.DEVICE_BLOCKED,
            f"the device {known.device_id} was wiped; `device allow` lets it in again",
        )
    own = None if known is None else known.access
    if own is not None and own is not Access.ALLOW:
        return _refusal(own, "an administrator said so of this device")
    if own is Access.ALLOW:
        return _other_certificate(case)
    return (
        _other_mailbox(case)
        or _other_certificate(case)
        or _other_device(case)
        or _beyond_limit(case)
        or _by_rules(case)
    )


def may_register(denial: Deny | None) -> bool:
    """Whether a device that was judged so is kept in the registry, for administrators to see."""
    return denial is None or denial.reason in (Reason.DEVICE_BLOCKED, Reason.DEVICE_QUARANTINED)


def _known(facts: DeviceFacts, lookup: DeviceLookup) -> Device | None:
    if facts.device_id is None:
        return None
    return lookup.device(facts.mailbox.key, fold(facts.device_id))


def _refusal(access: Access, why: str) -> Deny:
    if access is Access.BLOCK:
        return Deny(Reason.DEVICE_BLOCKED, f"the device is blocked: {why}")
    return Deny(Reason.DEVICE_QUARANTINED, f"the device is in quarantine: {why}")


def _other_mailbox(case: _Case) -> Deny | None:
    if not case.policy.one_mailbox_a_device:
        return None
    owner = next(iter(case.lookup.devices_with_id(case.key)), None)
    if owner is None or owner.mailbox_key == case.facts.mailbox.key:
        return None
    return Deny(
        Reason.DEVICE_OF_ANOTHER_MAILBOX,
        f"the device {owner.device_id} was first seen with {owner.mailbox_key}",
    )


def _other_certificate(case: _Case) -> Deny | None:
    """Of a device that is tied to its certificate."""
    shown = case.facts.certificate
    pinned = None if case.known is None else case.known.certificate
    if case.policy.pin is not Pin.DEVICE_TO_CERTIFICATE or shown is None or pinned is None:
        return None
    if shown == pinned or (case.policy.pin_allows_renewal and _renews(shown, pinned)):
        return None
    return Deny(
        Reason.DEVICE_OF_ANOTHER_MAILBOX,
        f"the device {case.facts.device_id} is tied to certificate {pinned.serial_number:#x} of CA "
        f"{pinned.issuer_id}; `device allow` ties it to the next one it shows",
    )


def _renews(shown: DeviceCertificate, pinned: DeviceCertificate) -> bool:
    return shown.issuer_id == pinned.issuer_id and shown.not_before > pinned.not_before


def _other_device(case: _Case) -> Deny | None:
    """Of a certificate that is tied to its device."""
    shown = case.facts.certificate
    if case.policy.pin is not Pin.CERTIFICATE_TO_DEVICE or shown is None:
        return None
    devices = case.lookup.certificate_devices(shown.issuer_id, shown.serial_number)
    owner = next(iter(devices), None)
    if owner is None or owner.key == case.key:
        return None
    return Deny(
        Reason.DEVICE_OF_ANOTHER_MAILBOX,
        f"the certificate was first used with the device {owner.device_id}; `device forget` or "
        f"`device allow` lets {case.facts.device_id} use it",
    )


def _beyond_limit(case: _Case) -> Deny | None:
    devices = case.lookup.devices_of(case.facts.mailbox.key)
    most = case.policy.most_partnerships
    # The first ones by rank, so that each worker and node draws the line at the same device.
    if any(one.key == case.key for one in devices[:most]) or (
        case.known is None and len(devices) < most
    ):
        return None
    return Deny(
        Reason.DEVICE_LIMIT,
        f"{case.facts.mailbox.upn} has {len(devices)} devices, and {most} may sync it; "
        "`device forget` makes room",
    )


def _by_rules(case: _Case) -> Deny | None:
    matching = [rule for rule in case.lookup.rules if _matches(rule, case)]
    for access in (Access.BLOCK, Access.QUARANTINE, Access.ALLOW):
        rule = next((one for one in matching if one.access is access), None)
        if rule is not None:
            why = f"rule {rule.id}, {rule.characteristic.value} {rule.pattern!r}"
            return None if access is Access.ALLOW else _refusal(access, why)
    default = case.policy.default_access
    return None if default is Access.ALLOW else _refusal(default, "devices.default_access")


def _matches(rule: DeviceRule, case: _Case) -> bool:
    return any(pattern_matches(rule.pattern, text) for text in _texts(rule.characteristic, case))


def _texts(characteristic: Characteristic, case: _Case) -> Iterable[str]:
    """What a rule looks at: what the request says, else what is known; nothing matches nothing."""
    facts, known = case.facts, case.known
    match characteristic:
        case Characteristic.MAILBOX:
            return (facts.mailbox.upn,)
        case Characteristic.GROUP:
            return facts.mailbox.groups
        case Characteristic.DEVICE_TYPE:
            found = facts.device_type or (known and known.device_type)
        case Characteristic.USER_AGENT:
            found = facts.user_agent or (known and known.user_agent)
        case Characteristic.MODEL:
            found = known and known.model
        case _:
            found = known and known.os
    return (found,) if found else ()
