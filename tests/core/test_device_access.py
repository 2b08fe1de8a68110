"""Which devices may sync a mailbox."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from gateway.core.decision import Deny
from gateway.core.device import (
    MOST_PARTNERSHIPS,
    Access,
    Characteristic,
    Device,
    DeviceCertificate,
    DeviceRule,
    Wipe,
    WipeKind,
    WipeState,
)
from gateway.core.device_access import (
    DeviceFacts,
    DevicePolicy,
    Pin,
    judge_device,
    may_register,
    wipe_of,
)
from gateway.core.device_registry import DeviceRegistry
from gateway.core.reasons import Reason
from tests.core.devices import BOB, CERTIFICATE, START, device, request

OTHER = DeviceCertificate("ca", 2, START - timedelta(days=1))
LATER = DeviceCertificate("ca", 3, START + timedelta(days=1))
BLOCKED, QUARANTINED = Reason.DEVICE_BLOCKED, Reason.DEVICE_QUARANTINED


def reason(
    facts: DeviceFacts,
    devices: Sequence[Device] = (),
    rules: Sequence[DeviceRule] = (),
    **policy: Any,
) -> Reason | None:
    """Why it is refused, if it is."""
    denial = judge_device(facts, DeviceRegistry.of(devices, rules), DevicePolicy(**policy))
    return None if denial is None else denial.reason


def rule(characteristic: Characteristic, pattern: str, access: Access = Access.BLOCK) -> DeviceRule:
    """A rule."""
    return DeviceRule(7, characteristic, pattern, access)


class TestDefault:
    """What becomes of a device that nothing is said about."""

    @pytest.mark.parametrize(
        ("access", "expected"),
        [(Access.ALLOW, None), (Access.BLOCK, BLOCKED), (Access.QUARANTINE, QUARANTINED)],
    )
    @pytest.mark.parametrize("known", [[], [device()]])
    def test_default(self, access: Access, expected: Reason | None, known: list[Device]) -> None:
        """The default access level decides, whether the device is registered or not."""
        assert reason(request(), known, default_access=access) is expected

    def test_no_device_id(self) -> None:
        """OPTIONS names no device and is not judged as one."""
        assert reason(request(None), default_access=Access.BLOCK) is None


class TestPersonal:
    """What an administrator says of one device."""

    @pytest.mark.parametrize(
        ("access", "expected"),
        [(Access.ALLOW, None), (Access.BLOCK, BLOCKED), (Access.QUARANTINE, QUARANTINED)],
    )
    def test_beats_rules(self, access: Access, expected: Reason | None) -> None:
        """Neither a rule nor the default changes it."""
        opposite = Access.ALLOW if expected else Access.BLOCK
        rules = [rule(Characteristic.MAILBOX, "*", opposite)]
        found = reason(request(), [device(access=access)], rules, default_access=opposite)
        assert found is expected

    def test_is_of_one_mailbox(self) -> None:
        """The same DeviceId with another mailbox is another partnership."""
        assert reason(request(mailbox=BOB), [device(access=Access.BLOCK)]) is None

    def test_allowed_beyond_the_limit(self) -> None:
        """The limit is not for it."""
        devices = [device("a"), device(minute=1, access=Access.ALLOW)]
        assert reason(request(), devices, limit=1) is None

    def test_allowed_with_anothers_certificate(self) -> None:
        """It may use a certificate that is tied to another device, and another's DeviceId."""
        owner = device("first", certificate=CERTIFICATE)
        mine = device(minute=1, access=Access.ALLOW)
        bobs = device(mailbox_key=BOB.key)
        facts = request(certificate=CERTIFICATE)
        assert reason(facts, [owner, mine], pin=Pin.CERTIFICATE_TO_DEVICE) is None
        assert reason(request(), [bobs, mine], one_mailbox_a_device=True) is None

    def test_allowed_is_tied_to_its_certificate(self) -> None:
        """Its own pin stands."""
        known = device(access=Access.ALLOW, certificate=CERTIFICATE)
        facts = request(certificate=OTHER)
        found = reason(facts, [known], pin=Pin.DEVICE_TO_CERTIFICATE)
        assert found is Reason.DEVICE_OF_ANOTHER_MAILBOX


class TestWipe:
    """A device that is to be wiped, or was."""

    def test_acknowledged_is_blocked(self) -> None:
        """Also one that an administrator allowed before."""
        known = device(wipe=Wipe(WipeState.ACKNOWLEDGED), access=Access.ALLOW)
        denial = judge_device(request(), DeviceRegistry.of([known]), DevicePolicy())
        assert denial is not None
        assert denial.reason is BLOCKED
        assert "`device allow`" in denial.detail

    @pytest.mark.parametrize("state", [s for s in WipeState if s is not WipeState.ACKNOWLEDGED])
    def test_due_is_no_denial(self, state: WipeState) -> None:
        """It is told of the wipe, or was told and is not to be any more."""
        assert reason(request(), [device(wipe=Wipe(state))]) is None

    def test_wipe_of(self) -> None:
        """The wipe that is due, to the device that it is meant for alone."""
        wipe = Wipe(WipeState.PENDING, WipeKind.ACCOUNT_ONLY, START)
        registry = DeviceRegistry.of([device(wipe=wipe), device("2", wipe=Wipe())])
        assert wipe_of(request(), registry, DevicePolicy()) == wipe
        for other in (request("2"), request("3"), request(None), request(mailbox=BOB)):
            assert wipe_of(other, registry, DevicePolicy()) is None

    def test_not_of_a_device_with_another_certificate(self) -> None:
        """Where a pin ties the device to its certificate, another one cannot answer for it."""
        wipe = Wipe(WipeState.PENDING, WipeKind.FULL, START)
        registry = DeviceRegistry.of([device(wipe=wipe, certificate=CERTIFICATE)])
        pinned = DevicePolicy(pin=Pin.DEVICE_TO_CERTIFICATE)
        assert wipe_of(request(certificate=OTHER), registry, pinned) is None
        assert wipe_of(request(certificate=OTHER), registry, DevicePolicy()) == wipe
        assert wipe_of(request(certificate=CERTIFICATE), registry, pinned) == wipe


class TestRules:
    """Device access rules."""

    @pytest.mark.parametrize(
        ("characteristic", "pattern"),
        [
            (Characteristic.DEVICE_TYPE, "iphone"),
            (Characteristic.MODEL, "iphone14*"),
            (Characteristic.OS, "ios 16.*"),
            (Characteristic.USER_AGENT, "apple-*"),
            (Characteristic.MAILBOX, "*@example.test"),
            (Characteristic.GROUP, "sales"),
        ],
    )
    def test_known_attributes(self, characteristic: Characteristic, pattern: str) -> None:
        """Each characteristic is looked at, and no other in its place."""
        known = device(
            device_type="iPhone", model="iPhone14,2", os="iOS 16.2 20C65", user_agent="Apple-iPhone"
        )
        assert reason(request(), [known], [rule(characteristic, pattern)]) is BLOCKED
        assert reason(request(), [known], [rule(characteristic, "other*")]) is None

    @pytest.mark.parametrize("characteristic", Characteristic)
    def test_unknown_attributes(self, characteristic: Characteristic) -> None:
        """What is not known matches nothing, not even `*`; a mailbox has a name always."""
        facts = request(mailbox=BOB)
        found = reason(facts, [], [rule(characteristic, "*")])
        assert found is (BLOCKED if characteristic is Characteristic.MAILBOX else None)

    @pytest.mark.parametrize(
        ("characteristic", "name"),
        [(Characteristic.DEVICE_TYPE, "device_type"), (Characteristic.USER_AGENT, "user_agent")],
    )
    def test_the_request_goes_first(self, characteristic: Characteristic, name: str) -> None:
        """What it says now counts, not what was said once."""
        old: dict[str, Any] = {name: "old"}
        facts, known = request(**{name: "new"}), device(**old)
        assert reason(facts, [known], [rule(characteristic, "new")]) is BLOCKED
        assert reason(facts, [known], [rule(characteristic, "old")]) is None

    def test_precedence(self) -> None:
        """Block beats quarantine beats allow, whatever their order; allow beats the default."""
        block, quarantine, allow = (
            rule(Characteristic.MAILBOX, "*", one)
            for one in (Access.BLOCK, Access.QUARANTINE, Access.ALLOW)
        )
        assert reason(request(), [], [allow, quarantine, block]) is BLOCKED
        assert reason(request(), [], [allow, quarantine]) is QUARANTINED
        assert reason(request(), [], [allow], default_access=Access.BLOCK) is None

    def test_detail_names_the_rule(self) -> None:
        """The administrator reads which one it was."""
        rules = [rule(Characteristic.GROUP, "S*")]
        denial = judge_device(request(), DeviceRegistry.of([], rules), DevicePolicy())
        assert denial == Deny(BLOCKED, "the device is blocked: rule 7, group 'S*'")


class TestLimit:
    """At most so many devices a mailbox."""

    def test_first_ones_stay(self) -> None:
        """Those beyond the limit by rank are refused, as new ones are, and no others."""
        devices = [device("c"), device("b", minute=1), device("a", minute=2)]
        found = {name: reason(request(name), devices, limit=2) for name in "abcd"}
        beyond = Reason.DEVICE_LIMIT
        assert found == {"a": beyond, "b": None, "c": None, "d": beyond}

    def test_room_for_a_new_one(self) -> None:
        """A device is admitted while there are fewer."""
        assert reason(request("new"), [device("a")], limit=2) is None

    def test_each_mailbox_by_itself(self) -> None:
        """Another mailbox's devices do not count."""
        assert reason(request(mailbox=BOB), [device("a")], limit=1) is None

    def test_no_limit(self) -> None:
        """Nobody fills the store all the same."""
        devices = [device(f"{number}") for number in range(MOST_PARTNERSHIPS)]
        assert reason(request("new"), devices[1:], limit=0) is None
        assert reason(request("new"), devices, limit=0) is Reason.DEVICE_LIMIT


class TestOneMailbox:
    """A DeviceId belongs to the mailbox that it was first seen with."""

    def test_belongs_to_the_first(self) -> None:
        """The later mailbox is refused, registered or not; the first one is not."""
        mine, bobs = device(), device(minute=1, mailbox_key=BOB.key)
        facts = request(mailbox=BOB)
        other = Reason.DEVICE_OF_ANOTHER_MAILBOX
        assert reason(facts, [mine], one_mailbox_a_device=True) is other
        assert reason(facts, [mine, bobs], one_mailbox_a_device=True) is other
        assert reason(request(), [mine, bobs], one_mailbox_a_device=True) is None
        assert reason(request("new"), [mine], one_mailbox_a_device=True) is None

    def test_shared_by_default(self) -> None:
        """Tablets that are shared exist."""
        assert reason(request(mailbox=BOB), [device()]) is None


class TestDeviceToCertificate:
    """A device comes with the certificate that it was first seen with."""

    def judge(self, shown: DeviceCertificate | None, *, renewal: bool = True) -> Reason | None:
        """The device whose certificate is `CERTIFICATE` shows another."""
        return reason(
            request(certificate=shown),
            [device(certificate=CERTIFICATE)],
            pin=Pin.DEVICE_TO_CERTIFICATE,
            pin_allows_renewal=renewal,
        )

    def test_its_own(self) -> None:
        """Its certificate, or none that could be another."""
        assert self.judge(CERTIFICATE) is None
        assert self.judge(None) is None

    def test_another(self) -> None:
        """An older one, or one of another CA, is not a renewal."""
        other = Reason.DEVICE_OF_ANOTHER_MAILBOX
        assert self.judge(OTHER) is other
        assert self.judge(replace(LATER, issuer_id="other")) is other

    def test_renewal(self) -> None:
        """A later one of the same CA is, unless renewal is not wanted."""
        assert self.judge(LATER) is None
        assert self.judge(LATER, renewal=False) is Reason.DEVICE_OF_ANOTHER_MAILBOX

    def test_not_tied_yet(self) -> None:
        """A device whose certificate is not known is tied to the next one."""
        facts = request(certificate=CERTIFICATE)
        assert reason(facts, [device()], pin=Pin.DEVICE_TO_CERTIFICATE) is None
        assert reason(facts, [], pin=Pin.DEVICE_TO_CERTIFICATE) is None

    def test_not_pinned(self) -> None:
        """Without the pin any certificate will do."""
        facts = request(certificate=OTHER)
        for pin in (Pin.NONE, Pin.CERTIFICATE_TO_DEVICE):
            assert reason(facts, [device(certificate=CERTIFICATE)], pin=pin) is None


class TestCertificateToDevice:
    """A certificate is used with the first device."""

    def test_another_device(self) -> None:
        """Another DeviceId with the same certificate is refused, the first is not."""
        devices = [
            device("first", certificate=CERTIFICATE),
            device("second", minute=1, certificate=CERTIFICATE),
        ]
        found = {
            name: reason(
                request(name, certificate=CERTIFICATE), devices, pin=Pin.CERTIFICATE_TO_DEVICE
            )
            for name in ("first", "second", "third")
        }
        other = Reason.DEVICE_OF_ANOTHER_MAILBOX
        assert found == {"first": None, "second": other, "third": other}

    def test_another_certificate(self) -> None:
        """One that was not used yet is tied to nothing."""
        devices = [device("first", certificate=CERTIFICATE)]
        for shown in (OTHER, None):
            facts = request(certificate=shown)
            assert reason(facts, devices, pin=Pin.CERTIFICATE_TO_DEVICE) is None


@pytest.mark.parametrize(
    ("denied", "expected"),
    [
        (None, True),
        (BLOCKED, True),
        (QUARANTINED, True),
        (Reason.DEVICE_LIMIT, False),
        (Reason.DEVICE_OF_ANOTHER_MAILBOX, False),
    ],
)
def test_may_register(denied: Reason | None, expected: bool) -> None:  # noqa: FBT001 (a case)
    """What administrators may want to let in is kept; what is beyond the limit is not."""
    assert may_register(None if denied is None else Deny(denied, "")) is expected
