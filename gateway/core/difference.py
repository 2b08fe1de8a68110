"""What became different between two states of what decisions rest on.

Says whom a change may concern; is not told who that is.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

_Key = TypeVar("_Key")
_NOBODY: frozenset[str] = frozenset()
_NONE: frozenset[tuple[str, int]] = frozenset()


@dataclass(frozen=True, slots=True)
class Difference:
    """The difference of two states; whom none of it names is judged as before.

    Attributes:
        everything: whatever was decided before may be decided otherwise now.
        names: keys of mailboxes that are others now, or whose token-valid-from is, and every UPN,
            address and identifier that leads or led to one of them; folded.
        certificates: blocked or unblocked, by the id of the CA record and the serial number.
        issuers: ids of the CA records whose CRLs are others.
        devices: keys of devices that are others now, or that others of their mailbox come before.
        valid_from: the latest token-valid-from among those that were set or changed, if any was.
    """

    everything: bool = False
    names: frozenset[str] = _NOBODY
    certificates: frozenset[tuple[str, int]] = _NONE
    issuers: frozenset[str] = _NOBODY
    devices: frozenset[str] = _NOBODY
    valid_from: datetime | None = None


def differing(before: Mapping[_Key, object], after: Mapping[_Key, object]) -> set[_Key]:
    """The keys that lead elsewhere in one of the two; quick where most values are the same one."""
    if before is after:
        return set()
    missing = object()
    found = {
        key
        for key, value in after.items()
        if (old := before.get(key, missing)) is not value and old != value
    }
    return found | (before.keys() - after.keys())
