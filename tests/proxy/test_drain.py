"""A worker that ends answers what it owes, and tells every device that the connection ends."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from gateway.proxy import answers
from tests.helpers import Pki
from tests.proxy.bed import PING, Answer, Bed, Phone, bed, eventually, ok, post


@pytest.fixture
async def plane(pki: Pki) -> AsyncIterator[Bed]:
    """A data plane of this test alone."""
    async with bed(pki) as made:
        yield made


async def _held(plane: Bed, request: bytes) -> Phone:
    plane.mail.script = plane.mail.hold
    phone = await plane.phone()
    phone.writer.write(request)
    await eventually(lambda: len(plane.mail.requests) == 1)
    return phone


async def _drained(plane: Bed, phone: Phone) -> tuple[Answer, bytes]:
    """The last answer that the phone gets, and what comes behind it."""
    draining = asyncio.gather(plane.drain())
    answer, rest = await phone.read(), await phone.ended()
    phone.close()
    await draining
    return answer, rest


async def test_a_held_ping_ends_as_if_its_time_were_over(plane: Bed) -> None:
    """Ping Status 1 (MS-ASCMD 2.2.3.177.11) and Connection: close; the mail server is let go."""
    phone = await _held(plane, post(query=PING))
    answer, rest = await _drained(plane, phone)
    assert (answer.status, rest) == (200, b"")
    assert answer.body == bytes.fromhex("03016a00000d45470331000101")
    assert answer.get("content-type") == ["application/vnd.ms-sync.wbxml"]
    assert answer.get("connection") == ["close"]
    await plane.mail.left()
    assert plane.counters.held_requests == 0


async def test_a_held_sync_ends_without_changes(
    plane: Bed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An empty 200 (MS-ASCMD 2.2.1.21) and Connection: close."""
    monkeypatch.setattr(answers, "_HELD_SECONDS", 0.0)
    phone = await _held(plane, post())
    answer, rest = await _drained(plane, phone)
    assert (answer.status, answer.body, rest) == (200, b"", b"")
    assert answer.get("connection") == ["close"]
    await plane.mail.left()


async def test_a_young_sync_gets_its_real_answer(plane: Bed) -> None:
    """It may have changes to report; the answer says that the connection ends."""
    go = asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await plane.mail.receive(reader)
        await go.wait()
        writer.write(ok(b"changes"))

    phone = await _held(plane, post())
    plane.mail.script = script
    other = await plane.phone()
    other.writer.write(post())
    await eventually(lambda: len(plane.mail.requests) == 2)
    phone.close()
    draining = asyncio.gather(plane.drain())
    await asyncio.sleep(0)
    go.set()
    answer = await other.read()
    assert (answer.body, answer.get("connection")) == (b"changes", ["close"])
    other.close()
    await draining


async def test_a_device_that_has_just_come_is_served_once(plane: Bed) -> None:
    """Its connection before this one may have been closed by the same end of the gateway."""
    phone = await plane.phone()
    draining = asyncio.gather(plane.drain())
    await asyncio.sleep(0)
    answer = await phone.ask(post())
    assert (answer.status, answer.get("connection")) == (200, ["close"])
    assert await phone.ended() == b""
    phone.close()
    await draining


async def test_who_reads_nothing_is_not_waited_for(plane: Bed) -> None:
    """An idle device that does not close its side holds nobody up for its usual five seconds."""
    phone = await plane.phone()
    await phone.ask(post())
    phone.writer.transport.pause_reading()  # type: ignore[attr-defined]  # streams hide it
    [connection] = plane.connections
    connection.drain()
    assert connection.deadline <= time.monotonic() + 1.0
    await plane.drain()
    assert plane.connections == ()
    phone.close()
