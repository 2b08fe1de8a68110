"""Devices, wipes and the patterns of rules."""

import fnmatch
import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.core.device import (
    Access,
    DeviceCertificate,
    Wipe,
    WipeKind,
    WipeProgress,
    WipeState,
    pattern_matches,
)
from tests.core.devices import ALICE, CERTIFICATE, START, device

TEXTS = st.text("aAb*.?[é", max_size=8)


def test_key_is_folded() -> None:
    """A DeviceId is one device in whatever case it is written."""
    assert device("ApplF4").key == device("applf4").key == "applf4"


def test_rank() -> None:
    """The first one seen comes first, and of two at one moment the lesser id."""
    found = sorted([device("c"), device("a", minute=1), device("B")], key=lambda one: one.rank)
    assert [one.device_id for one in found] == ["B", "c", "a"]


@pytest.mark.parametrize("state", WipeState)
def test_wipe_is_due(state: WipeState) -> None:
    """Until the device says that it obeyed, it is told again."""
    expected = {WipeState.PENDING, WipeState.SENT, WipeState.FAILED}
    assert Wipe(state).is_due is (state in expected)


class TestSeenAgain:
    """`Device.seen_again`."""

    def test_news(self) -> None:
        """All that was said is taken; what an administrator said stays, as does the first time."""
        known = device(access=Access.BLOCK, wipe=Wipe(WipeState.SENT))
        said: dict[str, Any] = {
            "device_type": "iPhone",
            "model": "iPhone14,2",
            "os": "iOS 16.2",
            "user_agent": "Apple-iPhone",
            "protocol_version": "16.1",
            "policy_key": 0,
            "certificate": CERTIFICATE,
        }
        found = known.seen_again(device(minute=5, **said))
        later = START + timedelta(minutes=5)
        expected = replace(device(**said), last_seen=later, access=Access.BLOCK, wipe=known.wipe)
        assert found == expected

    def test_nothing_said(self) -> None:
        """What is known stays; neither does a late message set the clock back."""
        known = device(
            minute=5,
            device_type="iPhone",
            model="m",
            os="o",
            user_agent="u",
            protocol_version="14.1",
            policy_key=7,
            certificate=CERTIFICATE,
        )
        assert known.seen_again(device()) == known

    def test_certificate(self) -> None:
        """The later one stays, in whatever order they come."""
        later = DeviceCertificate("ca", 9, START + timedelta(days=1))
        old, new = device(certificate=CERTIFICATE), device(certificate=later)
        assert old.seen_again(new).certificate == later
        assert new.seen_again(old).certificate == later


class TestIsJudgedAs:
    """`Device.is_judged_as`."""

    @pytest.mark.parametrize(
        "fields",
        [
            {"device_type": "a"},
            {"model": "a"},
            {"os": "a"},
            {"certificate": CERTIFICATE},
            {"access": Access.ALLOW},
            {"wipe": Wipe(WipeState.PENDING)},
        ],
    )
    def test_what_decides(self, fields: dict[str, Any]) -> None:
        """Rules, pins, exemptions and wipes read it."""
        assert not device().is_judged_as(device(**fields))

    def test_what_does_not(self) -> None:
        """Each request says it, or it is for people."""
        other = replace(device(minute=1), user_agent="u", policy_key=1, protocol_version="16.1")
        assert device().is_judged_as(other)


class TestWipeProgress:
    """`WipeProgress.applied`."""

    def report(self, state: WipeState) -> WipeProgress:
        """What the device says in minute 10."""
        return WipeProgress(ALICE.key, "Dev1", state, START + timedelta(minutes=10))

    @pytest.mark.parametrize("before", [WipeState.PENDING, WipeState.SENT, WipeState.FAILED])
    @pytest.mark.parametrize("after", [WipeState.SENT, WipeState.ACKNOWLEDGED, WipeState.FAILED])
    def test_due(self, before: WipeState, after: WipeState) -> None:
        """Each report is taken, also of a clock that is behind; one that is no news is none."""
        ahead = START + timedelta(hours=1)
        wipe = Wipe(before, WipeKind.ACCOUNT_ONLY, ahead)
        progress = self.report(after)
        expected = wipe if before is after else replace(wipe, state=after, at=progress.at)
        assert progress.applied(wipe) == expected

    def test_acknowledged_stays(self) -> None:
        """Nothing but an administrator lets a wiped device in again."""
        wipe = Wipe(WipeState.ACKNOWLEDGED, at=START)
        for state in (WipeState.SENT, WipeState.FAILED):
            assert self.report(state).applied(wipe) == wipe

    def test_cancelled(self) -> None:
        """That the device obeyed nevertheless is on record, that it was told is not."""
        wipe = Wipe(at=START)
        found = self.report(WipeState.ACKNOWLEDGED).applied(wipe)
        assert found.state is WipeState.ACKNOWLEDGED
        assert self.report(WipeState.SENT).applied(wipe) == wipe

    def test_over(self) -> None:
        """A report from before the device was let in again changes nothing."""
        wipe = Wipe(at=START + timedelta(hours=1))
        assert self.report(WipeState.ACKNOWLEDGED).applied(wipe) == wipe

    def test_never_asked_for(self) -> None:
        """Nobody is blocked by a report of a wipe that was none."""
        assert self.report(WipeState.ACKNOWLEDGED).applied(Wipe()) == Wipe()


class TestPattern:
    """`pattern_matches`."""

    @pytest.mark.parametrize(
        ("pattern", "text"),
        [
            ("iPhone", "IPHONE"),
            ("iPhone*", "iPhone14,2"),
            ("*", ""),
            ("Apple-*/1*", "apple-iphone/1602.62"),
            ("*b*a", "aba"),
            ("a**", "a"),
            ("a?[b]", "A?[B]"),
        ],
    )
    def test_matches(self, pattern: str, text: str) -> None:
        """The whole text, with `*` for any characters and no regard to case."""
        assert pattern_matches(pattern, text)

    @pytest.mark.parametrize(
        ("pattern", "text"),
        [
            ("iPhone", "iPhone14,2"),
            ("", "a"),
            ("a*a", "a"),
            ("ab*ba", "aba"),
            ("a*b*c", "acb"),
            ("*x*", "abc"),
            ("a?", "ab"),
            ("a*b*b", "ab"),
            ("k", "\u212a"),
        ],
    )
    def test_does_not_match(self, pattern: str, text: str) -> None:
        """A part is not enough, no character counts twice, and `?` and brackets are themselves."""
        assert not pattern_matches(pattern, text)

    @given(TEXTS, TEXTS)
    @example("a*b*", "ab")
    def test_is_a_glob_of_stars(self, pattern: str, text: str) -> None:
        """It agrees with the standard library's globs where only `*` is special."""
        plain = re.sub(r"([?\[])", r"[\1]", pattern.lower())
        assert pattern_matches(pattern, text) is fnmatch.fnmatchcase(text.lower(), plain)

    def test_is_quick(self) -> None:
        """A pattern that makes backtracking matchers run for ages does not match at once."""
        assert not pattern_matches("*a" * 200 + "b", "a" * 10_000)
