"""A process that the supervisor keeps in tests: says on standard output what happens to it.

Its mode is one of steady, stubborn, failing, silent and refusing. One that is not silent reports to
the supervisor, and takes new settings unless it is refusing.
"""

import asyncio
import json
import os
import signal
import socket
import sys

from gateway.runtime.process import ProcessArguments, watch_lifeline
from gateway.runtime.settings import Settings, generation
from gateway.runtime.status import StatusSender
from gateway.tasks import Tasks
from gateway.telemetry.channel import Receiver, Sender


def say(event: str, arguments: ProcessArguments, **more: object) -> None:
    """One line of JSON, at once."""
    line = {"event": event, "name": arguments.name, "pid": os.getpid(), **more}
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


async def tell(receiver: Receiver, arguments: ProcessArguments) -> None:
    """Repeat every message of the channel."""
    async for message in receiver:
        say("message", arguments, message=message)


async def report(mode: str, arguments: ProcessArguments, now: int) -> None:
    """As a worker does, but more often; `now` is the generation that it began with."""
    status = StatusSender(arguments.status_fd, arguments.name, now)
    while mode != "silent":
        status.report()
        await asyncio.sleep(0.05)
        number = generation(arguments.settings_fd)
        if number == now:
            continue
        now = number
        if mode == "refusing":
            status.refuse(number, "no memory")
        else:
            status.took(number)
            say("took", arguments, generation=number)


async def run(mode: str, arguments: ProcessArguments) -> None:
    """Live as `mode` says."""
    loop, ended, tasks = asyncio.get_running_loop(), asyncio.Event(), Tasks()

    def end(event: str) -> None:
        say(event, arguments)
        if mode != "stubborn" or event == "alone":
            ended.set()

    loop.add_signal_handler(signal.SIGTERM, end, "terminated")
    watch_lifeline(arguments.lifeline_fd, lambda: end("alone"))
    listener = socket.socket(fileno=arguments.listen_fd)
    if arguments.number:
        Sender(arguments.channel_fd).send({"kind": "hello", "from": arguments.name})
    else:
        tasks.spawn(tell(Receiver(arguments.channel_fd), arguments), name="tell")
    config, now = Settings(arguments.settings_fd).config, generation(arguments.settings_fd)
    say(
        "up",
        arguments,
        port=listener.getsockname()[1],
        file=config.listen.certificate.read_text()[:20],
        workers=arguments.workers,
    )
    tasks.spawn(report(mode, arguments, now), name="report")
    if mode != "failing":
        await ended.wait()
    await tasks.close()


def main(mode: str, arguments: ProcessArguments) -> int:
    """Live and end."""
    asyncio.run(run(mode, arguments))
    return int(mode == "failing")
