"""Requests of one connection: taken one after the other, judged, answered, refused."""

import asyncio
import socket

import pytest

from gateway.core.reasons import Reason
from tests.helpers import Pki
from tests.proxy.bed import OTHER_USER, PING, Bed, bed, chunked, eventually, ok, post


class TestOrder:
    """Answers come in the order of the requests (RFC 9112 section 9.3.2)."""

    async def test_pipelined_requests_are_answered_in_order(self, plane: Bed) -> None:
        """Three requests in one write get three answers in their order."""

        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while True:
                request = await plane.mail.receive(reader)
                writer.write(ok(request.body))

        plane.mail.script = script
        phone = await plane.phone()
        phone.writer.write(post(b"one") + post(b"two") + post(b"three"))
        assert [(await phone.read()).body for _ in range(3)] == [b"one", b"two", b"three"]

    async def test_a_refused_request_does_not_overtake(self, plane: Bed) -> None:
        """A denial waits for the answer to the request before it."""
        phone = await plane.phone()
        phone.writer.write(post() + post(query=OTHER_USER) + post())
        assert [(await phone.read()).status for _ in range(3)] == [200, 403, 200]

    async def test_what_precedes_nonsense_is_served(self, plane: Bed) -> None:
        """A valid request is answered though nonsense follows it in the same read."""
        phone = await plane.phone()
        phone.writer.write(post(b"valid") + b"nonsense\r\n\r\n" + post())
        first = await phone.read()
        second = await phone.read()
        assert (first.status, second.status) == (200, 400)
        assert await phone.ended() == b""
        assert [request.body for request in plane.mail.requests] == [b"valid"]

    async def test_a_pipelined_request_behind_a_close_is_not_served(self, plane: Bed) -> None:
        """Connection: close ends the connection with its answer (RFC 9112 section 9.6)."""
        phone = await plane.phone()
        phone.writer.write(post(headers="Connection: close\r\n") + post())
        assert (await phone.read()).get("connection") == ["close"]
        assert await phone.ended() == b""
        assert len(plane.mail.requests) == 1

    async def test_the_connection_stays_for_many_requests(self, plane: Bed) -> None:
        """One connection of a phone serves one request after the other over one upstream one."""
        phone = await plane.phone()
        for _ in range(5):
            assert (await phone.ask(post(b"x"))).status == 200
        assert (plane.mail.connections, len(plane.mail.requests)) == (1, 5)

    async def test_http_1_0_is_closed_unless_it_asks_otherwise(self, plane: Bed) -> None:
        """An HTTP/1.0 client gets its connection closed, or kept on request (RFC 9112 C.2.2)."""
        old = post(b"x").replace(b"HTTP/1.1", b"HTTP/1.0")
        kept = old.replace(b"MS-AS", b"Connection: keep-alive\r\nMS-AS", 1)
        phone = await plane.phone()
        assert (await phone.ask(kept)).get("connection") == ["keep-alive"]
        assert (await phone.ask(old)).get("connection") == ["close"]
        assert await phone.ended() == b""


class TestBadRequests:
    """What has no single meaning gets one answer and the end of the connection."""

    @pytest.mark.parametrize(
        ("raw", "status"),
        [
            (post(b"x", headers="Content-Length: 1\r\n"), 400),
            (post(b"x", headers="Transfer-Encoding: chunked\r\n"), 400),
            (post(headers="X: a\r\n b\r\n"), 400),
            (post(headers="X: a\n"), 400),
            (post(headers="X: a\0b\r\n"), 400),
            (post(headers="X : a\r\n"), 400),
            (post(headers="Host: localhost\r\n"), 400),
            (post(headers="X-MS-PolicyKey: none\r\n"), 400),
            (post(headers="Transfer-Encoding: gzip, chunked\r\n", length=False), 501),
            (post(headers="Upgrade: h2c\r\nConnection: Upgrade\r\n"), 400),
            (post(headers="Expect: 200-ok\r\n"), 417),
            (post(headers="".join(f"X-{n}: y\r\n" for n in range(101))), 431),
            (post(headers=f"X: {'y' * 40000}\r\n"), 431),
            (post(query="x" * 40000), 431),
            (post(query="Cmd=" + "x" * 9000), 400),
            (post(query="Cmd=Sync&User=a&User=b"), 400),
            (post(method="GET"), 501),
            (post(method="CONNECT"), 400),
            (post(method="BREW"), 400),
            (post().replace(b"HTTP/1.1", b"HTTP/2.0"), 505),
            (post().replace(b"Host: localhost\r\n", b""), 400),
            (post().replace(b"Host: localhost", b"Host: other.test"), 421),
            (post().replace(b"Host: localhost", b"Host: a b"), 400),
            (post().replace(b"POST /", b"POST http://other.test/"), 400),
            (post().replace(b"POST /M", b"POST //M"), 400),
            (post().replace(b"POST /M", b"POST /../M"), 400),
            (post().replace(b"POST /M", b"POST *"), 400),
            (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        ],
    )
    async def test_gets_its_status_and_the_end(self, plane: Bed, raw: bytes, status: int) -> None:
        """The status fits, the connection ends, the mail server sees nothing, the log has it."""
        phone = await plane.phone()
        answer = await phone.ask(raw)
        assert (answer.status, answer.get("connection")) == (status, ["close"])
        assert await phone.ended() == b""
        assert plane.mail.requests == []
        (line,) = plane.log()
        assert (line["event"], line["status"]) == ("request.refused", str(status))
        assert line["reference"] in answer.body.decode()

    async def test_a_head_in_small_pieces_has_the_same_limit(self, plane: Bed) -> None:
        """A head without end is refused once it is larger than the limit."""
        phone = await plane.phone()
        phone.writer.write(post(headers="X: a\r\n" * 3)[:-2])
        for _ in range(9):
            phone.writer.write(b"X: " + b"y" * 4096)
            await phone.writer.drain()
        assert (await phone.read()).status == 431

    async def test_absolute_form_is_the_same_request(self, plane: Bed) -> None:
        """An absolute target of this host is served as its path (RFC 9112 section 3.2.2)."""
        phone = await plane.phone()
        raw = post().replace(b"POST /", b"POST https://localhost/")
        assert (await phone.ask(raw)).status == 200
        assert plane.mail.requests[0].line.startswith("POST /Microsoft-Server-ActiveSync?")

    async def test_without_server_name_any_host_is_taken(self, plane: Bed) -> None:
        """A client that names an address sends no SNI, so that Host has nothing to agree with."""
        phone = await plane.phone(server_name="127.0.0.1")
        raw = post().replace(b"Host: localhost", b"Host: 127.0.0.1:8443")
        assert (await phone.ask(raw)).status == 200

    async def test_a_bad_chunk_ends_the_exchange(self, plane: Bed) -> None:
        """A body that breaks half-way is refused, and the mail server's connection cut."""
        phone = await plane.phone()
        head = post(headers="Transfer-Encoding: chunked\r\n", length=False)
        phone.writer.write(head + b"3\r\nabc\r\n")
        await eventually(lambda: plane.mail.heads == 1)
        assert (await phone.ask(b"nonsense\r\n")).status == 400
        await plane.mail.left()
        assert plane.counters.held_requests == 0

    async def test_a_bad_chunk_of_a_refused_body_gets_no_second_answer(self, plane: Bed) -> None:
        """The answer of a denied request is the only one; nonsense in its body ends all."""
        phone = await plane.phone()
        framing = "Transfer-Encoding: chunked\r\n"
        bad = post(query=OTHER_USER, headers=framing, length=False)
        assert (await phone.ask(bad + b"3\r\nabc\r\n")).status == 403
        phone.writer.write(b"nonsense\r\n")
        assert await phone.ended() == b""

    async def test_a_bad_request_is_not_taken_for_the_one_before(self, plane: Bed) -> None:
        """After a HEAD the answer to nonsense has a body, and no command in the metrics."""
        phone = await plane.phone()
        phone.writer.write(post(method="HEAD").replace(b"/Microsoft", b"/other", 1))
        line = await phone.reader.readuntil(b"\r\n\r\n")
        assert line.startswith(b"HTTP/1.1 404")
        answer = await phone.ask(b"nonsense\r\n\r\n")
        assert answer.body.startswith(b"400 Bad Request. Reference: ")

    async def test_an_answer_to_head_has_no_body(self, plane: Bed) -> None:
        """RFC 9110 section 9.3.2: the fields of a body, and none."""
        phone = await plane.phone()
        phone.writer.write(
            post(method="HEAD", headers="Connection: close\r\n").replace(b"/Micro", b"/other", 1)
        )
        raw = await phone.ended()
        assert raw.startswith(b"HTTP/1.1 404 Not Found\r\n")
        assert raw.endswith(b"\r\n\r\n")


class TestExpect:
    """Expect: 100-continue (RFC 9110 section 10.1.1)."""

    async def test_is_granted_when_the_request_is_allowed(self, plane: Bed) -> None:
        """The body is asked for, then taken."""
        phone = await plane.phone()
        head = post(headers="Expect: 100-continue\r\nContent-Length: 4\r\n", length=False)
        assert (await phone.ask(head)).status == 100
        assert (await phone.ask(b"body")).status == 200
        assert plane.mail.requests[0].body == b"body"
        assert plane.mail.requests[0].get("expect") == []

    async def test_is_denied_with_the_request(self, plane: Bed) -> None:
        """A denied request gets its denial alone, and no body is waited for."""
        phone = await plane.phone()
        answer = await phone.ask(
            post(
                query=OTHER_USER,
                headers="Expect: 100-continue\r\nContent-Length: 4\r\n",
                length=False,
            )
        )
        assert (answer.status, answer.get("connection")) == (403, ["close"])
        assert await phone.ended() == b""

    async def test_is_passed_over_when_the_body_is_there(self, plane: Bed) -> None:
        """No 100 goes out to a client that did not wait for it."""
        phone = await plane.phone()
        assert (await phone.ask(post(b"body", headers="Expect: 100-continue\r\n"))).status == 200


class TestBodyLimits:
    """How much of a body is taken."""

    async def test_a_length_over_the_limit_is_refused_at_once(self, pki: Pki) -> None:
        """413 and the end of the connection before any byte of the body."""
        async with bed(pki, limits={"body_bytes": 1024}) as plane:
            phone = await plane.phone()
            answer = await phone.ask(post(headers="Content-Length: 1025\r\n", length=False))
            assert (answer.status, answer.get("connection")) == (413, ["close"])
            assert plane.mail.connections == 0

    async def test_chunks_over_the_limit_are_refused_as_they_come(self, pki: Pki) -> None:
        """413 as soon as the limit is passed, and the mail server's connection is cut."""
        async with bed(pki, limits={"body_bytes": 1024}) as plane:
            phone = await plane.phone()
            head = post(headers="Transfer-Encoding: chunked\r\n", length=False)
            answer = await phone.ask(head + chunked(b"x" * 1025))
            assert (answer.status, answer.get("connection")) == (413, ["close"])
            await eventually(lambda: not plane.pool._open)

    async def test_a_denied_body_is_passed_over(self, plane: Bed) -> None:
        """The connection goes on with the next request behind a denied one's body."""
        phone = await plane.phone()
        denied = await phone.ask(post(b"x" * 100_000, query=OTHER_USER))
        assert (denied.status, denied.get("connection")) == (403, [])
        assert (await phone.ask(post(b"y"))).status == 200
        assert [request.body for request in plane.mail.requests] == [b"y"]

    async def test_a_large_denied_body_ends_the_connection(self, plane: Bed) -> None:
        """Nobody may send megabytes in vain: the answer comes, then the end."""
        phone = await plane.phone()
        phone.writer.write(post(b"x" * 1_000_000, query=OTHER_USER))
        assert (await phone.read()).status == 403
        assert await phone.ended() == b""

    async def test_trailers_without_end_are_refused(self, plane: Bed) -> None:
        """A trailer larger than a head may be costs the connection."""
        phone = await plane.phone()
        head = post(headers="Transfer-Encoding: chunked\r\n", length=False)
        phone.writer.write(head + b"1\r\nx\r\n0\r\n" + (b"X: " + b"y" * 4096 + b"\r\n") * 200)
        assert (await phone.read()).status == 431


class TestHeaders:
    """What reaches the mail server."""

    async def test_identity_is_the_gateways_alone(self, plane: Bed) -> None:
        """A client's identity fields are stripped in any spelling, and ours is there once."""
        spoofed = (
            "X-Remote-User: bob@example.test\r\nx-REMOTE-user: bob\r\nX_Remote_User: bob\r\n"
            "Authorization: Basic Ym9iOnB3\r\nX-Forwarded-For: 10.0.0.1\r\n"
            "Connection: keep-alive, X-Remote-User\r\n"
        )
        phone = await plane.phone()
        assert (await phone.ask(post(headers=spoofed))).status == 200
        (request,) = plane.mail.requests
        assert request.get("x-remote-user") == ["alice@example.test"]
        assert request.get("x_remote_user") == request.get("authorization") == []
        assert request.get("x-forwarded-for") == ["127.0.0.1"]
        assert request.get("x-forwarded-proto") == ["https"]
        assert request.get("host") == [f"127.0.0.1:{plane.mail.port}"]

    async def test_hop_by_hop_fields_stay_here(self, plane: Bed) -> None:
        """Those of RFC 9110 section 7.6.1 and what Connection names; the rest goes on."""
        phone = await plane.phone()
        fields = "Connection: X-Hop\r\nX-Hop: 1\r\nTE: trailers\r\nKeep-Alive: 5\r\nX-End: 1\r\n"
        await phone.ask(post(headers=fields))
        names = {name.lower() for name, _ in plane.mail.requests[0].headers}
        assert not names & {"connection", "x-hop", "te", "keep-alive"}
        assert {"x-end", "ms-asprotocolversion"} <= names

    async def test_a_request_without_fields_to_pass_on_is_whole(self, plane: Bed) -> None:
        """The head ends where it should even if nothing of the client's goes on."""
        phone = await plane.phone()
        raw = post(b"x").replace(b"MS-ASProtocolVersion: 14.1\r\n", b"")
        assert (await phone.ask(raw)).status == 200
        assert plane.mail.requests[0].body == b"x"


def _little_buffer(transport: asyncio.BaseTransport | None, option: int) -> None:
    """The kernel keeps a few KB of what is under way, so that few answers fill it."""
    assert transport is not None
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, option, 8192)


class TestHeld:
    """Requests that the mail server holds, and the gauge of them."""

    async def test_a_phone_that_vanishes_frees_the_mail_server(self, plane: Bed) -> None:
        """The upstream connection of a held Ping is cut with the phone's."""
        plane.mail.script = plane.mail.hold
        phone = await plane.phone()
        phone.writer.write(post(query=PING))
        await eventually(lambda: len(plane.mail.requests) == 1)
        assert plane.counters.held_requests == 1
        phone.close()
        await plane.mail.left()
        assert plane.counters.held_requests == 0

    async def test_also_with_a_request_behind_it(self, plane: Bed) -> None:
        """A pipelined request does not hide that the phone is gone."""
        plane.mail.script = plane.mail.hold
        phone = await plane.phone()
        phone.writer.write(post(query=PING) + post(b"later"))
        await eventually(lambda: len(plane.mail.requests) == 1)
        phone.close()
        await plane.mail.left()
        assert plane.counters.held_requests == 0

    async def test_the_gauge_comes_back_to_zero(self, plane: Bed) -> None:
        """After answers, failures, refusals and vanished phones nothing is held."""
        phone = await plane.phone()
        assert (await phone.ask(post(query=PING))).status == 200
        plane.pool.close()
        plane.mail.replies(b"garbage")
        assert (await phone.ask(post(query=PING))).status == 503
        assert plane.counters.held_requests == 0

    async def test_what_waits_behind_a_held_request_is_bounded(self, plane: Bed) -> None:
        """Reading stops when enough is waiting, so that a phone cannot fill the memory."""
        plane.mail.script = plane.mail.hold
        phone = await plane.phone()
        phone.writer.write(post(query=PING))
        await eventually(lambda: len(plane.mail.requests) == 1)
        (connection,) = plane.connections
        phone.writer.write(post(b"x" * 30_000) * 2000)
        await eventually(lambda: connection._held)
        assert connection._dialogue is not None
        waiting = connection._dialogue._events
        assert sum(len(v) for _, v in waiting if isinstance(v, bytes)) < 2_000_000

    async def test_requests_wait_for_a_slow_reader(self, plane: Bed) -> None:
        """A phone that reads no answers gets no further request begun."""
        phone = await plane.phone()
        refused = post(query=OTHER_USER)
        await phone.ask(refused)
        _little_buffer(phone.writer.transport, socket.SO_RCVBUF)
        _little_buffer(plane.connections[0]._transport, socket.SO_SNDBUF)
        phone.writer.transport.pause_reading()  # type: ignore[attr-defined]  # streams hide it
        phone.writer.write(refused * 4_000)
        await eventually(lambda: plane.connections[0]._held)
        assert plane.counters.decisions[Reason.USER_MISMATCH] < 4_000
        phone.close()


class TestDrain:
    """The end of a worker."""

    async def test_an_idle_connection_ends_and_a_ping_is_given_up(self, plane: Bed) -> None:
        """Neither keeps a worker from ending."""
        idle = await plane.phone()
        await idle.ask(post())
        plane.mail.script = plane.mail.hold
        held = await plane.phone()
        held.writer.write(post(query=PING))
        await eventually(lambda: plane.counters.held_requests == 1)
        plane.sweep()
        await asyncio.gather(plane.drain(), idle.ended(), held.ended(), self._close(idle, held))
        assert plane.connections == ()

    async def test_a_ping_is_put_off_where_nobody_takes_over(self, plane: Bed) -> None:
        """Thousands of phones that come back at once would keep the next gateway from its start."""
        plane.mail.script = plane.mail.hold
        plane.services.puts_off = True
        held = await plane.phone()
        held.writer.write(post(query=PING))
        await eventually(lambda: plane.counters.held_requests == 1)
        draining = asyncio.gather(plane.drain())
        answer = await held.read()
        assert answer.status == 503
        assert 1 <= int(answer.get("Retry-After")[0]) <= 30
        assert await held.ended() == b""
        held.close()
        await draining

    async def test_an_answer_that_is_owed_still_comes(self, plane: Bed) -> None:
        """A Sync under way is answered before the connection ends."""
        go = asyncio.Event()

        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await plane.mail.receive(reader)
            await go.wait()
            writer.write(ok())

        plane.mail.script = script
        phone = await plane.phone()
        phone.writer.write(post())
        await eventually(lambda: len(plane.mail.requests) == 1)
        draining = asyncio.gather(plane.drain())
        await asyncio.sleep(0)
        go.set()
        assert (await phone.read()).status == 200
        assert await phone.ended() == b""
        phone.close()
        await draining

    async def test_a_failure_while_draining_ends_the_connection(self, plane: Bed) -> None:
        """503 is the last answer then."""
        plane.mail.script = plane.mail.hold
        phone = await plane.phone()
        phone.writer.write(post())
        await eventually(lambda: len(plane.mail.requests) == 1)
        draining = asyncio.gather(plane.drain())
        await asyncio.sleep(0)
        plane.sweep(later=4000)
        answer = await phone.read()
        assert (answer.status, answer.get("connection")) == (503, ["close"])
        phone.close()
        await draining

    @staticmethod
    async def _close(*phones: object) -> None:
        await asyncio.sleep(0)
