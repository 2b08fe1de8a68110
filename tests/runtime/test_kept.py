"""One process is kept, whatever becomes of it."""

import asyncio
import signal
from collections.abc import Callable

import pytest
from structlog.testing import capture_logs

from gateway.runtime.backoff import Backoff
from gateway.runtime.forking import Child, Forked, fork
from gateway.runtime.kept import KeptProcess, _how


def _for_ever() -> Child:
    def main() -> int:
        signal.pause()
        return 0

    return Forked(fork(main, (), "worker-1"))


def _full() -> Child:
    raise BlockingIOError("Resource temporarily unavailable")


def _kept(start: Callable[[], Child], started: Callable[[], None] = lambda: None) -> KeptProcess:
    return KeptProcess(name="worker-1", start=start, started=started, quiet=asyncio.Lock())


async def _keep(kept: KeptProcess) -> None:
    async with asyncio.timeout(20):
        await kept.keep()


class _EndAfter(Backoff):
    """A back-off without waits that ends `kept` at its second death."""

    def __init__(self, kept: KeptProcess) -> None:
        super().__init__()
        self._kept = kept
        self._deaths = 0

    def delay(self, uptime: float) -> float:
        """No wait."""
        self._deaths += 1
        if self._deaths == 2:
            self._kept.end()
        return 0


async def test_a_program_that_cannot_be_started_is_tried_again() -> None:
    """A full process table passes; the log says what was wrong."""
    kept = _kept(_full)
    kept._backoff = _EndAfter(kept)
    with capture_logs() as logs:
        await _keep(kept)
    assert [line["event"] for line in logs] == ["process.died", "process.died"]
    assert "cannot be started" in logs[0]["how"]
    assert not kept.killed


async def test_ended_while_it_is_being_started_it_ends() -> None:
    """SIGTERM may come at any moment."""
    kept = _kept(_for_ever)
    kept._started = kept.end
    with capture_logs() as logs:
        await _keep(kept)
    assert logs[-1] == {
        "event": "process.ended",
        "name": "worker-1",
        "how": "signal SIGTERM",
        "log_level": "info",
    }


async def test_killed_it_says_so() -> None:
    """The supervisor's exit code is made of it."""
    kept = _kept(_for_ever)
    kept._started = kept.kill
    await _keep(kept)
    assert kept.killed


async def test_each_end_is_told_before_the_next_start() -> None:
    """What a process has left behind is cleared away for the one after it."""
    happened = []

    def start() -> Child:
        happened.append("start")
        return Forked(fork(lambda: 1, (), "worker-1"))

    kept = KeptProcess(
        name="worker-1",
        start=start,
        started=lambda: None,
        quiet=asyncio.Lock(),
        ended=lambda: happened.append("end"),
    )
    kept._backoff = _EndAfter(kept)
    await _keep(kept)
    assert happened == ["start", "end"] * 2


async def test_ended_before_it_began_it_is_not_started() -> None:
    """Nothing to wait for."""
    kept = _kept(_for_ever, lambda: pytest.fail("it was started"))
    kept.end()
    await _keep(kept)
    kept.kill()
    assert not kept.killed


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (0, "exit code 0"),
        (2, "exit code 2"),
        (-signal.SIGSEGV, "signal SIGSEGV"),
        (-99, "signal 99"),
    ],
)
def test_an_end_is_put_into_words(code: int, words: str) -> None:
    """The log is read by people."""
    assert _how(code) == words
