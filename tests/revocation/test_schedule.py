"""When CRLs are asked for, with a real engine and a real server."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.config import Revocation as Settings
from gateway.core.authority import Authority, CrlSource
from gateway.pki.authority import CertificateAuthority
from gateway.revocation.engine import RevocationEngine
from gateway.revocation.report import RefreshResult
from gateway.revocation.schedule import RefreshSchedule
from gateway.tasks import Tasks
from tests.core.crl_samples import authority_of
from tests.revocation.crl_server import CrlServer

CA = CertificateAuthority.root("Issuing CA")
OTHER = CertificateAuthority.root("Other CA")
SETTINGS = Settings(crl_refresh_seconds=1000, download_timeout_seconds=5)


class Bench:
    """A schedule that runs, the list it follows, and the results as they come."""

    def __init__(self, folder: Path, authorities: list[Authority]) -> None:
        self.authorities = authorities
        self.results: asyncio.Queue[RefreshResult] = asyncio.Queue()
        self.schedule = RefreshSchedule(
            RevocationEngine(folder, SETTINGS),
            SETTINGS,
            lambda: self.authorities,
            refreshed=self.results.put_nowait,
        )

    async def next(self) -> RefreshResult:
        """The next result; fails rather than hangs."""
        async with asyncio.timeout(10):
            return await self.results.get()


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Callable[[list[Authority]], Bench]]:
    """Starts a bench; ends it after the test."""
    tasks = Tasks()

    def start_one(authorities: list[Authority]) -> Bench:
        bench = Bench(tmp_path, authorities)
        tasks.spawn(bench.schedule.run(), name="schedule")
        return bench

    yield start_one
    await tasks.close()


Start = Callable[[list[Authority]], Bench]


def crl(ca: CertificateAuthority = CA) -> bytes:
    """A CRL of now."""
    return ca.sign_crl().public_bytes(Encoding.DER)


async def test_every_authority_is_refreshed_at_once(server: CrlServer, start: Start) -> None:
    """And then not again before its time."""
    server.files |= {"/a.crl": crl(), "/b.crl": crl(OTHER)}
    bench = start(
        [authority_of(CA, f"{server.url}/a.crl"), authority_of(OTHER, f"{server.url}/b.crl")]
    )
    results = [await bench.next(), await bench.next()]
    assert {one.authority_id for one in results} == {one.id for one in bench.authorities}
    assert all(one.ok for one in results)
    bench.schedule.request(bench.authorities[0].id)
    assert (await bench.next()).authority_id == bench.authorities[0].id
    assert sorted(server.requests) == ["/a.crl", "/a.crl", "/b.crl"]


async def test_changes_of_the_list_are_followed(server: CrlServer, start: Start) -> None:
    """A new authority and a new URL are refreshed at once; one without a URL is left alone."""
    server.files |= {"/a.crl": crl(), "/b.crl": crl(OTHER)}
    bench = start([authority_of(OTHER, None)])
    bench.authorities = [authority_of(CA, f"{server.url}/none.crl")]
    bench.schedule.request()
    first = await bench.next()
    assert not first.ok
    bench.authorities = [authority_of(CA, f"{server.url}/a.crl")]
    bench.schedule.request("nobody")
    assert (await bench.next()).ok
    assert server.requests == ["/none.crl", "/a.crl"]


async def test_a_request_during_a_refresh_brings_another(server: CrlServer, start: Start) -> None:
    """What is published while a refresh is under way is not missed."""
    asked, published = asyncio.Event(), asyncio.Event()
    old, new = crl(), crl()

    async def slow(request: web.Request) -> web.StreamResponse:
        asked.set()
        await published.wait()
        return web.Response(body=old)

    server.handlers["/a.crl"] = slow
    authority = authority_of(CA, f"{server.url}/a.crl")
    bench = start([authority])
    await asked.wait()
    bench.schedule.request(authority.id)
    del server.handlers["/a.crl"]
    server.files["/a.crl"] = new
    published.set()
    assert [(await bench.next()).ok for _ in range(2)] == [True, True]
    assert server.requests == ["/a.crl", "/a.crl"]


async def test_a_url_that_cas_share_is_asked_once(server: CrlServer, start: Start) -> None:
    """Together at the start, and together again when one of them is asked for."""
    server.files["/a.crl"] = crl()
    shared = f"{server.url}/a.crl"
    other = replace(authority_of(OTHER, None), sources=(CrlSource(shared),))
    bench = start([authority_of(CA, shared), other])
    first = {one.authority_id: one.ok for one in (await bench.next(), await bench.next())}
    assert first == {bench.authorities[0].id: True, other.id: False}
    assert server.requests == ["/a.crl"]


def await_empty(folder: Path, pattern: str) -> None:
    """Wait until no file of `folder` fits `pattern`; fails rather than hangs."""
    deadline = time.monotonic() + 10
    while sorted(folder.glob(pattern)):
        assert time.monotonic() < deadline
        time.sleep(0.01)


async def test_a_ca_that_is_gone_is_forgotten(
    server: CrlServer, start: Start, tmp_path: Path
) -> None:
    """Its files go; those of the others stay."""
    server.files |= {"/a.crl": crl(), "/b.crl": crl(OTHER)}
    authorities = [
        authority_of(CA, f"{server.url}/a.crl"),
        authority_of(OTHER, f"{server.url}/b.crl"),
    ]
    bench = start(authorities)
    await bench.next()
    await bench.next()
    bench.authorities = authorities[1:]
    bench.schedule.request("nobody")
    await asyncio.to_thread(await_empty, tmp_path, f"*{authorities[0].id}*")
    assert len(sorted(tmp_path.glob(f"{authorities[1].id}*"))) == 3  # noqa: ASYNC240 (a test)


@asynccontextmanager
async def idle_schedule(folder: Path) -> AsyncIterator[RefreshSchedule]:
    """A schedule that does not run, for its arithmetic."""
    yield RefreshSchedule(RevocationEngine(folder, SETTINGS), SETTINGS, list)


async def test_the_next_refresh_comes_within_the_interval(tmp_path: Path) -> None:
    """With some jitter, never later."""
    async with idle_schedule(tmp_path) as schedule:
        result = RefreshResult("a", ok=True, not_modified=False, detail="")
        delays = {schedule._delay(result, 0) for _ in range(100)}
        assert 800 <= min(delays) < max(delays) <= 1000


@pytest.mark.parametrize(
    ("failures", "longest"), [(1, 5), (2, 10), (5, 80), (8, 640), (9, 1000), (5000, 1000)]
)
async def test_failures_are_followed_by_longer_and_longer_pauses(
    tmp_path: Path, failures: int, longest: float
) -> None:
    """Doubling from five seconds, and never past the interval."""
    async with idle_schedule(tmp_path) as schedule:
        result = RefreshResult("a", ok=False, not_modified=True, detail="")
        delays = [schedule._delay(result, failures) for _ in range(50)]
        assert 0.8 * longest <= min(delays)
        assert max(delays) <= longest


@pytest.mark.parametrize(
    ("next_update", "next_publish", "earliest", "latest"),
    [
        (300, None, 240, 270),
        (20, None, 21, 25),
        (-20, None, 800, 1000),
        (900_000, 100, 101, 105),
        (300, 100, 101, 105),
    ],
)
async def test_the_moments_that_a_ca_names_are_kept(
    tmp_path: Path,
    next_update: float,
    next_publish: float | None,
    earliest: float,
    latest: float,
) -> None:
    """Before nextUpdate, right after it if nothing newer was there, and at Next CRL Publish.

    None of them to the second, so that not every gateway asks at that moment.
    """
    now = datetime.now(UTC)
    result = RefreshResult(
        "a",
        ok=True,
        not_modified=False,
        detail="",
        next_update=now + timedelta(seconds=next_update),
        next_publish=None if next_publish is None else now + timedelta(seconds=next_publish),
    )
    async with idle_schedule(tmp_path) as schedule:
        delays = [schedule._delay(result, 0) for _ in range(50)]
    assert earliest - 1 <= min(delays) < max(delays) <= latest
