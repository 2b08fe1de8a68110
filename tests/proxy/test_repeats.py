"""Heads that were there before mean what they meant then."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.proxy.repeats import RepeatedHeads


def _message(fields: list[bytes], body: bytes) -> bytes:
    lines = [b"POST / HTTP/1.1", *fields, b"Content-Length: %d" % len(body), b"Accept: */*"]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


@given(st.binary(max_size=40), st.binary(max_size=40))
def test_the_same_head_with_another_body_is_known(first: bytes, second: bytes) -> None:
    """Only the length may differ, and the body is what follows the head."""
    heads = RepeatedHeads[str](2)
    assert heads.find(_message([b"Host: h"], first)) is None
    heads.remember("head", _message([b"Host: h"], first))
    assert heads.find(_message([b"Host: h"], second)) == ("head", second)


def test_what_is_not_one_whole_message_is_not_known() -> None:
    """A part, two at once, another field, a second or an odd length: all go to the parser."""
    heads = RepeatedHeads[str](2)
    whole = _message([b"Host: h"], b"body")
    heads.remember("head", whole)
    assert heads.find(whole) is not None
    others = [whole[:20], whole[:-1], whole + whole, _message([b"Host: i"], b"body")]
    others += [whole.replace(b"Length: 4", b"Length: " + odd) for odd in (b"", b"+4", b"4 ", b"-4")]
    others.append(whole.replace(b"Host: h", b"Host: h\r\nContent-Length: 4"))
    others.append(whole.replace(b"Length: 4", b"Length: 0000000004"))
    assert [heads.find(other) for other in others] == [None] * len(others)


@pytest.mark.parametrize("spelling", [b"content-length: 0", b"Content-Length:0", b"X: 0"])
def test_another_spelling_of_the_length_is_not_kept(spelling: bytes) -> None:
    """Its length could not be told from the rest of the head."""
    heads = RepeatedHeads[str](2)
    raw = _message([], b"").replace(b"Content-Length: 0", spelling)
    heads.remember("head", raw)
    assert heads.find(raw) is None


def test_the_latest_heads_are_kept() -> None:
    """A client that invents heads does not fill the memory, and loses the oldest."""
    heads = RepeatedHeads[int](3)
    messages = [_message([b"X: %d" % number], b"") for number in range(50)]
    for number, message in enumerate(messages):
        heads.remember(number, message)
    assert [found and found[0] for found in map(heads.find, messages[-4:])] == [None, 47, 48, 49]


def test_a_large_head_is_not_kept() -> None:
    """It is not worth its memory."""
    heads = RepeatedHeads[str](1)
    raw = _message([b"Cookie: " + b"x" * 3000], b"")
    heads.remember("head", raw)
    assert heads.find(raw) is None
