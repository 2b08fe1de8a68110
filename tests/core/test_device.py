"""Devices, wipes and the patterns of rules."""

import fnmatch
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.core.device import Wipe, WipeState, pattern_matches
from tests.core.devices import device

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
