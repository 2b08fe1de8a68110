"""A request on its way to the mail server, and the answer on its way back."""

import asyncio
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
import time_machine

from gateway.core.reasons import Reason
from tests.helpers import Pki
from tests.proxy.bed import PING, Answer, Bed, Phone, bed, chunked, eventually, ok, post

_CHUNKED = "Transfer-Encoding: chunked\r\n"
_LARGE = bytes(range(256)) * 32 * 1024  # 8 MB


async def _one(plane: Bed, raw: bytes = b"") -> tuple[Phone, Answer]:
    phone = await plane.phone()
    return phone, await phone.ask(raw or post())


class TestRequestBody:
    """Bodies on their way up."""

    async def test_a_large_body_with_a_length(self, plane: Bed) -> None:
        """8 MB arrive byte for byte, under a Content-Length."""
        await _one(plane, post(_LARGE))
        (request,) = plane.mail.requests
        assert (request.body == _LARGE, request.get("content-length")) == (True, [str(8 << 20)])

    async def test_a_large_body_in_chunks(self, plane: Bed) -> None:
        """8 MB arrive byte for byte, in chunks."""
        pieces = [_LARGE[i : i + 70_000] for i in range(0, len(_LARGE), 70_000)]
        await _one(plane, post(headers=_CHUNKED, length=False) + chunked(*pieces))
        (request,) = plane.mail.requests
        assert (request.body == _LARGE, request.get("transfer-encoding")) == (True, ["chunked"])

    async def test_a_short_chunked_body_gets_a_length(self, plane: Bed) -> None:
        """A body that is there whole goes on under a Content-Length; its trailer goes nowhere."""
        raw = post(headers=_CHUNKED, length=False) + b"3\r\nabc\r\n0\r\nX-Trailer: 1\r\n\r\n"
        await _one(plane, raw)
        (request,) = plane.mail.requests
        assert (request.body, request.get("content-length")) == (b"abc", ["3"])
        assert request.get("transfer-encoding") == request.get("x-trailer") == []

    async def test_a_body_that_comes_slowly_is_passed_on_as_it_comes(self, plane: Bed) -> None:
        """Streaming: the mail server has the first part before the last is sent."""
        phone = await plane.phone()
        phone.writer.write(post(b"", headers="Content-Length: 4\r\n", length=False) + b"ab")
        await eventually(lambda: plane.mail.heads == 1)
        assert plane.mail.requests == []
        assert (await phone.ask(b"cd")).status == 200
        assert plane.mail.requests[0].body == b"abcd"

    async def test_chunks_that_come_slowly_stay_chunks(self, plane: Bed) -> None:
        """Without a length known in advance the mail server gets chunks (RFC 9112 section 7.1)."""
        phone = await plane.phone()
        phone.writer.write(post(headers=_CHUNKED, length=False) + b"2\r\nab\r\n")
        await eventually(lambda: plane.mail.heads == 1)
        assert (await phone.ask(b"2\r\ncd\r\n0\r\n\r\n")).status == 200
        (request,) = plane.mail.requests
        assert (request.body, request.get("transfer-encoding")) == (b"abcd", ["chunked"])

    async def test_a_mail_server_that_reads_nothing_holds_the_phone(self, plane: Bed) -> None:
        """Back-pressure: 64 MB are on their way, and only a little of it is here."""
        go = asyncio.Event()

        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await go.wait()
            await plane.mail.receive(reader)
            writer.write(ok())

        plane.mail.script = script
        phone = await plane.phone()
        size = 64 << 20
        phone.writer.write(post(headers=f"Content-Length: {size}\r\n", length=False))
        phone.writer.write(bytes(size))
        (connection,) = plane.connections
        await eventually(lambda: connection._held and bool(plane.pool._open))
        (upstream,) = plane.pool._open
        assert upstream._transport is not None
        assert upstream._transport.get_write_buffer_size() < 2 << 20
        go.set()
        assert (await phone.read()).status == 200
        assert len(plane.mail.requests[0].body) == size

    async def test_a_mail_server_that_dies_while_it_is_full(self, plane: Bed) -> None:
        """The phone gets its 503 and the rest of its body is read, not left to a time limit."""
        go = asyncio.Event()

        async def script(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await go.wait()
            writer.transport.abort()

        plane.mail.script = script
        phone = await plane.phone()
        phone.writer.write(post(bytes(32 << 20)))
        (connection,) = plane.connections
        await eventually(lambda: connection._held)
        go.set()
        assert (await phone.read()).status == 503
        assert not connection._held


class TestBuffer:
    """A mail server that wants the request whole."""

    async def test_no_connection_before_the_request_is_whole(self, pki: Pki) -> None:
        """The mail server sees nothing of a request whose end has not come."""
        async with bed(pki, request_body="buffer") as plane:
            phone = await plane.phone()
            phone.writer.write(post(headers=_CHUNKED, length=False) + b"2\r\nab\r\n")
            (connection,) = plane.connections
            await eventually(lambda: connection._dialogue is not None)
            turn = getattr(connection._dialogue, "_turn", None)
            await eventually(lambda: getattr(turn, "_body_bytes", 0) == 2)
            assert plane.mail.connections == 0
            assert (await phone.ask(b"2\r\ncd\r\n0\r\n\r\n")).status == 200
            (request,) = plane.mail.requests
            assert (request.body, request.get("content-length")) == (b"abcd", ["4"])

    async def test_a_body_over_the_limit(self, pki: Pki) -> None:
        """413 and the end, and the mail server is left alone."""
        async with bed(pki, request_body="buffer", buffer_limit_bytes=1024) as plane:
            raw = post(headers=_CHUNKED, length=False) + chunked(bytes(1025))
            phone, answer = await _one(plane, raw)
            assert (answer.status, answer.get("connection")) == (413, ["close"])
            assert await phone.ended() == b""
            assert plane.mail.connections == 0

    async def test_all_requests_together_are_limited(self, pki: Pki) -> None:
        """Beyond it 503 and Retry-After; what was held is free again, however its request ends."""
        small = {"buffered_bytes": 1024}
        async with bed(pki, request_body="buffer", limits=small) as plane:
            buffered = plane.services.upstreams.default.buffered
            assert buffered is not None
            phone = await plane.phone()
            phone.writer.write(post(b"a" * 1000, headers="Content-Length: 2000\r\n", length=False))
            await eventually(lambda: buffered.held == 1000)
            other, answer = await _one(plane, post(b"b" * 25))
            assert (answer.status, bool(answer.get("retry-after"))) == (503, True)
            assert (answer.get("connection"), buffered.held) == ([], 1000)
            assert plane.counters.decisions[Reason.OVERLOADED] == 1
            assert (await other.ask(post(b"b" * 24))).status == 200
            assert buffered.held == 1000
            phone.close()
            await eventually(lambda: buffered.held == 0)
            for _ in range(2):  # the second is a repeated head
                assert (await other.ask(post(b"b" * 25))).status == 200
            assert (await other.ask(post(b"c" * 1025))).status == 503
            assert buffered.held == 0
            plane.mail.answer = b"nonsense"
            assert (await other.ask(post(b"d"))).status == 503
            assert buffered.held == 0
            assert plane.mail.connections <= 2


class TestAnswer:
    """Answers on their way down."""

    async def test_a_large_answer_with_a_length(self, plane: Bed) -> None:
        """8 MB arrive byte for byte."""
        plane.mail.answer = ok(_LARGE)
        _, answer = await _one(plane)
        assert (answer.body == _LARGE, answer.get("content-length")) == (True, [str(8 << 20)])

    async def test_a_large_answer_in_chunks(self, plane: Bed) -> None:
        """8 MB arrive byte for byte; the trailer stays here (RFC 9110 section 6.5.1)."""
        pieces = [_LARGE[i : i + 70_000] for i in range(0, len(_LARGE), 70_000)]
        body = chunked(*pieces)[:-2] + b"X-Trailer: 1\r\n\r\n"
        plane.mail.answer = f"HTTP/1.1 200 OK\r\n{_CHUNKED}\r\n".encode() + body
        phone, answer = await _one(plane)
        assert (answer.body == _LARGE, answer.get("transfer-encoding")) == (True, ["chunked"])
        assert (await phone.ask(post())).body == _LARGE

    async def test_an_answer_until_close_is_chunked(self, plane: Bed) -> None:
        """A body that ends with the mail server's connection leaves the phone's open."""
        plane.mail.replies(b"HTTP/1.1 200 OK\r\n\r\nabc", b"def")
        phone, answer = await _one(plane)
        assert (answer.body, answer.get("transfer-encoding")) == (b"abcdef", ["chunked"])
        assert (await phone.ask(post())).body == b"abcdef"

    async def test_http_1_0_gets_it_until_close(self, plane: Bed) -> None:
        """An HTTP/1.0 client knows no chunks (RFC 9112 section 7.1)."""
        plane.mail.answer = f"HTTP/1.1 200 OK\r\n{_CHUNKED}\r\n".encode() + chunked(b"abc", b"def")
        phone = await plane.phone()
        raw = post().replace(b"HTTP/1.1\r\n", b"HTTP/1.0\r\nConnection: keep-alive\r\n")
        phone.writer.write(raw)
        got = await phone.ended()
        assert got.endswith(b"Connection: close\r\n\r\nabcdef")

    @pytest.mark.parametrize("status", [204, 304])
    async def test_an_answer_without_a_body(self, plane: Bed, status: int) -> None:
        """204 and 304 end with their head; the connection goes on."""
        plane.mail.answer = b"HTTP/1.1 %d x\r\n\r\n" % status
        phone, answer = await _one(plane)
        assert (answer.status, answer.get("transfer-encoding")) == (status, [])
        assert (await phone.ask(post())).status == status
        assert plane.mail.connections == 1

    async def test_interim_answers_stay_here(self, plane: Bed) -> None:
        """The phone gets the final answer alone."""
        plane.mail.answer = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 x\r\n\r\n" + ok()
        _, answer = await _one(plane)
        assert answer.status == 200

    async def test_what_a_phone_must_not_see_is_dropped(self, plane: Bed) -> None:
        """Names inside, hop-by-hop fields and challenges stay here; cookies go on."""
        plane.mail.answer = ok(
            headers="Server: x\r\nKeep-Alive: 5\r\nConnection: X-Hop\r\nX-Hop: 1\r\n"
            "WWW-Authenticate: Basic\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n"
        )
        _, answer = await _one(plane)
        names = [n for n, _ in answer.headers]
        assert names == ["Set-Cookie", "Set-Cookie", "Date", "Content-Length"]

    async def test_an_answer_without_a_date_gets_the_time_of_now(self, plane: Bed) -> None:
        """RFC 9110 section 6.6.1; each time anew, though the head is the same as before."""
        phone = await plane.phone()
        for second in (1, 2):
            now = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=second)
            with time_machine.travel(now, tick=False):
                answer = await phone.ask(post())
            assert answer.get("date") == [format_datetime(now, usegmt=True)]

    @pytest.mark.parametrize("name", ["Date", "date"])
    async def test_the_date_of_the_mail_server_stays(self, plane: Bed, name: str) -> None:
        """It is when the answer was made, also where that is wrong; there is one."""
        plane.mail.answer = ok(headers=f"{name}: Sat, 31 Jan 2026 00:00:00 GMT\r\n")
        _, answer = await _one(plane)
        assert answer.get("date") == ["Sat, 31 Jan 2026 00:00:00 GMT"]

    @pytest.mark.parametrize("status", [401, 407])
    async def test_a_challenge_never_reaches_a_phone(self, plane: Bed, status: int) -> None:
        """A phone would ask its owner for a password: 503."""
        plane.mail.answer = b"HTTP/1.1 %d x\r\nContent-Length: 0\r\n\r\n" % status
        phone, answer = await _one(plane)
        assert (answer.status, answer.get("retry-after")) == (503, ["60"])
        assert (await phone.ask(post())).status == 503

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    async def test_a_redirect_never_leads_a_phone_away(self, plane: Bed, status: int) -> None:
        """Nothing of where a mail server would send it reaches it: 503, and the record says why."""
        plane.mail.answer = (
            b"HTTP/1.1 %d x\r\nLocation: https://inside.example.test/\r\nContent-Length: 0\r\n\r\n"
            % status
        )
        phone, answer = await _one(plane)
        assert (answer.status, answer.get("location")) == (503, [])
        assert (await phone.ask(post())).status == 503
        assert str(status) in plane.audit()[-1]["detail"]

    async def test_other_errors_reach_the_phone(self, plane: Bed) -> None:
        """449 and the like are ActiveSync's own (MS-ASHTTP section 2.2.2.1.1)."""
        plane.mail.answer = b"HTTP/1.1 449 Retry after PROVISION\r\nContent-Length: 0\r\n\r\n"
        _, answer = await _one(plane)
        assert answer.status == 449

    async def test_an_answer_before_the_end_of_the_request(self, plane: Bed) -> None:
        """The answer goes out, and the connection ends: nobody reads the rest of the body."""

        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(ok(b"early"))
            await reader.read()

        plane.mail.script = script
        raw = post(headers="Content-Length: 9\r\n", length=False)
        phone, answer = await _one(plane, raw)
        assert (answer.body, answer.get("connection")) == (b"early", ["close"])
        assert await phone.ended() == b""

    async def test_a_phone_that_reads_nothing_holds_the_mail_server(self, plane: Bed) -> None:
        """Back-pressure: 64 MB are on their way, and only a little of it is here."""
        plane.mail.answer = ok(bytes(64 << 20))
        phone = await plane.phone()
        phone.writer.transport.pause_reading()  # type: ignore[attr-defined]  # streams hide it
        phone.writer.write(post())
        await eventually(lambda: any(c._paused for c in plane.pool._open))
        (connection,) = plane.connections
        assert connection._transport is not None
        assert connection._transport.get_write_buffer_size() < 2 << 20
        phone.writer.transport.resume_reading()  # type: ignore[attr-defined]  # streams hide it
        assert len((await phone.read()).body) == 64 << 20

    async def test_a_slow_phone_leaves_no_connection_paused(self, plane: Bed) -> None:
        """A pooled connection that a slow reader had stopped serves the next phone."""
        plane.mail.answer = ok(bytes(16 << 20))
        slow = await plane.phone()
        slow.writer.transport.pause_reading()  # type: ignore[attr-defined]  # streams hide it
        slow.writer.write(post())
        await eventually(lambda: any(c._paused for c in plane.pool._open))
        slow.writer.transport.resume_reading()  # type: ignore[attr-defined]  # streams hide it
        assert len((await slow.read()).body) == 16 << 20
        _, answer = await _one(plane)
        assert len(answer.body) == 16 << 20
        assert plane.mail.connections == 1


class TestFailure:
    """Mail servers that give no answer, or half of one."""

    @pytest.mark.parametrize(
        "parts",
        [
            (),
            (b"HTTP/1.1 200 OK\r\nContent-",),
            (b"garbage\r\n\r\n",),
            (b"HTTP/1.1 101 x\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",),
        ],
    )
    async def test_before_the_answer(self, plane: Bed, parts: tuple[bytes, ...]) -> None:
        """503 with Retry-After, and the connection goes on."""
        plane.mail.replies(*parts)
        phone, answer = await _one(plane)
        assert (answer.status, answer.get("retry-after")) == (503, ["60"])
        assert answer.get("connection") == []
        assert (await phone.ask(post())).status == 503

    @pytest.mark.parametrize(
        "answer",
        [
            b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc",
            f"HTTP/1.1 200 OK\r\n{_CHUNKED}\r\n3\r\nabc\r\n".encode(),
        ],
    )
    async def test_in_the_middle_of_the_answer(self, plane: Bed, answer: bytes) -> None:
        """The phone's connection is cut, so that it cannot take the part for the whole."""
        plane.mail.replies(answer)
        phone = await plane.phone()
        phone.writer.write(post())
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await phone.read()

    async def test_nonsense_in_the_middle_of_the_answer(self, plane: Bed) -> None:
        """A chunk that is none cuts the phone's connection, once a part of the answer is sent."""
        go = asyncio.Event()

        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await plane.mail.receive(reader)
            writer.write(f"HTTP/1.1 200 OK\r\n{_CHUNKED}\r\n3\r\nabc\r\n".encode())
            await go.wait()
            writer.write(b"nonsense")
            await reader.read()

        plane.mail.script = script
        phone = await plane.phone()
        phone.writer.write(post())
        await phone.reader.readuntil(b"abc")
        go.set()
        assert b"0\r\n\r\n" not in await phone.ended()

    async def test_nonsense_in_the_answers_first_part(self, plane: Bed) -> None:
        """What has not been sent yet is replaced by a 503."""
        plane.mail.replies(f"HTTP/1.1 200 OK\r\n{_CHUNKED}\r\n3\r\nabcnonsense".encode())
        _, answer = await _one(plane)
        assert answer.status == 503

    @pytest.mark.parametrize("headers", ["", "Connection: close\r\n"])
    async def test_bytes_behind_the_answer(self, plane: Bed, headers: str) -> None:
        """The answer counts, and its connection serves no other request."""
        plane.mail.replies(
            ok(headers=headers) + b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nbehind"
        )
        phone, answer = await _one(plane)
        assert (answer.status, answer.body) == (200, b"ok")
        assert (await phone.ask(post())).body == b"ok"
        assert plane.mail.connections == 2

    async def test_an_answer_that_does_not_come_in_time(self, plane: Bed) -> None:
        """503 after the response time limit; the mail server's connection is cut."""
        plane.mail.script = plane.mail.hold
        phone = await plane.phone()
        phone.writer.write(post(query=PING))
        await eventually(lambda: len(plane.mail.requests) == 1)
        plane.sweep(later=3890)
        assert plane.counters.held_requests == 1
        plane.sweep(later=3901)
        assert (await phone.read()).status == 503
        await plane.mail.left()
        assert plane.counters.held_requests == 0


class TestRetry:
    """A pooled connection that the mail server has closed."""

    @staticmethod
    async def _stale(plane: Bed, raw: bytes) -> Answer:
        """The answer to `raw` over a pooled connection that closes as soon as it is used."""
        first = True

        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal first
            await plane.mail.receive(reader)
            writer.write(ok())
            if first:
                first = False
                await reader.readuntil(b"\r\n\r\n")
                return
            await plane.mail.echo(reader, writer)

        plane.mail.script = script
        phone, answer = await _one(plane)
        assert answer.status == 200
        return await phone.ask(raw)

    async def test_options_is_asked_again(self, plane: Bed) -> None:
        """OPTIONS changes nothing, so that it is sent once more on a new connection."""
        answer = await self._stale(plane, post(method="OPTIONS", length=False))
        assert (answer.status, plane.mail.connections) == (200, 2)

    async def test_post_is_not(self, plane: Bed) -> None:
        """Nobody knows whether the mail server has acted on it: the phone decides."""
        answer = await self._stale(plane, post(b"x"))
        assert (answer.status, plane.mail.connections) == (503, 1)

    async def test_only_once(self, plane: Bed) -> None:
        """A new connection that closes, too, is the mail server's answer."""
        phone, _ = await _one(plane)
        plane.mail.replies()
        (kept,) = plane.pool._open
        assert kept.exchange is None
        plane.pool.close()
        assert (await phone.ask(post(method="OPTIONS", length=False))).status == 503
        assert plane.mail.connections == 2
