"""Devices are found by mailbox, DeviceId and certificate."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.device import Access, Characteristic, Device, DeviceRule
from gateway.core.device_registry import DeviceRegistry, registry_difference
from tests.core.devices import ALICE, BOB, CERTIFICATE, device

RULE = DeviceRule(1, Characteristic.OS, "*", Access.BLOCK)
DEVICES = st.builds(
    device,
    st.sampled_from("aBc"),
    minute=st.integers(0, 2),
    mailbox_key=st.sampled_from([ALICE.key, BOB.key]),
    certificate=st.sampled_from([None, CERTIFICATE, replace(CERTIFICATE, serial_number=2)]),
)


def _unique(devices: list[Device]) -> list[Device]:
    return list({(one.mailbox_key, one.key): one for one in devices}.values())


def test_finds() -> None:
    """By each of its names, the first one seen first."""
    first, second = device("b", certificate=CERTIFICATE), device("a", minute=1)
    bobs = device("B", minute=2, mailbox_key=BOB.key, certificate=CERTIFICATE)
    registry = DeviceRegistry.of([bobs, second, first], [RULE])
    assert registry.device(ALICE.key, "b") is first
    assert registry.device(BOB.key, "a") is None
    assert registry.devices_of(ALICE.key) == (first, second)
    assert registry.devices_with_id("b") == (first, bobs)
    assert registry.certificate_devices("ca", 1) == (first, bobs)
    assert registry.certificate_devices("ca", 2) == ()
    assert (registry.rules, len(registry)) == ((RULE,), 3)


def test_with_rules() -> None:
    """The rules are others, the devices are not."""
    registry = DeviceRegistry.of([device()]).with_rules([RULE])
    assert (registry.rules, len(registry)) == ((RULE,), 1)


@given(st.lists(DEVICES, max_size=5), st.lists(DEVICES, max_size=5))
def test_with_devices(before: list[Device], after: list[Device]) -> None:
    """A registry that was changed step by step is the one that is made of the outcome."""
    old, new = _unique(before), _unique(after)
    names = [(one.mailbox_key, one.key) for one in (*old, *new)]
    assert DeviceRegistry.of(old).with_devices(names, new) == DeviceRegistry.of(new)


def difference(before: DeviceRegistry, after: DeviceRegistry) -> tuple[set[str], set[str]]:
    """The keys of devices and mailboxes."""
    devices, mailboxes = registry_difference(before, after)
    return set(devices), set(mailboxes)


class TestDifference:
    """`registry_difference`."""

    def test_nothing(self) -> None:
        """The same devices, whichever the rules."""
        registry = DeviceRegistry.of([device()])
        assert difference(registry, registry.with_rules([RULE])) == (set(), set())

    def test_added(self) -> None:
        """A device that comes concerns those of its mailbox."""
        before = DeviceRegistry.of([device("a"), device("b", mailbox_key=BOB.key)])
        after = before.with_devices([(ALICE.key, "c")], [device("c", minute=1)])
        assert difference(before, after) == ({"a", "c"}, set())

    def test_changed_or_gone(self) -> None:
        """One that changes or goes concerns all of its mailbox, registered or not."""
        before = DeviceRegistry.of([device("a"), device("b", minute=1)])
        after = before.with_devices([(ALICE.key, "a")], [])
        assert difference(before, after) == ({"a", "b"}, {ALICE.key})
        allowed = before.with_devices([(ALICE.key, "a")], [device("a", access=Access.ALLOW)])
        assert difference(before, allowed) == ({"a", "b"}, {ALICE.key})
