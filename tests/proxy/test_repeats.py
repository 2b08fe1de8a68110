"""Heads that were there before mean what they meant then."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from gateway.proxy.repeats import RepeatedHeads


@dataclass
class Parsed:
    """A head as a parser would have read it."""

    content_length: int | None = None


def _message(fields: list[bytes], body: bytes) -> bytes:
    lines = [b"POST / HTTP/1.1", *fields, b"Content-Length: %d" % len(body)]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


@given(st.binary(max_size=40), st.binary(max_size=40))
def test_the_same_head_with_another_body_is_known(first: bytes, second: bytes) -> None:
    """Only the length may differ, and it is the new one."""
    heads, head = RepeatedHeads[Parsed](2), Parsed()
    assert heads.find(_message([b"Host: h"], first)) is None
    heads.remember(head)
    assert heads.find(_message([b"Host: h"], second)) == (head, second)
    assert head.content_length == len(second)


def test_what_is_not_one_whole_message_is_not_known() -> None:
    """A part, two at once, another field, a second or an odd length: all go to the parser."""
    heads = RepeatedHeads[Parsed](2)
    whole = _message([b"Host: h"], b"body")
    assert heads.find(whole) is None
    heads.remember(Parsed())
    assert heads.find(whole) is not None
    others = [whole[:20], whole[:-1], whole + whole, _message([b"Host: i"], b"body")]
    others += [whole.replace(b"Length: 4", b"Length: " + odd) for odd in (b"", b"+4", b"4 ", b"-4")]
    others.append(whole.replace(b"Host: h", b"Host: h\r\nContent-Length: 4"))
    others.append(whole.replace(b"Length: 4", b"Length: 0000000004"))
    assert [heads.find(other) for other in others] == [None] * len(others)


def test_a_head_without_a_length_has_no_body() -> None:
    """It is known as long as nothing follows it."""
    heads, head = RepeatedHeads[Parsed](2), Parsed(7)
    raw = b"OPTIONS / HTTP/1.1\r\nHost: h\r\n\r\n"
    assert heads.find(raw) is None
    heads.remember(head)
    assert heads.find(raw) == (head, b"")
    assert head.content_length is None
    assert heads.find(raw + b"x") is None


def test_nothing_is_remembered_unasked() -> None:
    """Without a whole message before it, `remember` has nothing to go by."""
    heads = RepeatedHeads[Parsed](2)
    heads.find(b"half a mess")
    heads.remember(Parsed())
    assert heads._known == {}


def test_memory_is_bounded() -> None:
    """A client that invents heads does not fill it."""
    heads = RepeatedHeads[Parsed](4)
    for number in range(50):
        heads.find(_message([b"X: %d" % number], b""))
        heads.remember(Parsed())
    assert len(heads._known) <= 4
