"""A child reads exactly what its supervisor told it, and notices when that is gone."""

import asyncio
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.runtime.process import ProcessArguments, watch_lifeline

_NUMBER = st.integers(min_value=0, max_value=10**6)


@given(
    numbers=st.tuples(_NUMBER, _NUMBER, _NUMBER, _NUMBER, _NUMBER, _NUMBER, _NUMBER),
)
def test_arguments_come_back_from_the_command_line(
    numbers: tuple[int, int, int, int, int, int, int],
) -> None:
    """The supervisor writes what the worker reads."""
    settings, listen, channel, status, lifeline, number, workers = numbers
    arguments = ProcessArguments(
        settings_fd=settings,
        listen_fd=listen,
        channel_fd=channel,
        status_fd=status,
        lifeline_fd=lifeline,
        number=number,
        workers=workers,
    )
    assert ProcessArguments.from_argv(arguments.to_argv()) == arguments


def test_a_missing_argument_ends_the_process_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    """A worker started by hand says what it lacks."""
    with pytest.raises(SystemExit) as ended:
        ProcessArguments.from_argv(["--listen-fd", "3"])
    assert ended.value.code == 2
    assert "--channel-fd" in capsys.readouterr().err


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
