"""Devices in the store: what phones say of them, and what administrators do."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.core.device import (
    Access,
    Device,
    DeviceCertificate,
    Wipe,
    WipeKind,
    WipeProgress,
    WipeState,
)
from gateway.core.mailbox import Mailbox
from gateway.errors import StateError
from gateway.store.device_rows import name_of
from gateway.store.store import Store

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
ALICE, BOB = "alice@x.test", "bob@x.test"
CERTIFICATE = DeviceCertificate("ab", 2**150, AT)
PHONE = Device(
    ALICE,
    "ApplF4",
    AT,
    AT,
    device_type="iPhone",
    model="iPhone14,2",
    os="iOS 16.2",
    user_agent="Apple-iPhone14C2/2003.65",
    protocol_version="16.1",
    policy_key=2**32 - 1,
    certificate=CERTIFICATE,
)
NAME = name_of(PHONE)


def plain(device_id: str, *, minute: int = 0, mailbox_key: str = ALICE, **fields: Any) -> Device:
    """A device that said no more than its name."""
    at = AT + timedelta(minutes=minute)
    return replace(Device(mailbox_key, device_id, at, at), **fields)


def progress(state: WipeState, *, minute: int = 60 * 24 * 365 * 20) -> WipeProgress:
    """What the phone says of its wipe, long after anything else."""
    return WipeProgress(ALICE, "APPLF4", state, AT + timedelta(minutes=minute))


def wiped(store: Store) -> Wipe:
    """The phone's wipe."""
    return store.devices.find("applf4")[0].wipe


def trail(store: Store) -> list[object]:
    """What the audit trail says was decided."""
    return [one.record["decision"] for one in store.audit.list()]


class TestRecord:
    """`Devices.record`."""

    def test_every_field_comes_back(self, store: Store) -> None:
        """A device is read as it was written, and found in whatever case."""
        store.devices.record([PHONE, plain("other")])
        assert store.devices.list() == [PHONE, plain("other")]
        assert store.devices.find("APPLf4") == [PHONE]

    def test_of_one_mailbox(self, store: Store) -> None:
        """The same DeviceId with two mailboxes is two partnerships."""
        bobs = plain("ApplF4", mailbox_key=BOB)
        store.devices.record([PHONE, bobs])
        assert store.devices.list("BOB@x.test") == [bobs]
        assert store.devices.find("ApplF4") == [PHONE, bobs]

    def test_seen_again(self, store: Store) -> None:
        """In the same batch or a later one: the first time and unsaid attributes stay."""
        store.devices.record([PHONE, plain("applf4", minute=1, model="iPhone15,4")])
        store.devices.record([plain("APPLF4", minute=2, os="iOS 17.0")])
        expected = replace(
            PHONE, last_seen=AT + timedelta(minutes=2), model="iPhone15,4", os="iOS 17.0"
        )
        assert store.devices.list() == [expected]

    def test_changes(self, store: Store) -> None:
        """A new device and what rules read are changes; when it was seen last is none."""
        store.devices.record([PHONE])
        assert store.change_id() == 1
        again = replace(PHONE, last_seen=AT + timedelta(hours=1), user_agent="new", policy_key=5)
        store.devices.record([again])
        assert (store.change_id(), store.devices.list()) == (1, [again])
        store.devices.record([replace(again, os="iOS 17.0")])
        assert store.change_id() == 2

    def test_limit(self, store: Store) -> None:
        """A mailbox has no more than the most, known ones are updated, others are not touched."""
        store.devices.record([plain("a"), plain("b"), plain("c")], most=2)
        store.devices.record(
            [plain("d"), plain("a", minute=9), plain("e", mailbox_key=BOB)], most=2
        )
        found = [(one.mailbox_key, one.device_id) for one in store.devices.list()]
        assert sorted(found) == [(ALICE, "a"), (ALICE, "b"), (BOB, "e")]
        assert store.devices.find("a")[0].last_seen == AT + timedelta(minutes=9)

    def test_nothing(self, store: Store) -> None:
        """An empty batch is no change."""
        store.devices.record([])
        assert store.change_id() == 0

    def test_a_whole_batch(self, store: Store) -> None:
        """As many as a writer gathers."""
        store.devices.record(
            [plain(f"d{number}", mailbox_key=f"u{number}") for number in range(500)]
        )
        store.devices.record(
            [plain(f"d{number}", mailbox_key=f"u{number}") for number in range(500)]
        )
        assert (len(store.devices.list()), store.change_id()) == (500, 500)


class TestAccess:
    """`Devices.set_access`."""

    @pytest.mark.parametrize("access", Access)
    def test_known(self, store: Store, access: Access) -> None:
        """The device has it, as one change; a phone that is seen does not take it away."""
        store.devices.record([PHONE])
        store.devices.set_access(NAME, access, device_id="applf4")
        store.devices.record([plain("ApplF4", minute=1)])
        [found] = store.devices.list()
        assert (found.access, found.device_id, found.os) == (access, "ApplF4", "iOS 16.2")
        assert store.change_id() == 2

    def test_unseen(self, store: Store) -> None:
        """A device may be allowed or blocked before it comes."""
        store.devices.set_access((ALICE, "new"), Access.BLOCK, device_id="New")
        [found] = store.devices.list()
        assert (found.mailbox_key, found.device_id, found.access) == (ALICE, "New", Access.BLOCK)

    def test_allow_ties_it_anew(self, store: Store) -> None:
        """The next certificate counts, also one that is older; to block leaves the tie."""
        store.devices.record([PHONE])
        store.devices.set_access(NAME, Access.BLOCK, device_id="ApplF4")
        assert store.devices.list()[0].certificate == CERTIFICATE
        store.devices.set_access(NAME, Access.ALLOW, device_id="ApplF4")
        older = DeviceCertificate("cd", 1, AT - timedelta(days=1))
        store.devices.record([plain("ApplF4", certificate=older)])
        assert store.devices.list()[0].certificate == older

    def test_allow_lets_a_wiped_device_in(self, store: Store) -> None:
        """Its wipe is over, and a late report of it does not bring it back."""
        store.devices.record([PHONE])
        store.devices.wipe(NAME, WipeKind.FULL)
        store.devices.record([progress(WipeState.ACKNOWLEDGED)])
        store.devices.set_access(NAME, Access.ALLOW, device_id="ApplF4")
        assert wiped(store).state is WipeState.NONE
        store.devices.record([progress(WipeState.ACKNOWLEDGED, minute=0)])
        assert wiped(store).state is WipeState.NONE
        assert trail(store) == ["wipe pending", "wipe acknowledged", "wipe over"]

    def test_allow_leaves_a_wipe_that_is_due(self, store: Store) -> None:
        """Only to cancel it takes it back."""
        store.devices.record([PHONE])
        store.devices.wipe(NAME, WipeKind.FULL)
        store.devices.set_access(NAME, Access.ALLOW, device_id="ApplF4")
        assert wiped(store).is_due


class TestWipe:
    """Wipes, from the administrator's word to the device's."""

    def test_acknowledged(self, store: Store) -> None:
        """Each step is stored, is a change, and is in the audit trail."""
        store.devices.record([PHONE])
        before = store.database.now()
        store.devices.wipe(NAME, WipeKind.ACCOUNT_ONLY)
        wipe = wiped(store)
        assert (wipe.state, wipe.kind) == (WipeState.PENDING, WipeKind.ACCOUNT_ONLY)
        assert wipe.at is not None
        assert wipe.at >= before
        for state in (WipeState.SENT, WipeState.FAILED, WipeState.ACKNOWLEDGED):
            store.devices.record([progress(state)])
            assert wiped(store) == Wipe(state, WipeKind.ACCOUNT_ONLY, progress(state).at)
        assert store.change_id() == 5
        names = ("pending", "sent", "failed", "acknowledged")
        assert trail(store) == [f"wipe {name}" for name in names]
        last = store.audit.list(upn=ALICE)[-1].record
        assert (last["device_id"], last["detail"]) == ("ApplF4", "of the account only")

    def test_told_again(self, store: Store) -> None:
        """What is no news is neither a change nor a record."""
        store.devices.record([PHONE])
        store.devices.wipe(NAME, WipeKind.FULL)
        store.devices.record([progress(WipeState.SENT), progress(WipeState.SENT)])
        store.devices.record([progress(WipeState.SENT)])
        assert store.change_id() == 3
        assert trail(store) == ["wipe pending", "wipe sent"]

    def test_of_a_device_that_was_forgotten(self, store: Store) -> None:
        """A report about nobody is passed over."""
        store.devices.record([progress(WipeState.ACKNOWLEDGED)])
        assert (store.devices.list(), trail(store)) == ([], [])

    @pytest.mark.parametrize("version", [None, "14.1", "16.0"])
    def test_account_only_needs_a_version(self, store: Store, version: str | None) -> None:
        """A device that has not spoken 16.1 would not understand it."""
        store.devices.record([replace(PHONE, protocol_version=version)])
        with pytest.raises(StateError, match=r"does not speak 16.1, which --account-only needs"):
            store.devices.wipe(NAME, WipeKind.ACCOUNT_ONLY)
        assert (wiped(store).state, trail(store)) == (WipeState.NONE, [])

    def test_unknown(self, store: Store) -> None:
        """A device that is not there cannot be told anything."""
        with pytest.raises(StateError, match=r"alice@x.test has no device applf4; see"):
            store.devices.wipe(NAME, WipeKind.FULL)

    def test_wiped_already(self, store: Store) -> None:
        """It has to be let in before it can be wiped again."""
        store.devices.record([PHONE])
        store.devices.wipe(NAME, WipeKind.FULL)
        store.devices.record([progress(WipeState.ACKNOWLEDGED)])
        with pytest.raises(StateError, match="was wiped already"):
            store.devices.wipe(NAME, WipeKind.FULL)

    @pytest.mark.parametrize("state", [WipeState.PENDING, WipeState.SENT, WipeState.FAILED])
    def test_cancel(self, store: Store, state: WipeState) -> None:
        """It is not told any more; how far it had come is returned."""
        store.devices.record([PHONE])
        store.devices.wipe(NAME, WipeKind.FULL)
        if state is not WipeState.PENDING:
            store.devices.record([progress(state)])
        assert store.devices.cancel_wipe(NAME).wipe.state is state
        assert not wiped(store).is_due
        assert trail(store)[-1] == "wipe cancelled"

    def test_cancelled_too_late(self, store: Store) -> None:
        """A device that obeyed nevertheless is on record as wiped, and blocked."""
        store.devices.record([PHONE])
        store.devices.wipe(NAME, WipeKind.FULL)
        store.devices.cancel_wipe(NAME)
        store.devices.record([progress(WipeState.ACKNOWLEDGED)])
        assert wiped(store).state is WipeState.ACKNOWLEDGED

    def test_nothing_to_cancel(self, store: Store) -> None:
        """Who cancels no wipe is told so."""
        store.devices.record([PHONE])
        with pytest.raises(StateError, match="no wipe of the device ApplF4 is under way"):
            store.devices.cancel_wipe(NAME)


class TestForget:
    """`Devices.forget`."""

    def test_forgotten(self, store: Store) -> None:
        """It is gone, as one change, and a new one when it comes again."""
        store.devices.record([replace(PHONE, access=Access.BLOCK), plain("other")])
        store.devices.forget(NAME)
        assert store.devices.list() == [plain("other")]
        assert store.change_id() == 3
        store.devices.record([plain("ApplF4", minute=9)])
        assert store.devices.find("ApplF4") == [plain("ApplF4", minute=9)]

    def test_unknown(self, store: Store) -> None:
        """A device that is not there is not forgotten."""
        with pytest.raises(StateError, match="has no device"):
            store.devices.forget(NAME)

    def test_wiped(self, store: Store) -> None:
        """Nobody loses a wipe by accident."""
        store.devices.record([PHONE])
        store.devices.wipe(NAME, WipeKind.FULL)
        with pytest.raises(StateError, match=r"is to be wiped.* `device wipe --cancel ApplF4`"):
            store.devices.forget(NAME)
        store.devices.record([progress(WipeState.ACKNOWLEDGED)])
        with pytest.raises(StateError, match=r"was wiped and is blocked.* `device allow ApplF4`"):
            store.devices.forget(NAME)


def test_devices_outlive_their_mailbox(store: Store) -> None:
    """A device that was wiped stays blocked when the mailbox is removed and added again."""
    store.mailboxes.add(Mailbox(ALICE))
    store.devices.record([PHONE])
    store.mailboxes.set(ALICE, enabled=False)
    store.mailboxes.remove(ALICE)
    assert store.devices.list() == [PHONE]
