"""Limits on real connections: requests, bodies, Pings, and connections themselves."""

import asyncio
import contextlib
import ssl
import time
from collections.abc import AsyncIterator, Callable

import pytest

from gateway.core.reasons import Reason
from tests.helpers import Pki
from tests.proxy.bed import PING, WAITING, Bed, Phone, bed, eventually, ok, post
from tests.proxy.resuming import Resuming

FOLDER_SYNC = PING.replace("Ping", "FolderSync")


async def _held(plane: Bed, query: str = PING) -> Phone:
    """A phone whose request the mail server holds."""
    phone, before = await plane.phone(), len(plane.mail.requests)
    phone.writer.write(post(WAITING if "Sync" in query else b"x", query=query))
    await eventually(lambda: len(plane.mail.requests) > before)
    return phone


@pytest.fixture
async def holding(pki: Pki) -> AsyncIterator[Bed]:
    """A data plane before a mail server that holds every request."""
    async with bed(pki) as plane:
        plane.mail.script = plane.mail.hold
        yield plane


class TestRequests:
    """What one device or mailbox may ask."""

    async def test_one_too_many_is_told_when_to_come_again(self, pki: Pki) -> None:
        """503 with the seconds until the next token; the record names the key."""
        limits = {"requests_per_minute_device": 1, "request_burst_device": 2}
        async with bed(pki, limits=limits) as plane:
            phone = await plane.phone()
            for _ in range(2):
                assert (await phone.ask(post())).status == 200
            answer = await phone.ask(post())
            assert answer.status == 503
            assert 1 <= int(answer.get("retry-after")[0]) <= 60
            assert answer.get("connection") == []
            assert plane.counters.decisions[Reason.TOO_MANY_REQUESTS] == 1
            assert "limits.requests_per_minute_device" in plane.audit()[-1]["detail"]
            assert (await phone.ask(post(query=PING.replace("d1", "d2")))).status == 200
            assert len(plane.mail.requests) == 3

    async def test_what_ends_counts_no_more(self, pki: Pki) -> None:
        """Whether it was answered, refused, too large or cut off."""
        async with bed(pki, limits={"concurrent_requests_device": 1}) as plane:
            phone = await plane.phone()
            assert (await phone.ask(post())).status == 200
            large = post(query=FOLDER_SYNC, headers="Content-Length: 9999999\r\n", length=False)
            assert (await phone.ask(large)).status == 413
            plane.mail.answer = b"nonsense\r\n\r\n"
            phone = await plane.phone()
            assert (await phone.ask(post())).status == 503
            plane.mail.answer, plane.mail.script = ok(), plane.mail.hold
            phone = await _held(plane)
            assert (await (await plane.phone()).ask(post())).status == 503
            phone.close()
            await eventually(lambda: plane.counters.held_requests == 0)
            plane.mail.script = plane.mail.echo
            phone = await plane.phone()
            assert (await phone.ask(post())).status == 200
            assert plane.counters.decisions[Reason.TOO_MANY_REQUESTS] == 1

    async def test_held_requests_of_a_mailbox(self, pki: Pki) -> None:
        """One too many is refused; others pass."""
        async with bed(pki, limits={"held_requests_mailbox": 1}) as plane:
            plane.mail.script = plane.mail.hold
            await _held(plane)
            phone = await plane.phone()
            assert (await phone.ask(post(query=PING.replace("d1", "d2")))).status == 503
            plane.mail.script = plane.mail.echo
            assert (await phone.ask(post(query=FOLDER_SYNC))).status == 200

    async def test_what_the_mail_server_says_of_its_own_limits_is_passed_on(
        self, plane: Bed
    ) -> None:
        """X-MS-ASThrottle, Retry-After and X-MS-BackOffDuration (MS-ASHTTP section 2.2.1.1.2)."""
        said = {
            "X-MS-ASThrottle": "CommandFrequency",
            "Retry-After": "137",
            "X-MS-BackOffDuration": "L/-470",
        }
        fields = "".join(f"{name}: {value}\r\n" for name, value in said.items())
        plane.mail.answer = ok(b"", fields).replace(b"200 OK", b"503 Busy")
        answer = await (await plane.phone()).ask(post())
        assert answer.status == 503
        assert {name: answer.get(name) for name in said} == {n: [v] for n, v in said.items()}


class TestPing:
    """A newer Ping of a device ends the one before."""

    async def test_the_old_one_is_answered_and_its_connection_ends(self, holding: Bed) -> None:
        """Status 1; the new one is held, and the mail server is left alone with the old one."""
        old = await _held(holding)
        new = await _held(holding)
        answer = await old.read()
        assert (answer.status, answer.body) == (200, bytes.fromhex("03016a00000d45470331000101"))
        assert answer.get("connection") == ["close"]
        assert await old.ended() == b""
        await holding.mail.left()
        assert holding.counters.pings_ended == 1
        assert holding.counters.held_requests == 1
        assert holding.counters.requests == {("Ping", 200): 1}
        new.close()

    async def test_other_requests_and_devices_go_on(self, holding: Bed) -> None:
        """Sync of the device, Pings of others."""
        phones = [
            await _held(holding, query)
            for query in (PING.replace("Ping", "Sync"), PING.replace("d1", "d2"), PING)
        ]
        assert holding.counters.held_requests == len(phones)
        assert holding.counters.pings_ended == 0

    async def test_one_whose_answer_has_begun_goes_on(self, plane: Bed) -> None:
        """The device has a part of it already."""
        go_on = asyncio.Event()

        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await plane.mail.receive(reader)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab")
            await go_on.wait()
            writer.write(b"cd")
            await reader.read()

        plane.mail.script = script
        old = await plane.phone()
        old.writer.write(post(query=PING))
        assert await old.reader.readuntil(b"ab")
        plane.mail.script = plane.mail.echo
        assert (await (await plane.phone()).ask(post(query=PING))).status == 200
        go_on.set()
        assert await old.reader.readexactly(2) == b"cd"
        assert plane.counters.pings_ended == 0


class TestBodies:
    """How large a body may be, by its command."""

    @pytest.mark.parametrize("command", ["SendMail", "SmartReply", "SmartForward", "Sync"])
    async def test_what_carries_mail_may_be_large(self, pki: Pki, command: str) -> None:
        """Up to limits.body_bytes."""
        async with bed(pki, limits={"small_body_bytes": 1024, "body_bytes": 4096}) as plane:
            query = PING.replace("Ping", command)
            phone = await plane.phone()
            assert (await phone.ask(post(b"x" * 4096, query=query))).status == 200
            assert (await phone.ask(post(b"x" * 4097, query=query))).status == 413

    async def test_other_paths_may_carry_mail(self, pki: Pki) -> None:
        """A mail program at /EWS sends attachments, too: limits.body_bytes."""
        limits = {"small_body_bytes": 1024, "body_bytes": 4096}
        async with bed(pki, limits=limits, eas={"allowed_paths": ["/EWS"]}) as plane:
            phone = await plane.phone()
            raw = [post(b"x" * size, query=PING) for size in (4096, 4097)]
            fits, too_large = (
                one.replace(b"/Microsoft-Server-ActiveSync?", b"/EWS/Exchange.asmx?") for one in raw
            )
            assert (await phone.ask(fits)).status == 200
            assert (await phone.ask(too_large)).status == 413
            detail = "the body of /EWS is larger than 4096 bytes (limits.body_bytes)"
            assert plane.log()[-1]["detail"] == detail

    async def test_any_other_may_not(self, pki: Pki) -> None:
        """413 at once, or in the middle where no length was said; the log names the key."""
        async with bed(pki, limits={"small_body_bytes": 1024}) as plane:
            phone = await plane.phone()
            for size in (10, 1024):
                assert (await phone.ask(post(b"x" * size, query=PING))).status == 200
            assert (await phone.ask(post(b"x" * 1025, query=PING))).status == 413
            assert await phone.ended() == b""
            head = post(headers="Transfer-Encoding: chunked\r\n", query=PING, length=False)
            phone = await plane.phone()
            assert (await phone.ask(head + b"401\r\n" + b"x" * 1025 + b"\r\n")).status == 413
            for line in plane.log():
                assert line["detail"] == (
                    "the body of Ping is larger than 1024 bytes (limits.small_body_bytes)"
                )


async def _come(plane: Bed) -> Phone | None:
    """A phone, if it is let in."""
    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
        phone = await plane.phone()
        if (await phone.ask(post())).status == 200:
            return phone
    return None


def _refused(plane: Bed, cause: str) -> Callable[[], bool]:
    return lambda: plane.counters.connections_refused[cause] == 1


class TestConnections:
    """How many connections there may be."""

    async def test_of_one_certificate(self, pki: Pki) -> None:
        """One too many is closed after its handshake; another phone comes in."""
        async with bed(pki, limits={"connections_certificate": 2}) as plane:
            first, second = await _come(plane), await _come(plane)
            assert first is not None
            assert second is not None
            assert await _come(plane) is None
            await eventually(_refused(plane, "certificate"))
            bob = await plane.phone(pki.bob)
            query = PING.replace("alice", "bob")
            assert (await bob.ask(post(query=query))).status == 200
            first.close()
            await eventually(lambda: len(plane.connections) == 2)
            assert await _come(plane) is not None

    async def test_of_one_address(self, pki: Pki) -> None:
        """One too many is closed before its handshake; one that ends makes room."""
        async with bed(pki, limits={"connections_address": 1}) as plane:
            first = await _come(plane)
            assert first is not None
            assert await _come(plane) is None
            await eventually(_refused(plane, "address"))
            assert plane.counters.handshakes["ok"] == 1
            (line,) = [line for line in plane.log() if line["event"] == "connection.refused"]
            assert "limits.connections_address" in line["detail"]
            first.close()
            await eventually(lambda: not plane.connections)
            assert await _come(plane) is not None

    async def test_an_address_that_is_flooded_from_costs_one_line_a_second(self, pki: Pki) -> None:
        """All are counted."""
        async with bed(pki, limits={"connections_address": 1}) as plane:
            assert await _come(plane) is not None
            for _ in range(20):
                assert await _come(plane) is None
            await eventually(lambda: plane.counters.connections_refused["address"] == 20)
            lines = [line for line in plane.log() if line["event"] == "connection.refused"]
            assert len(lines) < 20


class TestShedding:
    """A worker that has too much to do."""

    async def test_the_unknown_wait_and_the_known_come(self, pki: Pki) -> None:
        """By their address and certificate, and whether the worker has calmed down."""
        limits = {"shed_handshakes": 1}
        async with bed(pki, limits=limits) as plane:
            known = await _come(plane)
            assert known is not None
            _, stuck = await asyncio.open_connection("127.0.0.1", plane.port)
            await eventually(lambda: len(plane.connections) == 2)
            plane.node_limits.tick()
            assert plane.counters.shedding
            assert [line["event"] for line in plane.log()] == ["overload.began"]
            assert await _come(plane) is not None
            with contextlib.suppress(OSError):
                await (await plane.phone(pki.bob)).ended()
            await eventually(_refused(plane, "overload"))
            stuck.close()

    async def test_an_unknown_address_is_refused_before_its_handshake(self, pki: Pki) -> None:
        """Unless it shows a ticket; the certificate of a phone that roams is known."""
        async with bed(pki, limits={"shed_handshakes": 1}) as plane:
            _, stuck = await asyncio.open_connection("127.0.0.1", plane.port)
            await eventually(lambda: len(plane.connections) == 1)
            plane.node_limits.tick()
            assert await _come(plane) is None
            await eventually(_refused(plane, "overload"))
            assert plane.counters.handshakes["ok"] == 0
            stuck.close()

    async def test_a_phone_that_resumes_comes_from_an_unknown_address(self, pki: Pki) -> None:
        """Its ticket says that it was there before, whoever knows it."""
        async with bed(pki, limits={"shed_handshakes": 1}) as plane:
            alice = Resuming(pki, ssl.TLSVersion.TLSv1_3)
            assert (await alice.ask(plane, post())).status == 200
            await eventually(lambda: not plane.connections)
            arrivals = plane.node_limits.arrivals
            arrivals.counts.sweep(time.monotonic() + 7200)  # two hours later
            assert len(arrivals.counts) == 0
            _, stuck = await asyncio.open_connection("127.0.0.1", plane.port)
            await eventually(lambda: len(plane.connections) == 1)
            plane.node_limits.tick()
            assert (await alice.ask(plane, post())).status == 200
            assert alice.resumed()
            assert plane.counters.connections_refused["overload"] == 0
            stuck.close()
