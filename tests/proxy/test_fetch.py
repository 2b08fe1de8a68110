"""Requests of the gateway's own."""

import asyncio

import pytest

from gateway.config_upstream import Upstream
from gateway.errors import UpstreamError, UpstreamFullError
from gateway.proxy.fetch import Fetch, Fetched
from gateway.proxy.upstream import UpstreamPool
from gateway.tasks import Tasks
from tests.proxy.bed import MailServer, chunked, eventually, mail_server, ok

_HEAD = b"POST /x HTTP/1.1\r\n"


async def _fetch(
    *ports: int, body: bytes = b"", limit: int = 100, connections: int = 10
) -> Fetched | UpstreamError:
    pools = []
    for port in ports:
        url = f"http://127.0.0.1:{port}"
        settings = Upstream(name="mail", url=url, connections=connections)
        pools.append(UpstreamPool(settings, Tasks()))
        await pools[-1].resolve()
    future: asyncio.Future[Fetched | UpstreamError] = asyncio.get_running_loop().create_future()
    Fetch(pools, (_HEAD, body), limit=limit, done=future.set_result).begin()
    async with asyncio.timeout(10):
        outcome = await future
    for pool in pools:
        pool.close()
    return outcome


async def _answered(*parts: bytes, limit: int = 100) -> Fetched | UpstreamError:
    async with mail_server() as mail:
        mail.replies(*parts)
        return await _fetch(mail.port, limit=limit)


async def test_the_request_is_whole() -> None:
    """With the Host of the server and the length of the body."""
    async with mail_server() as mail:
        outcome = await _fetch(mail.port, body=b"text")
        assert isinstance(outcome, Fetched)
        assert (outcome.status, outcome.body) == (200, b"ok")
        [request] = mail.requests
        assert (request.line, request.body) == ("POST /x HTTP/1.1", b"text")
        assert request.get("host") == [f"127.0.0.1:{mail.port}"]


@pytest.mark.parametrize(
    "answer",
    [
        (ok(b"abc"),),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", chunked(b"a", b"bc")),
        (b"HTTP/1.1 200 OK\r\n\r\nab", b"c"),
    ],
)
async def test_the_answer_is_whole(answer: tuple[bytes, ...]) -> None:
    """However it ends."""
    outcome = await _answered(*answer)
    assert isinstance(outcome, Fetched)
    assert outcome.body == b"abc"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (ok(b"a" * 101), "larger than 100 bytes"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"a" * 101, "larger than 100 bytes"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", "without a whole answer"),
        (b"", "without a whole answer"),
        (b"what?\r\n\r\n", ""),
    ],
)
async def test_another_answer_is_an_error(answer: bytes, words: str) -> None:
    """Too much, too little, or none."""
    outcome = await _answered(answer)
    assert isinstance(outcome, UpstreamError)
    assert words in str(outcome)


async def test_the_next_host_is_asked() -> None:
    """Where the first cannot be reached; none can be in the end."""
    async with mail_server() as mail:
        assert isinstance(await _fetch(1, mail.port), Fetched)
    outcome = await _fetch(1, 1)
    assert isinstance(outcome, UpstreamError)
    assert "127.0.0.1:1" in str(outcome)


async def test_a_head_that_was_there_before_is_read_again() -> None:
    """A server's second answer is recognised by its bytes; it has a body all the same."""
    async with mail_server() as mail:
        settings = Upstream(name="mail", url=f"http://127.0.0.1:{mail.port}")
        pool = UpstreamPool(settings, Tasks())
        await pool.resolve()
        for body in (b"one", b"three"):
            mail.answer = ok(body)
            future: asyncio.Future[Fetched | UpstreamError] = (
                asyncio.get_running_loop().create_future()
            )
            Fetch([pool], (_HEAD, b""), limit=100, done=future.set_result).begin()
            outcome = await future
            assert isinstance(outcome, Fetched)
            assert outcome.body == body
        pool.close()


async def test_no_connection_is_left() -> None:
    """Another error than that of a host that is down: the next is not asked."""
    async with mail_server() as mail:
        mail.script = mail.hold
        settings = Upstream(name="mail", url=f"http://127.0.0.1:{mail.port}", connections=1)
        pool = UpstreamPool(settings, Tasks())
        await pool.resolve()
        held = Fetch([pool], (_HEAD, b""), limit=100, done=_never)
        held.begin()
        await eventually(lambda: len(mail.requests) == 1)
        outcomes: list[Fetched | UpstreamError] = []
        Fetch([pool, pool], (_HEAD, b""), limit=100, done=outcomes.append).begin()
        assert isinstance(outcomes[0], UpstreamFullError)
        held.cancel()
        await mail.left()


async def test_nothing_is_told_after_cancel() -> None:
    """Whether it was connected by then or not."""
    async with mail_server() as mail:
        settings = Upstream(name="mail", url=f"http://127.0.0.1:{mail.port}")
        pool = UpstreamPool(settings, Tasks())
        await pool.resolve()
        early = Fetch([pool], (_HEAD, b""), limit=100, done=_never)
        early.begin()
        early.cancel()
        await _released(pool, mail)


async def _released(pool: UpstreamPool, mail: MailServer) -> None:
    await eventually(lambda: len(pool._idle) == 1)
    assert mail.requests == []
    pool.close()


def _never(_outcome: Fetched | UpstreamError) -> None:
    raise AssertionError("it was cancelled")
