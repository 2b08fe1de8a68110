"""Devices and rules in snapshots, and whom a change of them concerns."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.core.device import Access, Characteristic, Device, WipeKind
from gateway.core.difference import Difference
from gateway.store.device_rows import name_of
from gateway.store.follow import Follower
from gateway.store.store import Store
from tests.store.conftest import Place
from tests.store.test_follow import news

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
PHONE = Device("alice@x.test", "ApplF4", AT, AT)
TABLET = Device("alice@x.test", "Tab", AT + timedelta(minutes=1), AT + timedelta(minutes=1))
BOBS = replace(PHONE, mailbox_key="bob@x.test")


@pytest.fixture
def follower(place: Place) -> Iterator[Follower]:
    """A follower in a process of its own, as far as the store can tell."""
    with place.open() as own:
        following = Follower(own)
        yield following
        following.close()


def test_follows(store: Store, follower: Follower) -> None:
    """Devices and rules arrive one by one, and make the state that is read as a whole."""
    news(follower)
    store.devices.record([PHONE, TABLET, BOBS])
    store.device_rules.add(Characteristic.OS, "*", Access.BLOCK)
    assert news(follower) == store.snapshot()
    store.devices.set_access(name_of(PHONE), Access.BLOCK, device_id="")
    store.devices.forget(name_of(TABLET))
    store.device_rules.remove(1)
    found = news(follower)
    assert found == store.snapshot()
    assert found.devices.device(*name_of(TABLET)) is None
    assert (len(found.devices), found.devices.rules) == (2, ())


def test_last_seen_is_no_news(store: Store, follower: Follower) -> None:
    """A phone that is seen again has nobody judged anew."""
    store.devices.record([PHONE])
    before = news(follower)
    store.devices.record([replace(PHONE, last_seen=AT + timedelta(hours=1), user_agent="u")])
    store.devices.set_access(name_of(TABLET), Access.ALLOW, device_id="Tab")
    assert news(follower).difference(before).devices == {"applf4", "tab"}
    store.devices.record([replace(PHONE, last_seen=AT + timedelta(hours=2))])
    assert follower.poll() is None


class TestDifference:
    """`Snapshot.difference`."""

    def test_a_new_device(self, store: Store) -> None:
        """It and those of its mailbox, by DeviceId; no other mailbox."""
        store.devices.record([PHONE, replace(BOBS, device_id="b")])
        before = store.snapshot()
        store.devices.record([TABLET])
        found = store.snapshot().difference(before)
        assert found == Difference(devices=frozenset({"applf4", "tab"}))

    def test_a_device_that_is_wiped_or_forgotten(self, store: Store) -> None:
        """Its mailbox too, as a device that was beyond the limit may be within it now."""
        store.devices.record([PHONE, TABLET])
        before = store.snapshot()
        store.devices.wipe(name_of(PHONE), WipeKind.FULL)
        middle = store.snapshot()
        devices, names = frozenset({"applf4", "tab"}), frozenset({"alice@x.test"})
        assert middle.difference(before) == Difference(devices=devices, names=names)
        store.devices.forget(name_of(TABLET))
        found = store.snapshot().difference(middle)
        assert found == Difference(devices=devices, names=names)

    def test_rules(self, store: Store) -> None:
        """A rule may concern anybody."""
        before = store.snapshot()
        store.device_rules.add(Characteristic.OS, "*", Access.BLOCK)
        assert store.snapshot().difference(before) == Difference(everything=True)


_STEPS = st.lists(
    st.tuples(st.sampled_from([PHONE, TABLET, BOBS]), st.sampled_from(["seen", "block", "forget"])),
    max_size=6,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15)
@given(rounds=st.lists(_STEPS, min_size=1, max_size=3))
def test_following_is_reading(
    file_store: Store, file_place: Place, rounds: list[list[tuple[Device, str]]]
) -> None:
    """Whatever happens between two looks, what is followed is what is there."""
    with file_place.open() as own:
        follower = Follower(own)
        follower.poll()
        for steps in rounds:
            before = file_store.change_id()
            for device, step in steps:
                known = file_store.snapshot().devices.device(*name_of(device))
                if step == "seen":
                    file_store.devices.record([device])
                elif step == "block":
                    file_store.devices.set_access(
                        name_of(device), Access.BLOCK, device_id=device.device_id
                    )
                elif known is not None:
                    file_store.devices.forget(name_of(device))
            if file_store.change_id() != before:
                assert news(follower) == file_store.snapshot()
        follower.close()
