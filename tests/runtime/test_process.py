"""A child reads exactly what its supervisor told it, and notices when that is gone."""

import asyncio
import os
import subprocess
import sys

import pytest

from gateway.runtime.process import ProcessArguments, watch_lifeline


@pytest.mark.parametrize(("number", "name"), [(0, "control"), (1, "worker-1"), (12, "worker-12")])
def test_a_process_has_a_name(number: int, name: str) -> None:
    """Logs and metrics use the same one."""
    arguments = ProcessArguments(
        settings_fd=2,
        listen_fd=3,
        channel_fd=4,
        status_fd=6,
        lifeline_fd=5,
        number=number,
        workers=12,
    )
    assert arguments.name == name
    assert arguments.descriptors == (2, 3, 4, 6, 5)


async def test_the_end_of_the_lifeline_is_noticed_once() -> None:
    """Whatever way the supervisor ended, the kernel closes its pipe."""
    reading, writing = os.pipe()
    ended = asyncio.Event()
    calls: list[str] = []

    def note() -> None:
        calls.append("ended")
        ended.set()

    watch_lifeline(reading, note)
    await asyncio.sleep(0)
    assert not calls
    os.close(writing)
    await asyncio.wait_for(ended.wait(), 5)
    await asyncio.sleep(0)
    assert calls == ["ended"]
    os.close(reading)


def test_who_is_alone_gives_way_and_is_gone() -> None:
    """Whatever it hangs in; the next gateway begins at the same time on the same CPUs."""
    script = (
        "import os, time; from gateway.runtime.process import end_alone; before = os.nice(0);"
        "end_alone(0.05); print(os.nice(0) - before, flush=True); time.sleep(3600)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (1, b"10\n")
