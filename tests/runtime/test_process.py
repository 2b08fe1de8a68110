"""A child reads exactly what its supervisor told it, and notices when that is gone."""

import asyncio
import os

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
