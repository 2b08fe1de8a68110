"""The processes of a demo: started with a log of their own, and none left at the end."""

import asyncio
import sys
from asyncio.subprocess import DEVNULL, Process
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from gateway.errors import ConfigError

_END_SECONDS: Final = 40.0
"""The gateway itself gives its processes 30 s."""


class Processes:
    """Use it as a context: when it ends, so have all processes, the last one started first."""

    def __init__(self) -> None:
        self._running: dict[str, Process] = {}

    async def start(self, name: str, *words: str, log: Path) -> None:
        """`python WORDS` runs, and writes to `log`; raises ConfigError if it cannot."""
        try:
            with log.open("wb") as output:
                self._running[name] = await asyncio.create_subprocess_exec(
                    sys.executable,
                    *words,
                    stdin=DEVNULL,
                    stdout=output,
                    stderr=output,
                    process_group=0,  # Ctrl-C is for the demo, which ends them in order
                )
        except OSError as error:
            raise ConfigError(f"the {name} cannot be started: {error}") from error

    def status(self, name: str) -> int | None:
        """Its exit status, negative for a signal; None while it runs."""
        return self._running[name].returncode

    async def first_end(self) -> str:
        """Wait until one of them has ended, and say which."""
        while True:
            for name, process in self._running.items():
                if process.returncode is not None:
                    return f"the {name} has ended with {process.returncode}"
            await asyncio.sleep(1.0)

    async def end(self) -> dict[str, int]:
        """All have ended: asked to (SIGTERM) and, when that takes too long, killed.

        Returns how each ended, by its name.
        """
        statuses = {}
        for name, process in reversed(self._running.items()):
            statuses[name] = await _end(process)
        self._running.clear()
        return statuses

    def kill(self) -> None:
        """All end at once (SIGKILL)."""
        for process in self._running.values():
            if process.returncode is None:
                process.kill()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.end()


async def _end(process: Process) -> int:
    if process.returncode is None:
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), _END_SECONDS)
        except TimeoutError:
            process.kill()
    return await process.wait()
