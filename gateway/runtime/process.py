"""What the supervisor tells a process that it starts, and how that process knows it is alone."""

import argparse
import asyncio
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessArguments:
    """The command line of a worker or of the control process.

    Attributes:
        config: the absolute path of config.toml; None means the defaults.
        listen_fd: a listening socket: for phones in a worker, for operations in control.
        channel_fd: the telemetry channel: a worker has the writing end, control the reading one.
        lifeline_fd: a pipe that reaches its end when the supervisor is gone.
        number: of the worker, from 1; 0 for control.
        workers: how many workers there are.
    """

    config: Path | None
    listen_fd: int
    channel_fd: int
    lifeline_fd: int
    number: int
    workers: int

    @property
    def name(self) -> str:
        """Of the process, as logs and metrics show it: control, worker-1, worker-2, .."""
        return f"worker-{self.number}" if self.number else "control"

    @property
    def descriptors(self) -> tuple[int, ...]:
        """The descriptors that the process inherits."""
        return (self.listen_fd, self.channel_fd, self.lifeline_fd)

    def to_argv(self) -> list[str]:
        """The command line that `from_argv` reads."""
        config = [] if self.config is None else ["--config", str(self.config)]
        numbers = {
            "--listen-fd": self.listen_fd,
            "--channel-fd": self.channel_fd,
            "--lifeline-fd": self.lifeline_fd,
            "--number": self.number,
            "--workers": self.workers,
        }
        return config + [word for name, value in numbers.items() for word in (name, str(value))]

    @classmethod
    def from_argv(cls, argv: Sequence[str] | None = None) -> Self:
        """Read `argv`, or this process's own; ends the process with code 2 when it is not ours."""
        parser = argparse.ArgumentParser(
            description="A process of the gateway; `eas-gateway serve` starts it."
        )
        parser.add_argument("--config", type=Path)
        for name in ("--listen-fd", "--channel-fd", "--lifeline-fd", "--number", "--workers"):
            parser.add_argument(name, type=int, required=True)
        return cls(**vars(parser.parse_args(argv)))


def watch_lifeline(fd: int, ended: Callable[[], None]) -> None:
    """On the running loop, `ended` is called once when the supervisor is gone."""
    loop = asyncio.get_running_loop()
    os.set_blocking(fd, False)

    def readable() -> None:
        loop.remove_reader(fd)
        ended()

    loop.add_reader(fd, readable)
