"""Device access rules in the store."""

import pytest

from gateway.core.device import Access, Characteristic, DeviceRule
from gateway.errors import StateError
from gateway.store.store import Store


def test_add_and_list(store: Store) -> None:
    """Rules are read as they were written, each is one change."""
    added = [
        store.device_rules.add(characteristic, f"é {number}*", access)
        for number, (characteristic, access) in enumerate(
            (characteristic, access) for characteristic in Characteristic for access in Access
        )
    ]
    assert store.device_rules.list() == added
    assert store.change_id() == len(added)


def test_remove(store: Store) -> None:
    """The rule is gone, and its number is never given again."""
    first = store.device_rules.add(Characteristic.OS, "a", Access.BLOCK)
    assert store.device_rules.remove(first.id) == first
    second = store.device_rules.add(Characteristic.OS, "a", Access.BLOCK)
    assert second.id > first.id
    assert store.device_rules.list() == [second]
    assert store.change_id() == 3


def test_remove_nothing(store: Store) -> None:
    """A rule that is not there is not removed."""
    with pytest.raises(StateError, match="there is no rule 7; see `device rule list`"):
        store.device_rules.remove(7)
    assert store.change_id() == 0


@pytest.mark.parametrize("pattern", ["", " ", "a\0", "a\nb", "a" * 257])
def test_odd_patterns(store: Store, pattern: str) -> None:
    """What no device says is no pattern."""
    with pytest.raises(StateError, match=r"the pattern .* is empty, has a control character"):
        store.device_rules.add(Characteristic.OS, pattern, Access.BLOCK)


def test_twice(store: Store) -> None:
    """Two rules about the same would hide one another."""
    store.device_rules.add(Characteristic.OS, "a", Access.BLOCK)
    with pytest.raises(StateError, match="rule 1 says block of os 'a' already"):
        store.device_rules.add(Characteristic.OS, "a", Access.ALLOW)
    assert store.device_rules.list() == [DeviceRule(1, Characteristic.OS, "a", Access.BLOCK)]
