"""What the supervisor tells a process that it starts, and how that process knows it is alone."""

import asyncio
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass

from gateway.limits.node import Seat


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessArguments:
    """What a worker or the control process is to know.

    Attributes:
        settings_fd: the file that `Settings` reads.
        listen_fd: a listening socket: for phones in a worker, for operations in control.
        channel_fd: the telemetry channel: a worker has the writing end, control the reading one.
        status_fd: where `StatusSender` tells the supervisor that the process serves.
        lifeline_fd: a pipe that reaches its end when the supervisor is gone.
        number: of the worker, from 1; 0 for control.
        workers: how many workers there are.
        seat: where a worker counts together with the others; None for control.
    """

    settings_fd: int
    listen_fd: int
    channel_fd: int
    status_fd: int
    lifeline_fd: int
    number: int
    workers: int
    seat: Seat | None = None

    @property
    def name(self) -> str:
        """Of the process, as logs and metrics show it: control, worker-1, worker-2, .."""
        return f"worker-{self.number}" if self.number else "control"

    @property
    def descriptors(self) -> tuple[int, ...]:
        """The descriptors that the process inherits."""
        return (
            self.settings_fd,
            self.listen_fd,
            self.channel_fd,
            self.status_fd,
            self.lifeline_fd,
            *(self.seat.descriptors if self.seat is not None else ()),
        )


_YIELDS = 10


def end_alone(seconds: float) -> None:
    """As `end_within`, for want of a supervisor: the CPU is for the next one, which starts now."""
    os.nice(_YIELDS)
    end_within(seconds)


def end_within(seconds: float) -> None:
    """This process is gone after `seconds`, whatever it hangs in; it should end before.

    Who hangs would keep the listening port from the next supervisor.
    """
    timer = threading.Timer(seconds, os._exit, (1,))
    timer.daemon = True
    timer.start()


def watch_lifeline(fd: int, ended: Callable[[], None]) -> None:
    """On the running loop, `ended` is called once when the supervisor is gone."""
    loop = asyncio.get_running_loop()
    os.set_blocking(fd, False)

    def readable() -> None:
        loop.remove_reader(fd)
        ended()

    loop.add_reader(fd, readable)
