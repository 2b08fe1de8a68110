"""Bytes to messages: whole or in pieces, right or wrong, the same events or one error."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import RequestError, UpstreamError
from gateway.proxy.messages import (
    BODY,
    END,
    ERROR,
    HEAD,
    RequestHead,
    RequestParser,
    ResponseHead,
    ResponseParser,
)

_LINES = (
    b"POST /a?b=c HTTP/1.1\r\n",
    b"OPTIONS http://h/a HTTP/1.0\r\n",
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.1 204 No Content\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"Host: h\r\n",
    b"Content-Length: 3\r\n",
    b"Content-Length: 0\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Connection: close\r\n",
    b"Upgrade: x\r\nConnection: upgrade\r\n",
    b"\r\n",
    b"abc",
    b"3\r\nabc\r\n",
    b"0\r\n\r\n",
    b"0\r\nX: t\r\n\r\n",
)
_BYTES = st.one_of(
    st.binary(max_size=200),
    st.lists(st.one_of(st.sampled_from(_LINES), st.binary(max_size=6)), max_size=12).map(b"".join),
)


def _requests() -> RequestParser:
    return RequestParser(header_bytes=1024, header_count=10)


def _merged(events: list[tuple[int, object]]) -> list[tuple[int, object]]:
    """Events with neighbouring pieces of a body joined, and errors by their text."""
    merged: list[tuple[int, object]] = []
    for kind, value in events:
        if kind == BODY and merged and merged[-1][0] == BODY:
            merged[-1] = (BODY, bytes(merged[-1][1]) + bytes(value))  # type: ignore[call-overload]  # both are bytes
        else:
            merged.append((kind, str(value) if kind == ERROR else value))
    return merged


class TestAnyBytes:
    """Whatever comes gives events, of which an error is the last."""

    @given(_BYTES)
    def test_requests(self, data: bytes) -> None:
        """A request parser raises nothing, and ends with one RequestError at most."""
        events = _requests().feed(data)
        errors = [value for kind, value in events if kind == ERROR]
        assert all(isinstance(error, RequestError) for error in errors)
        assert len(errors) <= 1
        assert not errors or events[-1][0] == ERROR

    @given(_BYTES)
    def test_responses(self, data: bytes) -> None:
        """A response parser raises nothing, and ends with one UpstreamError at most."""
        events = ResponseParser().feed(data)
        errors = [value for kind, value in events if kind == ERROR]
        assert all(isinstance(error, UpstreamError) for error in errors)
        assert len(errors) <= 1
        assert not errors or events[-1][0] == ERROR

    @given(_BYTES)
    def test_a_request_in_pieces_is_the_same(self, data: bytes) -> None:
        """Byte by byte gives what the whole gives."""
        whole, slow = _requests(), _requests()
        pieces = [e for i in range(len(data)) for e in slow.feed(data[i : i + 1])]
        assert _merged(list(whole.feed(data))) == _merged(list(pieces))
        assert whole.in_head == slow.in_head

    @given(_BYTES)
    def test_a_response_in_pieces_is_the_same(self, data: bytes) -> None:
        """Byte by byte gives what the whole gives."""
        slow = ResponseParser()
        pieces = [e for i in range(len(data)) for e in slow.feed(data[i : i + 1])]
        assert _merged(list(ResponseParser().feed(data))) == _merged(list(pieces))


class TestRequestParser:
    """Requests and their limits."""

    def test_what_follows_an_error_is_passed_over(self) -> None:
        """A parser that has failed gives no more events."""
        parser = _requests()
        assert parser.feed(b"nonsense\r\n")[-1][0] == ERROR
        assert parser.feed(b"POST / HTTP/1.1\r\nHost: h\r\n\r\n") == []

    @pytest.mark.parametrize("step", [1, 100, 5000])
    def test_the_head_has_a_limit_however_it_comes(self, step: int) -> None:
        """1024 bytes are taken, more are not, in one piece or in many."""
        for size, error in ((900, False), (1100, True)):
            parser = _requests()
            data = b"POST / HTTP/1.1\r\nHost: h\r\nX: " + b"y" * size + b"\r\n\r\n"
            events = [e for i in range(0, len(data), step) for e in parser.feed(data[i : i + step])]
            assert (events[-1][0] == ERROR) is error

    def test_a_long_body_before_a_head_does_not_count(self) -> None:
        """What came with the end of a body is not taken for a head that is too large."""
        parser = _requests()
        parser.feed(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5000\r\n\r\n")
        events = parser.feed(b"x" * 5000 + b"POST / HTTP/1.1\r\nHos")
        assert [kind for kind, _ in events] == [BODY, END]
        assert parser.in_head
        events = parser.feed(b"t: h\r\n\r\n")
        assert [kind for kind, _ in events] == [HEAD, END]

    def test_blank_lines_are_bounded(self) -> None:
        """Nobody is listened to for ever who never begins a request."""
        parser = _requests()
        events = [e for _ in range(600) for e in parser.feed(b"\r\n")]
        assert [kind for kind, _ in events] == [ERROR]

    def test_chunk_extensions_and_trailers_are_dropped_and_bounded(self) -> None:
        """They are no part of the message, and may not go on for ever."""
        parser = _requests()
        head = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
        events = parser.feed(head + b'3;a="b"\r\nabc\r\n0\r\nX: y\r\n\r\n')
        request = events[0][1]
        assert isinstance(request, RequestHead)
        assert [name for name, _ in request.headers] == [b"Host", b"Transfer-Encoding"]
        assert events[1:] == [(BODY, b"abc"), (END, None)]
        parser.feed(head)
        endless = [e for _ in range(600) for e in parser.feed(b"3;xx" if _ == 0 else b"xx")]
        assert [kind for kind, _ in endless] == [ERROR]

    @pytest.mark.parametrize(
        ("fields", "status"),
        [
            (b"Content-Length: " + b"0" * 5000 + b"\r\n", 431),
            (b"Content-Length: " + b"0" * 30 + b"\r\n", 400),
            (b"Content-Length: 5, 5\r\n", 400),
            (b"Content-Length: +5\r\n", 400),
            (b"Content-Length: \r\n", 400),
            (b"Content-Length : 5\r\n", 400),
            (b"Transfer-Encoding: gzip\r\n", 501),
            (b"Transfer-Encoding: gzip, chunked\r\n", 501),
            (b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", 400),
            (b"MS-ASProtocolVersion: 14.1\r\nms-asprotocolversion: 14.1\r\n", 400),
            (b": x\r\n", 400),
            (b"X: a\rb\r\n", 400),
        ],
    )
    def test_two_meanings_are_none(self, fields: bytes, status: int) -> None:
        """Framing and judged fields that two servers could read in two ways are refused."""
        events = _requests().feed(b"POST / HTTP/1.1\r\nHost: h\r\n" + fields + b"\r\n")
        (kind, error) = events[-1]
        assert isinstance(error, RequestError)
        assert (kind, error.status, len(events)) == (ERROR, status, 1)

    def test_http_1_0_has_no_chunks(self) -> None:
        """RFC 9112 section 6.1: Transfer-Encoding in HTTP/1.0 is faulty framing."""
        events = _requests().feed(b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n")
        assert events[-1][0] == ERROR


class TestResponseParser:
    """Responses of mail servers."""

    def _head(self, data: bytes) -> ResponseHead:
        head = ResponseParser().feed(data)[0][1]
        assert isinstance(head, ResponseHead)
        return head

    def test_interim_responses_are_passed_over(self) -> None:
        """RFC 9110 section 15.2: what counts is the final one."""
        events = ResponseParser().feed(
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
            b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"
        )
        assert [kind for kind, _ in events] == [HEAD, BODY, END]

    @pytest.mark.parametrize("status", [204, 304])
    def test_a_response_without_a_body(self, status: int) -> None:
        """RFC 9112 section 6.3: 204 and 304 end with their head, whatever it says."""
        data = b"HTTP/1.1 %d x\r\nContent-Length: 5\r\n\r\n" % status
        assert [kind for kind, _ in ResponseParser().feed(data)] == [HEAD, END]
        assert self._head(data).bodiless
        assert self._head(data).content_length == (None if status == 204 else 5)

    def test_trailers_are_not_fields_of_the_head(self) -> None:
        """RFC 9110 section 6.5.1: a trailer must not be merged into the head."""
        head = self._head(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nSet-Cookie: a\r\n\r\n"
        )
        assert [name for name, _ in head.headers] == [b"Transfer-Encoding"]

    @pytest.mark.parametrize(
        "data",
        [
            b"HTTP/1.1 101 x\r\nUpgrade: a\r\nConnection: upgrade\r\n\r\n",
            b"HTTP/1.1 101 x\r\n\r\nabc",
            b"HTTP/1.1 150 x\r\nContent-Length: 2\r\n\r\nab",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: " + b"0" * 5000 + b"\r\n\r\n",
            b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 501 + b"\r\n",
            b"HTTP/1.1 200 OK\r\nX: " + b"y" * 300_000,
            b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
            b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n",
            b"220 mail.example.test ESMTP\r\n",
        ],
    )
    def test_what_makes_no_sense_is_an_error(self, data: bytes) -> None:
        """No head comes out of it."""
        events = ResponseParser().feed(data)
        assert [kind for kind, _ in events] == [ERROR]

    def test_nothing_comes_after_an_error(self) -> None:
        """A parser that has failed gives no more events."""
        parser = ResponseParser()
        parser.feed(b"garbage")
        assert parser.feed(b"HTTP/1.1 200 OK\r\n\r\n") == []
