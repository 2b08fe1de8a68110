"""What is known of a device that syncs a mailbox: a partnership, in ActiveSync's words.

Says what devices, rules and wipes are; `gateway.core.device_access` decides about them.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum

from gateway.core.names import fold

MOST_PARTNERSHIPS = 1000
"""Of one mailbox, where no limit is configured: nobody fills the store with DeviceIds."""


class Access(Enum):
    """What a device may do; the later ones are the more severe."""

    ALLOW = "allow"
    QUARANTINE = "quarantine"
    BLOCK = "block"


class WipeState(Enum):
    """How far a remote wipe (MS-ASPROV section 3.1.5.1.2) has come."""

    NONE = "none"
    PENDING = "pending"  # asked for by an administrator
    SENT = "sent"  # the device has been told
    ACKNOWLEDGED = "acknowledged"  # the device says that it obeys: it is blocked
    FAILED = "failed"  # the device says that it could not: it is told again


class WipeKind(Enum):
    """What a wipe takes."""

    FULL = "full"
    ACCOUNT_ONLY = "account_only"  # protocol version 16.1


@dataclass(frozen=True, slots=True)
class Wipe:
    """The last wipe of a device, and when it came to its state (UTC)."""

    state: WipeState = WipeState.NONE
    kind: WipeKind = WipeKind.FULL
    at: datetime | None = None

    @property
    def is_due(self) -> bool:
        """Whether the next Provision of the device is to be answered by the wipe directive."""
        return self.state in _DUE


_DUE = frozenset({WipeState.PENDING, WipeState.SENT, WipeState.FAILED})
NO_WIPE = Wipe()


@dataclass(frozen=True, slots=True)
class DeviceCertificate:
    """A certificate as pins see it: the CA record that issued it, its serial, its notBefore."""

    issuer_id: str
    serial_number: int
    not_before: datetime


@dataclass(frozen=True, slots=True)
class Device:
    """One DeviceId with one mailbox; an attribute that is not known is None.

    Attributes:
        mailbox_key: the folded UPN.
        device_id: as the device wrote it first.
        first_seen: when it was registered, UTC.
        last_seen: UTC; exact to what its gateway reports, which is not every request.
        device_type: DeviceType of its requests.
        model: Model of Settings DeviceInformation (MS-ASCMD section 2.2.3.115).
        os: OS of the same.
        user_agent: of its requests.
        protocol_version: what it spoke last.
        policy_key: what it named last.
        certificate: what pins hold it to: the latest by notBefore that it was let in with.
        access: what an administrator said of this device alone.
        key: the folded DeviceId.
    """

    mailbox_key: str
    device_id: str
    first_seen: datetime
    last_seen: datetime
    device_type: str | None = None
    model: str | None = None
    os: str | None = None
    user_agent: str | None = None
    protocol_version: str | None = None
    policy_key: int | None = None
    certificate: DeviceCertificate | None = None
    access: Access | None = None
    wipe: Wipe = NO_WIPE
    key: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", fold(self.device_id))

    @property
    def rank(self) -> tuple[datetime, str, str]:
        """What devices are ordered by, alike for everybody: the first one first."""
        return self.first_seen, self.key, self.mailbox_key

    def seen_again(self, seen: "Device") -> "Device":
        """This device with what is known of it since `seen`; what was not said then stays.

        Its certificate is the later one by notBefore, whatever the order in which they are seen.
        """
        newer = seen.certificate
        if self.certificate is not None and (
            newer is None or newer.not_before <= self.certificate.not_before
        ):
            newer = self.certificate
        return replace(
            self,
            last_seen=max(self.last_seen, seen.last_seen),
            device_type=seen.device_type or self.device_type,
            model=seen.model or self.model,
            os=seen.os or self.os,
            user_agent=seen.user_agent or self.user_agent,
            protocol_version=seen.protocol_version or self.protocol_version,
            policy_key=self.policy_key if seen.policy_key is None else seen.policy_key,
            certificate=newer,
        )

    def is_judged_as(self, other: "Device") -> bool:
        """Whether no decision about either can differ; requests say the rest of what rules read."""
        return all(getattr(self, name) == getattr(other, name) for name in _JUDGED)


_JUDGED = ("device_type", "model", "os", "certificate", "access", "wipe")


@dataclass(frozen=True, slots=True)
class WipeProgress:
    """What became of a wipe at the device, and when (UTC)."""

    mailbox_key: str
    device_id: str
    state: WipeState
    at: datetime

    def applied(self, wipe: Wipe) -> Wipe:
        """The wipe after it; since when it is in its state stays where that is no news.

        One that was cancelled meanwhile is on record when the device obeyed nevertheless; one that
        was never asked for, or ended before, is not.
        """
        is_late = wipe.at is not None and self.at >= wipe.at and self.state is not WipeState.SENT
        if self.state is wipe.state:
            return wipe
        if wipe.is_due or (wipe.state is WipeState.NONE and is_late):
            return replace(wipe, state=self.state, at=self.at)
        return wipe


class Characteristic(Enum):
    """What of a device a rule looks at."""

    DEVICE_TYPE = "type"
    MODEL = "model"
    OS = "os"
    USER_AGENT = "user_agent"
    MAILBOX = "mailbox"
    GROUP = "group"


@dataclass(frozen=True, slots=True)
class DeviceRule:
    """Devices whose `characteristic` is like `pattern` have `access`."""

    id: int
    characteristic: Characteristic
    pattern: str
    access: Access


def pattern_matches(pattern: str, text: str) -> bool:
    """Whether `text` is like `pattern`, where `*` stands for any characters, none too.

    Compared without regard to ASCII case; no other character is special. Takes time linear in the
    product of the lengths at worst.
    """
    first, *others = fold(pattern).split("*")
    text = fold(text)
    if not others:
        return text == first
    *inner, last = others
    if not text.startswith(first) or not text.endswith(last):
        return False
    place, end = len(first), len(text) - len(last)
    for part in inner:
        found = text.find(part, place, end)
        if found < 0:
            return False
        place = found + len(part)
    return place <= end
