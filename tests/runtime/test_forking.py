"""A forked process has what it needs and nothing else of the supervisor."""

import asyncio
import json
import os
import signal
import socket
import sys
from pathlib import Path

import pytest

from gateway.runtime.forking import Forked, fork


async def _said(main_fd: int, child: Forked) -> str:
    code = await asyncio.wait_for(child.wait(), 20)
    assert code == 0
    return os.read(main_fd, 65536).decode()


async def test_only_what_it_was_given_is_open() -> None:
    """Above all not the lifeline's other end, which would keep it alive."""
    reading, writing = os.pipe()
    with socket.socket() as secret:

        def main() -> int:
            fds = [int(entry.name) for entry in Path("/proc/self/fd").iterdir()]
            facts = {
                "open": [fd for fd in fds if fd > 2 and os.path.lexists(f"/proc/self/fd/{fd}")],
                "input": os.read(0, 10).decode(),
                "name": Path("/proc/self/comm").read_text().strip(),
                "group": os.getpgid(0) == os.getpid(),
                "terminable": signal.getsignal(signal.SIGTERM) is signal.SIG_DFL,
            }
            os.write(writing, json.dumps(facts).encode())
            return 0

        child = Forked(fork(main, (writing,), "worker-7"))
        facts = json.loads(await _said(reading, child))
        assert secret.fileno() not in facts["open"]
    assert facts["open"] == [writing]
    assert facts["input"] == ""
    assert facts["name"] == "worker-7"
    assert facts["group"]
    assert facts["terminable"]
    os.close(reading)
    os.close(writing)


@pytest.mark.parametrize("how", ["return", "exit", "raise"])
async def test_its_code_is_what_main_returns(how: str, capfd: pytest.CaptureFixture[str]) -> None:
    """It never goes on in the supervisor's code, whatever happens."""

    def main() -> int:
        if how == "exit":
            sys.exit(7)
        if how == "raise":
            raise RuntimeError("lost")
        return 7

    child = Forked(fork(main, (), "worker-1"))
    code = await asyncio.wait_for(child.wait(), 20)
    assert code == child.returncode == (1 if how == "raise" else 7)
    assert ("RuntimeError: lost" in capfd.readouterr().err) == (how == "raise")


async def test_a_signal_ends_it_and_is_its_code() -> None:
    """As asyncio's own processes say it; a signal to one that has ended does nothing."""

    def main() -> int:
        signal.pause()
        return 0

    child = Forked(fork(main, (), "worker-1"))
    assert child.returncode is None
    child.send_signal(signal.SIGKILL)
    assert await asyncio.wait_for(child.wait(), 20) == -signal.SIGKILL
    child.send_signal(signal.SIGKILL)


async def test_a_signal_before_it_has_settled_is_its_own() -> None:
    """SIGTERM in the first moment ends it, and the supervisor's own handler hears of none."""
    told: list[str] = []
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, told.append, "SIGTERM")

    def main() -> int:
        signal.pause()
        return 0

    try:
        for _ in range(20):
            child = Forked(fork(main, (), "worker-1"))
            child.send_signal(signal.SIGTERM)
            try:
                assert await asyncio.wait_for(child.wait(), 20) == -signal.SIGTERM
            finally:
                if child.returncode is None:
                    child.send_signal(signal.SIGKILL)
                    await child.wait()
    finally:
        loop.remove_signal_handler(signal.SIGTERM)
    assert told == []
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == set()


async def test_its_signals_are_not_blocked() -> None:
    """Nor are those of what it starts in its turn."""

    def main() -> int:
        return len(signal.pthread_sigmask(signal.SIG_BLOCK, ()))

    assert await asyncio.wait_for(Forked(fork(main, (), "worker-1")).wait(), 20) == 0
