"""What processes say of themselves reaches the supervisor, and grows old."""

import asyncio
import os

from gateway.runtime.status import FRESH_SECONDS, Statuses, StatusSender
from gateway.telemetry.channel import Receiver, open_channel


class _Channel:
    """Both ends of the processes' channel."""

    def __init__(self) -> None:
        self.now = 100.0
        self.statuses = Statuses(lambda: self.now)
        reading, writing = open_channel()
        self._receiver = Receiver(reading.detach())
        self.sender = StatusSender(writing.detach(), "worker-1", 1)

    def pass_on(self) -> None:
        """What was said is heard."""
        for message in self._receiver.pending():
            self.statuses.receive(message)

    def close(self) -> None:
        """Close both."""
        self._receiver.close()
        self.sender._sender.close()


async def test_a_report_is_of_one_process_and_fresh_for_some_seconds() -> None:
    """A new process of the same name has to say something itself."""
    channel = _Channel()
    channel.sender.report()
    channel.pass_on()
    await asyncio.wait_for(channel.statuses.news.wait(), 5)
    status = channel.statuses.of("worker-1", os.getpid())
    assert status is not None
    assert status.generation == 1
    assert channel.statuses.of("worker-1", os.getpid() + 1) is None
    assert channel.statuses.of("worker-1", None) is None
    assert channel.statuses.of("worker-2", os.getpid()) is None
    channel.now += FRESH_SECONDS + 0.1
    assert channel.statuses.of("worker-1", os.getpid()) is None
    channel.close()


async def test_settings_are_taken_or_refused() -> None:
    """A refusal is a sentence, until settings are taken again."""
    channel = _Channel()
    channel.sender.refuse(2, "no memory")
    channel.pass_on()
    assert channel.statuses.refusals(2) == ["worker-1: no memory"]
    assert channel.statuses.refusals(1) == []
    channel.sender.took(3)
    channel.pass_on()
    status = channel.statuses.of("worker-1", os.getpid())
    assert status is not None
    assert status.generation == 3
    assert channel.statuses.refusals(2) == []
    channel.close()


def test_a_message_of_another_kind_is_passed_over() -> None:
    """It is no news."""
    statuses = Statuses(lambda: 0.0)
    statuses.receive({"name": "worker-1", "pid": "x"})
    statuses.receive({"kind": "audit"})
    assert not statuses.news.is_set()
