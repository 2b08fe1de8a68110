"""The supervisor keeps its processes alive, ends them in order, and never leaves them behind."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import pytest

from gateway.config import Admin, Config, Listen
from gateway.errors import ConfigError
from gateway.runtime.listeners import Listeners
from gateway.runtime.supervisor import worker_count

_SECONDS = 60
Line = dict[str, Any]


class Supervised:
    """A running supervisor and what its children said so far."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.said: list[Line] = []

    async def until(self, wanted: Callable[[Line], bool], times: int = 1) -> list[Line]:
        """The first `times` lines that `wanted` is true of; reads on as needed."""
        async with asyncio.timeout(_SECONDS):
            while len(found := [line for line in self.said if wanted(line)]) < times:
                assert await self._read(), f"the supervisor ended; before that: {self.said}"
        return found[:times]

    async def up(self, *names: str) -> dict[str, Line]:
        """Wait until each of these processes has come up once more often than was seen."""
        wanted = set(names or ("control", "worker-1", "worker-2"))
        seen = len(self.said)
        found: dict[str, Line] = {}
        async with asyncio.timeout(_SECONDS):
            while set(found) != wanted:
                assert await self._read(), f"the supervisor ended; before that: {self.said}"
                found = {x["name"]: x for x in self.said[seen:] if x["event"] == "up"}
        return found

    async def end(self) -> int:
        """Wait for its end; its exit code."""
        async with asyncio.timeout(_SECONDS):
            while await self._read():
                pass
            return await self.process.wait()

    async def _read(self) -> bool:
        assert self.process.stdout is not None
        line = await self.process.stdout.readline()
        if line:
            self.said.append(json.loads(line))
        return bool(line)


@contextlib.asynccontextmanager
async def supervised(
    *,
    worker: str = "steady",
    control: str = "steady",
    drain_seconds: float = 30,
    environment: Mapping[str, str] | None = None,
) -> AsyncIterator[Supervised]:
    """A supervisor over two workers; nothing of it is left afterwards."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.runtime.supervise",
        worker,
        control,
        str(drain_seconds),
        stdout=PIPE,
        env=os.environ | dict(environment or {}),
    )
    running = Supervised(process)
    try:
        yield running
    finally:
        if process.returncode is None:
            process.terminate()
        await running.end()  # its output ends when the last child is gone


def _says(event: str, **values: object) -> Callable[[Line], bool]:
    wanted = {"event": event, **values}
    return lambda line: wanted.items() <= line.items()


async def test_processes_get_their_sockets_and_the_configuration() -> None:
    """Workers share one listening socket, control has the admin's, and each knows its place."""
    async with supervised() as running:
        up = await running.up()
        assert up["worker-1"]["port"] == up["worker-2"]["port"] != up["control"]["port"]
        assert {line["file"] for line in up.values()} == {'"""A supervisor over'}
        assert {line["workers"] for line in up.values()} == {2}
        _, writer = await asyncio.open_connection("127.0.0.1", up["worker-1"]["port"])
        writer.close()
        await writer.wait_closed()


async def test_what_workers_send_reaches_control() -> None:
    """The telemetry channel joins the processes."""
    async with supervised() as running:
        messages = await running.until(
            lambda line: line["event"] == "message" and line["message"]["kind"] == "hello", 2
        )
        assert {line["message"]["from"] for line in messages} == {"worker-1", "worker-2"}


async def test_a_killed_worker_is_replaced_and_counted() -> None:
    """SIGKILL of a worker costs its connections and nothing else; the metrics can tell."""
    async with supervised() as running:
        before = await running.up()
        os.kill(before["worker-1"]["pid"], signal.SIGKILL)
        after = await running.up("worker-1")
        assert after["worker-1"]["pid"] != before["worker-1"]["pid"]
        assert after["worker-1"]["port"] == before["worker-1"]["port"]
        [line] = await running.until(
            lambda line: (
                line["event"] == "message"
                and line["message"].get("restarts", {}).get("worker-1") == 1
            )
        )
        assert line["message"]["restarts"] == {"control": 0, "worker-1": 1, "worker-2": 0}


async def test_a_killed_control_process_is_replaced_and_reads_on() -> None:
    """The new control process hears from the supervisor what happened before it."""
    async with supervised() as running:
        before = await running.up()
        os.kill(before["control"]["pid"], signal.SIGKILL)
        after = await running.up("control")
        await running.until(
            lambda line: (
                line["pid"] == after["control"]["pid"]
                and line["event"] == "message"
                and line["message"].get("restarts", {}).get("control") == 1
            )
        )


async def test_processes_that_fail_at_once_are_started_again() -> None:
    """The first restart is immediate, the next one follows the back-off."""
    async with supervised(worker="failing") as running:
        await running.until(_says("up", name="worker-1"), 3)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_workers_first_and_control_last(number: signal.Signals) -> None:
    """Control hears the last word of every worker; the end is clean and the exit code 0."""
    async with supervised() as running:
        await running.up()
        running.process.send_signal(number)
        assert await running.end() == 0
        ended = [line["name"] for line in running.said if line["event"] == "terminated"]
        assert sorted(ended[:2]) == ["worker-1", "worker-2"]
        assert ended[2:] == ["control"]


async def test_a_worker_that_does_not_end_is_killed_after_the_drain_time() -> None:
    """The end comes in bounded time; the exit code tells that it was not clean."""
    async with supervised(worker="stubborn", drain_seconds=0.2) as running:
        await running.up()
        running.process.terminate()
        assert await running.end() == 1


async def test_a_second_signal_does_not_wait() -> None:
    """An administrator in a hurry presses Ctrl-C twice."""
    async with supervised(worker="stubborn", drain_seconds=3600) as running:
        await running.up()
        running.process.send_signal(signal.SIGINT)
        await running.until(_says("terminated"), 2)
        running.process.send_signal(signal.SIGINT)
        assert await running.end() == 1


@pytest.mark.parametrize("part", ["watch", "keep"])
async def test_a_part_of_it_that_fails_ends_it(part: str) -> None:
    """Half of it would go unnoticed; its exit code has it started again."""
    async with supervised(environment={"BREAK": part}) as running:
        assert await running.end() == 1


async def test_a_reload_that_breaks_is_one_that_failed() -> None:
    """It is told to control, nothing ends, and the next one is tried."""
    async with supervised(environment={"BREAK": "reload"}) as running:
        await running.up()
        for times in (1, 2):
            running.process.send_signal(signal.SIGHUP)
            await running.until(lambda line: _reload(line) is False, times)
        assert running.process.returncode is None


def _reload(line: Line) -> bool | None:
    """Whether the last reload succeeded, if a line says that."""
    message = line.get("message", {})
    return message["succeeded"] if message.get("kind") == "reload" else None


async def test_no_process_outlives_the_supervisor() -> None:
    """SIGKILL of the supervisor ends all its children by the lifeline, even stubborn ones."""
    async with supervised(worker="stubborn") as running:
        await running.up()
        running.process.kill()
        assert await running.end() == -signal.SIGKILL
        alone = {line["name"] for line in running.said if line["event"] == "alone"}
        assert alone == {"control", "worker-1", "worker-2"}


def _config(listen: int, admin: int) -> Config:
    return Config(listen=Listen(address="127.0.0.1", port=listen), admin=Admin(port=admin))


def test_both_ports_are_found_in_use_before_anything_starts() -> None:
    """The error names the table of the port, and no socket is left open."""
    first = Listeners.open(_config(0, 0))
    phones, admin = first.phones.getsockname()[1], first.admin.getsockname()[1]
    with pytest.raises(ConfigError, match=r"change listen\.port"):
        Listeners.open(_config(phones, 0))
    with pytest.raises(ConfigError, match=r"change admin\.port"):
        Listeners.open(_config(0, admin))
    first.close()
    Listeners.open(_config(phones, admin)).close()


def test_workers_are_one_a_core_unless_configured() -> None:
    """listen.workers = 0 means as many as this process may use."""
    assert worker_count(Config(listen=Listen(workers=3))) == 3
    assert worker_count(Config()) == len(os.sched_getaffinity(0))
