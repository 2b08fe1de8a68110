"""Provision requests, and both halves of a wipe."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.device import WipeKind
from gateway.core.eas_device_information import DeviceInformation
from gateway.core.eas_provision import (
    ProvisionRequest,
    ProvisionStep,
    WipeOutcome,
    can_be_told,
    read_provision,
    wipe_answer,
)
from gateway.core.wbxml import HEADER, Child, Element, element, encode
from gateway.errors import WbxmlError

INFORMATION = element(
    "Settings:DeviceInformation", element("Settings:Set", element("Settings:Model", "SP"))
)
TYPE = element("Provision:PolicyType", "MS-EAS-Provisioning-WBXML")
DEVICE = DeviceInformation(model="SP")


def provision(*children: Child) -> bytes:
    """The body of a Provision request."""
    return encode(element("Provision:Provision", *children))


def policy(*children: Child) -> Element:
    """The policy part of one."""
    return element("Provision:Policies", element("Provision:Policy", TYPE, *children))


def acknowledged(wipe: WipeKind, status: str) -> ProvisionRequest:
    """A wipe acknowledgement, from its bytes on."""
    token = b"\x4c" if wipe is WipeKind.FULL else b"\x7b"
    octets = bytes.fromhex("03016a00000e45") + token + b"\x4b\x03" + status.encode() + b"\0\1\1\1"
    return read_provision(octets)


class TestRead:
    """What a request is for."""

    @pytest.mark.parametrize("body", [b"", provision(), bytes.fromhex("03016a00000e05")])
    def test_empty(self, body: bytes) -> None:
        """An empty Provision, or none, is how a phone comes for a wipe."""
        assert read_provision(body) == ProvisionRequest(ProvisionStep.EMPTY)

    def test_policy_request(self) -> None:
        """A policy without a status is asked for; the device says who it is."""
        expected = ProvisionRequest(ProvisionStep.POLICY_REQUEST, device=DEVICE)
        assert read_provision(provision(INFORMATION, policy())) == expected

    @pytest.mark.parametrize(("status", "succeeded"), [("1", True), ("2", False), ("4", False)])
    def test_policy_acknowledgement(self, *, status: str, succeeded: bool) -> None:
        """A policy with a status is acknowledged; 1 alone says that all of it was applied."""
        body = provision(
            policy(element("Provision:PolicyKey", "42"), element("Provision:Status", status))
        )
        expected = ProvisionRequest(ProvisionStep.POLICY_ACKNOWLEDGEMENT, succeeded=succeeded)
        assert read_provision(body) == expected

    @pytest.mark.parametrize("wipe", WipeKind)
    @pytest.mark.parametrize(
        ("status", "succeeded"), [("1", True), (" 1 ", True), ("2", False), ("", False)]
    )
    def test_wipe_acknowledgement(self, *, wipe: WipeKind, status: str, succeeded: bool) -> None:
        """Each kind of wipe is told apart, and 1 alone is success."""
        expected = ProvisionRequest(ProvisionStep.WIPE_ACKNOWLEDGEMENT, wipe, succeeded)
        assert acknowledged(wipe, status) == expected

    def test_wipe_acknowledgement_beside_others(self) -> None:
        """What else the request has does not hide the acknowledgement."""
        wiped = element("Provision:RemoteWipe", element("Provision:Status", "1"))
        body = provision(INFORMATION, Element(14, 0x3F), policy(), wiped)
        expected = ProvisionRequest(ProvisionStep.WIPE_ACKNOWLEDGEMENT, WipeKind.FULL, True, DEVICE)
        assert read_provision(body) == expected

    def test_directive_sent_back_is_no_acknowledgement(self) -> None:
        """A wipe element without a status acknowledges nothing."""
        request = read_provision(provision(element("Provision:RemoteWipe")))
        assert request == ProvisionRequest(ProvisionStep.EMPTY)

    @pytest.mark.parametrize(
        "body",
        [
            encode(element("Settings:Settings")),
            b"not wbxml",
            provision(element("Provision:Data", "x" * (1 << 16))),
        ],
    )
    def test_refused(self, body: bytes) -> None:
        """Another root, other bytes and more than 64 KiB are no Provision request."""
        with pytest.raises(WbxmlError):
            read_provision(body)

    @given(st.binary(max_size=60))
    def test_any_bytes(self, tail: bytes) -> None:
        """Any bytes are read or refused by the one error, and what is read can be answered."""
        for body in (tail, HEADER + tail, provision(INFORMATION)[:-1] + tail):
            try:
                request = read_provision(body)
            except WbxmlError:
                continue
            assert wipe_answer(request, WipeKind.FULL).body.startswith(HEADER)


DIRECTIVES = {WipeKind.FULL: "0c", WipeKind.ACCOUNT_ONLY: "3b"}


@pytest.mark.parametrize("wipe", WipeKind)
class TestAnswer:
    """What the gateway says while a wipe is pending."""

    @pytest.mark.parametrize(
        "request_",
        [
            ProvisionRequest(),
            ProvisionRequest(ProvisionStep.POLICY_REQUEST, device=DEVICE),
            ProvisionRequest(ProvisionStep.POLICY_ACKNOWLEDGEMENT, succeeded=True),
        ],
    )
    def test_directive(self, wipe: WipeKind, request_: ProvisionRequest) -> None:
        """Whatever a phone provisions for, it gets Status 1 and the empty directive."""
        answer = wipe_answer(request_, wipe)
        assert answer.outcome is WipeOutcome.DIRECTED
        expected = f"03016a00 000e 45 4b 03 31 00 01 {DIRECTIVES[wipe]} 01"
        assert answer.body == bytes.fromhex(expected)

    def test_success(self, wipe: WipeKind) -> None:
        """Its acknowledgement gets Status 1 alone: no wipe is asked for any more."""
        answer = wipe_answer(acknowledged(wipe, "1"), wipe)
        assert answer.outcome is WipeOutcome.ACKNOWLEDGED
        assert answer.body == bytes.fromhex("03016a00 000e 45 4b 03 31 00 01 01")

    def test_failure(self, wipe: WipeKind) -> None:
        """A phone that failed gets Status 2 and the directive once more."""
        answer = wipe_answer(acknowledged(wipe, "2"), wipe)
        assert answer.outcome is WipeOutcome.FAILED
        expected = f"03016a00 000e 45 4b 03 32 00 01 {DIRECTIVES[wipe]} 01"
        assert answer.body == bytes.fromhex(expected)

    @pytest.mark.parametrize("status", ["1", "2"])
    def test_acknowledgement_of_the_other_wipe(self, wipe: WipeKind, status: str) -> None:
        """Having wiped the account does not stand for having wiped the device, nor the reverse."""
        [other] = set(WipeKind) - {wipe}
        answer = wipe_answer(acknowledged(other, status), wipe)
        assert answer == wipe_answer(ProvisionRequest(), wipe)


class TestVersions:
    """Who can be asked for what."""

    @pytest.mark.parametrize("version", ["2.5", "12.1", "14.1", "16.0", "16.1", None])
    def test_account_only_needs_16_1(self, version: str | None) -> None:
        """Every version knows the wipe of the device, 16.1 alone that of the account."""
        assert can_be_told(WipeKind.FULL, version)
        assert can_be_told(WipeKind.ACCOUNT_ONLY, version) == (version == "16.1")
