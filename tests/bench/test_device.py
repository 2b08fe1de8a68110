"""A simulated device with a real gateway's data plane and the simulated mail server behind it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from random import Random
from typing import Any

from bench import mail_server
from bench.device import Device, Surroundings
from bench.fleet_phone import client_context, read_key
from bench.habits import Habits
from bench.seen import Seen
from gateway.tasks import Tasks
from tests.blackbox.bed import free_ports
from tests.helpers import Pki
from tests.proxy.bed import Bed, bed, eventually

NEVER = 1e9


@contextlib.asynccontextmanager
async def _mail(seconds: float) -> AsyncIterator[tuple[str, set[asyncio.TimerHandle]]]:
    """A mail server with mail for everybody after so long; its URL, and the Pings that it holds."""
    held: set[asyncio.TimerHandle] = set()
    made: list[mail_server.Connection] = []

    def connection() -> mail_server.Connection:
        made.append(mail_server.Connection(held, seconds))
        return made[-1]

    server = await asyncio.get_running_loop().create_server(connection, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", held
        await eventually(lambda: all(one._transport is None for one in made))


@contextlib.asynccontextmanager
async def _living(plane: Bed, **habits: Any) -> AsyncIterator[Seen]:
    """Alice's device while the block runs; what it sees."""
    seen = Seen(asyncio.get_running_loop().time(), 60.0)
    around = Surroundings(
        port=plane.port,
        address="127.0.0.1",
        ramp=0.0,
        context=client_context(str(plane.pki.root_pem)),
        key=read_key(str(plane.pki.alice.key)),
        gate=asyncio.Semaphore(1),
        habits=Habits(**({"network_change": NEVER} | habits)),
        seen=seen,
    )
    device = Device(around, "SIM1", "alice@example.test", plane.pki.alice.certificate, Random(1))
    tasks = Tasks()
    task = tasks.spawn(device.live(), name="device")
    try:
        yield seen
        assert not task.done()
    finally:
        await tasks.close()
        await eventually(lambda: not plane.connections)


async def test_mail_leads_to_syncs(pki: Pki) -> None:
    """FolderSync once, a Sync, then Ping after Ping, with Syncs after each that tells of mail."""
    async with (
        _mail(0.001) as (url, _),
        bed(pki, url=url) as plane,
        _living(plane, pace=1000) as seen,
    ):
        await eventually(lambda: seen.outcomes["told of mail"] >= 5)
        await eventually(lambda: seen.total("Sync") >= 6)
        assert seen.total("FolderSync") == 1
        assert seen.latencies["full handshake"].count == 1
        assert not seen.errors
        assert not seen.reconnects


async def test_a_ping_without_mail_lasts_its_heartbeat(pki: Pki) -> None:
    """How late it was answered is known, as the mail server answers when it is over."""
    async with (
        _mail(NEVER) as (url, held),
        bed(pki, url=url) as plane,
        _living(plane, pace=480) as seen,
    ):
        await eventually(lambda: seen.held == len(held) == 1)
        await eventually(lambda: seen.outcomes["nothing new"] >= 1)
        assert seen.latencies["Ping"].count >= 1
        assert seen.latencies["Ping"].longest < 5
        assert not seen.errors


async def test_a_network_change_tells_the_server_nothing(pki: Pki) -> None:
    """It is no error: the device is there again on a new connection, which resumes TLS."""
    async with (
        _mail(NEVER) as (url, _),
        bed(pki, url=url) as plane,
        _living(plane, pace=1, network_change=0.3, lingering=NEVER) as seen,
    ):
        await eventually(lambda: seen.reconnects["network change"] >= 3)
        await eventually(lambda: seen.latencies["resumption"].count >= 2)
        assert not seen.errors
        assert len(plane.connections) <= 3
        assert seen.total("FolderSync") == 1


async def test_who_is_refused_does_not_ask_on(pki: Pki) -> None:
    """A 403 is told once, and the next attempt is minutes away."""
    async with _mail(NEVER) as (url, _), bed(pki, url=url) as plane:
        plane.crls.revoked.add(pki.alice.serial_number)
        plane.changed()
        async with _living(plane, pace=1) as seen:
            await eventually(lambda: seen.reconnects["refused"] == 1)
            assert seen.errors == {"answered 403": 1}
            await eventually(lambda: not plane.connections)


async def test_retry_after_is_taken_from_the_answer(pki: Pki) -> None:
    """At a pace at which every other wait would be over at once."""
    async with _mail(NEVER) as (url, _), bed(pki, url=url) as plane:
        plane.crls.known = False
        plane.changed()
        async with _living(plane, pace=1_000_000) as seen:
            await eventually(lambda: seen.reconnects["refused"] == 1)
            await eventually(lambda: not plane.connections)
            assert seen.errors == {"answered 503": 1}


async def test_nobody_listens(pki: Pki) -> None:
    """It is told each time, and tried again."""
    async with bed(pki) as plane:
        (plane.port,) = free_ports(1)
        async with _living(plane, pace=100_000) as seen:
            await eventually(lambda: seen.errors.total() >= 3)
            assert all(kind.startswith("no connection: ") for kind in seen.errors)


async def test_a_cut_ping_is_asked_again_on_a_new_connection(pki: Pki) -> None:
    """As when a gateway is killed: the first attempt is made at once."""
    async with (
        _mail(NEVER) as (url, held),
        bed(pki, url=url) as plane,
        _living(plane, pace=1) as seen,
    ):
        await eventually(lambda: len(held) == 1)
        (connection,) = plane.connections
        connection.abort()
        await eventually(lambda: seen.reconnects["lost"] == 1 and len(held) == 1)
        assert seen.errors == {"closed without an answer": 1}
