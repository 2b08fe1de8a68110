"""The channel keeps whole messages in order, and says when it cannot take one."""

import asyncio
import socket
from typing import Any

import pytest

from gateway.telemetry.channel import (
    LARGEST_MESSAGE,
    MOST_WAITING,
    PatientSender,
    Receiver,
    Sender,
    open_channel,
)


def _ends() -> tuple[Receiver, Sender]:
    reading, writing = open_channel()
    return Receiver(reading.detach()), Sender(writing.detach())


async def _all_of(receiver: Receiver) -> list[dict[str, Any]]:
    return [message async for message in receiver]


async def test_messages_arrive_whole_and_in_order() -> None:
    """What one worker sent before another message is received before it."""
    receiver, sender = _ends()
    assert all(sender.send({"kind": "audit", "n": n}) for n in range(100))
    sender.close()
    assert await _all_of(receiver) == [{"kind": "audit", "n": n} for n in range(100)]
    receiver.close()


async def test_two_senders_share_one_pipe() -> None:
    """Workers inherit the same descriptor; their messages do not mix."""
    reading, writing = open_channel()
    receiver, first, second = Receiver(reading.detach()), Sender(writing.fileno()), None
    second = Sender(writing.dup().detach())
    writing.detach()
    for n in range(50):
        first.send({"from": 1, "n": n})
        second.send({"from": 2, "n": n})
    first.close()
    second.close()
    messages = await _all_of(receiver)
    assert [m["n"] for m in messages if m["from"] == 1] == list(range(50))
    assert [m["n"] for m in messages if m["from"] == 2] == list(range(50))
    receiver.close()


async def test_a_full_pipe_refuses_and_counts() -> None:
    """A slow control process costs audit records, which are counted, and never blocks a worker."""
    receiver, sender = _ends()
    accepted = 0
    for n in range(100_000):
        if not sender.send({"n": n}):
            break
        accepted += 1
    assert not sender.send({"n": -1})
    assert sender.dropped == 2
    sender.close()
    assert await _all_of(receiver) == [{"n": n} for n in range(accepted)]
    receiver.close()


async def test_the_largest_message_passes_and_a_larger_one_is_refused() -> None:
    """A message is whole or not sent at all."""
    receiver, sender = _ends()
    envelope = len('{"text":""}')
    assert sender.send({"text": "x" * (LARGEST_MESSAGE - envelope)})
    assert not sender.send({"text": "x" * (LARGEST_MESSAGE - envelope + 1)})
    assert sender.dropped == 1
    sender.close()
    [message] = await _all_of(receiver)
    assert len(message["text"]) == LARGEST_MESSAGE - envelope
    receiver.close()


async def test_what_waits_outlives_the_receiver() -> None:
    """The control process dies and another one reads on, as the supervisor holds the pipe."""
    reading, writing = open_channel()
    sender = Sender(writing.detach())
    sender.send({"n": 1})
    sender.send({"n": 2})
    first = Receiver(reading.dup().detach())
    async for message in first:
        assert message == {"n": 1}
        break
    first.close()
    sender.close()
    second = Receiver(reading.detach())
    assert await _all_of(second) == [{"n": 2}]
    second.close()


@pytest.mark.parametrize("garbage", [b"\xff\xfe", b"{", b"[1]", b"1", b"[" * 60_000])
async def test_garbage_is_passed_over_and_counted(garbage: bytes) -> None:
    """A message that is no JSON object stops nothing."""
    reading, writing = open_channel()
    writing.send(garbage)
    receiver, sender = Receiver(reading.detach()), Sender(writing.detach())
    sender.send({"n": 1})
    sender.close()
    assert await _all_of(receiver) == [{"n": 1}]
    assert receiver.malformed == 1
    receiver.close()


async def test_a_flood_leaves_time_for_others() -> None:
    """The control process answers its health check while audit records pour in."""
    receiver, sender = _ends()
    while sender.send({}):
        pass
    turns: list[str] = []
    asyncio.get_running_loop().call_soon(turns.append, "another")
    async for _ in receiver:
        turns.append("message")
        if len(turns) > 250:
            break
    assert "another" in turns
    receiver.close()
    sender.close()


def test_what_waits_can_be_read_without_a_loop() -> None:
    """At the end the control process takes what is there, and does not wait for more."""
    receiver, sender = _ends()
    sender.send({"n": 1})
    sender.send({"n": 2})
    assert list(receiver.pending()) == [{"n": 1}, {"n": 2}]
    assert list(receiver.pending()) == []
    receiver.close()
    sender.close()


def test_sending_to_nobody_is_refused() -> None:
    """A worker whose supervisor is gone goes on until it notices by its lifeline."""
    reading, writing = open_channel()
    reading.close()
    sender = Sender(writing.detach())
    assert not sender.send({"n": 1})
    sender.close()


def test_neither_end_blocks() -> None:
    """A worker's event loop never waits for the control process."""
    for end in open_channel():
        assert end.type == socket.SOCK_SEQPACKET
        assert not end.getblocking()
        end.close()


async def test_a_burst_waits_for_room_and_comes_whole_and_in_order() -> None:
    """A change that cuts thousands of phones off leaves a record of each."""
    reading, writing = open_channel()
    writing.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16 * 1024)
    receiver, sender = Receiver(reading.detach()), PatientSender(writing.detach())
    assert all(sender.send({"n": n}) for n in range(3000))
    received = []
    async for message in receiver:
        received.append(message["n"])
        if len(received) == 3000:
            break
    assert received == list(range(3000))
    await asyncio.wait_for(sender.drain(), 10)
    assert sender.dropped == 0
    assert sender.send({"n": "after"})
    sender.close()
    receiver.close()


async def test_what_waits_is_bounded() -> None:
    """A control process that hangs costs records, which are counted, and no more memory."""
    reading, writing = open_channel()
    writing.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16 * 1024)
    sender = PatientSender(writing.detach())
    count = 0
    while sender.send({"n": count}):
        count += 1
    assert count >= MOST_WAITING
    assert sender.dropped == 1
    reading.close()
    await asyncio.wait_for(sender.drain(), 10)
    assert sender.dropped == 1 + MOST_WAITING
    assert not sender.send({"n": "nobody"})
    sender.close()
