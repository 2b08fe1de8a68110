"""What the processes say of themselves to the supervisor, each second: that they live and serve."""

import asyncio
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from gateway.telemetry.channel import Sender

FRESH_SECONDS: Final = 5.0
"""A process that said nothing for so long does not serve; it speaks each second."""


@dataclass(frozen=True, slots=True)
class Status:
    """The last word of a process.

    Attributes:
        pid: of the process.
        at: when it came, by the clock of `Statuses`.
        generation: of the settings that the process goes by.
        refused: a generation that it could not take; 0 if there is none.
        detail: why it could not.
    """

    pid: int
    at: float
    generation: int
    refused: int
    detail: str


class StatusSender:
    """The process's side; `name` is that of `ProcessArguments`."""

    def __init__(self, fd: int, name: str, generation: int) -> None:
        self._sender = Sender(fd)
        self._name = name
        self._generation = generation
        self._refused = 0
        self._detail = ""

    def report(self) -> None:
        """The supervisor knows that the process serves now."""
        self._sender.send(
            {
                "name": self._name,
                "pid": os.getpid(),
                "generation": self._generation,
                "refused": self._refused,
                "detail": self._detail,
            }
        )

    def took(self, generation: int) -> None:
        """The process goes by these settings from now on."""
        self._generation, self._refused, self._detail = generation, 0, ""
        self.report()

    def refuse(self, generation: int, detail: str) -> None:
        """The process cannot go by these settings, and goes by those before."""
        self._refused, self._detail = generation, detail[:1000]
        self.report()


class Statuses:
    """The supervisor's side; `clock` gives seconds that never go back.

    Attributes:
        news: set whenever a message has come; who waits for it clears it before.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.news = asyncio.Event()
        self._clock = clock
        self._latest: dict[str, Status] = {}

    def receive(self, message: Mapping[str, Any]) -> None:
        """Take a message of `StatusSender`; another one is passed over."""
        try:
            self._latest[str(message["name"])] = Status(
                pid=int(message["pid"]),
                at=self._clock(),
                generation=int(message["generation"]),
                refused=int(message["refused"]),
                detail=str(message["detail"]),
            )
        except (KeyError, TypeError, ValueError):
            return
        self.news.set()

    def of(self, name: str, pid: int | None) -> Status | None:
        """The last word of that very process, if it is fresh."""
        status = self._latest.get(name)
        if status is None or status.pid != pid or self._clock() - status.at > FRESH_SECONDS:
            return None
        return status

    def refusals(self, generation: int) -> Iterable[str]:
        """Who cannot go by these settings, a sentence each."""
        return [
            f"{name}: {status.detail}"
            for name, status in self._latest.items()
            if status.refused == generation
        ]
