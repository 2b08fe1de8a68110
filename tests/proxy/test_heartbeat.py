"""Requests that ask to be held: counted as such, kept within bounds, and not cut off."""

import asyncio
from types import MappingProxyType

import pytest

from gateway.core.wbxml import Element, decode, element, encode
from gateway.proxy.heartbeat import SyncWait
from tests.helpers import Pki
from tests.proxy.bed import PING, WAITING, Bed, Phone, bed, eventually, post

_SYNC = PING.replace("Ping", "Sync")
_PLAIN = encode(element("AirSync:Sync", element("AirSync:WindowSize", "5")))

_EAS = MappingProxyType({"minimum_heartbeat_seconds": 120, "maximum_heartbeat_seconds": 600})


def _ping(seconds: int) -> bytes:
    return encode(element("Ping:Ping", element("Ping:HeartbeatInterval", str(seconds))))


def _sync(minutes: int, *more: Element) -> bytes:
    return encode(element("AirSync:Sync", *more, element("AirSync:Wait", str(minutes))))


async def _held(plane: Bed, body: bytes, query: str = _SYNC) -> Phone:
    plane.mail.script = plane.mail.hold
    phone = await plane.phone()
    phone.writer.write(post(body, query=query))
    await eventually(lambda: len(plane.mail.requests) == 1)
    return phone


class TestCounted:
    """What counts as held."""

    @pytest.mark.parametrize(
        ("body", "query", "held"),
        [
            (WAITING, _SYNC, 1),
            (_PLAIN, _SYNC, 0),
            (b"", _SYNC, 1),
            (_ping(600), PING, 1),
            (b"", PING, 1),
            (bytes(70_000), _SYNC, 0),
        ],
    )
    async def test_by_its_body(self, plane: Bed, body: bytes, query: str, held: int) -> None:
        """A Ping, and a Sync that says so; one without a body says what the last one said."""
        await _held(plane, body, query)
        assert plane.counters.held_requests == held

    @pytest.mark.parametrize(("body", "held"), [(WAITING, 1), (_PLAIN, 0)])
    async def test_an_empty_one_as_the_last(self, plane: Bed, body: bytes, held: int) -> None:
        """On the same connection."""

        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await plane.mail.receive(reader)
            writer.write(plane.mail.answer)
            await plane.mail.hold(reader, writer)

        plane.mail.script = script
        phone = await plane.phone()
        await phone.ask(post(body, query=_SYNC))
        assert plane.counters.held_requests == 0
        phone.writer.write(post(query=_SYNC))
        await eventually(lambda: len(plane.mail.requests) == 2)
        assert plane.counters.held_requests == held

    def test_a_body_in_pieces(self) -> None:
        """It is one body."""
        wait = SyncWait()
        wait.begin()
        wait.add(WAITING[:5])
        assert wait.end(WAITING[5:])
        wait.begin()
        assert not wait.end(_PLAIN)

    def test_a_large_body(self) -> None:
        """It is not read, in however few pieces it comes."""
        wait = SyncWait()
        wait.begin()
        assert not wait.end(bytes(70_000))

    def test_a_body_that_broke_off(self) -> None:
        """It is no part of the next one."""
        wait = SyncWait()
        wait.begin()
        wait.add(b"x")
        wait.begin()
        assert wait.end(WAITING)

    async def test_one_sync_too_many(self, pki: Pki) -> None:
        """It is refused before the mail server has it; one that does not wait is served."""
        async with bed(pki, limits={"held_requests_mailbox": 1}) as plane:
            await _held(plane, WAITING)
            phone = await plane.phone()
            assert (await phone.ask(post(WAITING, query=_SYNC))).status == 503
            assert len(plane.mail.requests) == 1
            plane.mail.script = plane.mail.echo
            assert (await phone.ask(post(_PLAIN, query=_SYNC))).status == 200
            assert plane.counters.held_requests == 1


class TestBounds:
    """`minimum_heartbeat_seconds` and `maximum_heartbeat_seconds`."""

    @pytest.mark.parametrize(("asked", "allowed"), [(60, "120"), (900, "600")])
    async def test_a_ping_is_told(self, pki: Pki, asked: int, allowed: str) -> None:
        """Status 5 with the nearest interval; the mail server hears nothing."""
        async with bed(pki, eas=_EAS) as plane:
            answer = await (await plane.phone()).ask(post(_ping(asked), query=PING))
            root = decode(answer.body)
            assert root.text_at("Ping:Status") == "5"
            assert root.text_at("Ping:HeartbeatInterval") == allowed
            assert plane.mail.requests == []
            assert plane.counters.held_requests == 0

    async def test_a_sync_is_told(self, pki: Pki) -> None:
        """Status 14 with the nearest limit in minutes."""
        async with bed(pki, eas=_EAS) as plane:
            answer = await (await plane.phone()).ask(post(_sync(30), query=_SYNC))
            root = decode(answer.body)
            assert root.text_at("AirSync:Status") == "14"
            assert root.text_at("AirSync:Limit") == "10"
            assert plane.mail.requests == []

    async def test_a_sync_with_changes_goes_on_within_the_bounds(self, pki: Pki) -> None:
        """Its changes reach the mail server, which is asked for less time."""
        changes = element(
            "AirSync:Collections", element("AirSync:Collection", element("AirSync:Commands"))
        )
        async with bed(pki, eas=_EAS) as plane:
            await _held(plane, _sync(30, changes))
            (request,) = plane.mail.requests
            assert decode(request.body).text_at("AirSync:Wait") == "10"
            assert request.get("content-length") == [str(len(request.body))]
            assert plane.counters.held_requests == 1

    @pytest.mark.parametrize(
        ("query", "body"),
        [(PING, _ping(300)), (PING, b""), (_SYNC, _PLAIN), (_SYNC, b"x"), (_SYNC, bytes(70_000))],
    )
    async def test_what_is_within_them_is_the_same(self, pki: Pki, query: str, body: bytes) -> None:
        """Byte for byte, and so is what is no document or a large one."""
        async with bed(pki, eas=_EAS) as plane:
            assert (await (await plane.phone()).ask(post(body, query=query))).body == b"ok"
            assert plane.mail.requests[0].body == body


class TestTime:
    """How long an answer may take."""

    @pytest.mark.parametrize(("query", "held"), [(PING, True), (_SYNC, False)])
    async def test_what_is_held_is_not_cut(self, pki: Pki, query: str, held: bool) -> None:  # noqa: FBT001 (a parameter of the test)
        """A held request outlives a short response_timeout_seconds by far; others do not."""
        async with bed(pki, response_timeout_seconds=60) as plane:
            phone = await _held(plane, _ping(3540) if held else _PLAIN, query)
            plane.sweep(later=3541 if held else 59)
            assert plane.counters.connections_open == 1
            assert plane.counters.requests == {}
            plane.sweep(later=3601 if held else 61)
            assert (await phone.read()).status == 503
