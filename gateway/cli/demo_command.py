"""The demo's administrator: commands of `eas-gateway`, run as the command line runs them."""

import asyncio
import io
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass

from gateway.cli.main import main


@dataclass(frozen=True, slots=True)
class Completed:
    """A command that has ended: its exit status, and the lines that it printed."""

    status: int
    lines: tuple[str, ...]


async def run_command(*words: str) -> Completed:
    """Run `eas-gateway WORDS` to its end, in a thread; print nothing meanwhile.

    Not in a process of its own, as that would import everything once more for each command.
    """
    return await asyncio.to_thread(_run, words)


def _run(words: tuple[str, ...]) -> Completed:
    printed = io.StringIO()
    with redirect_stdout(printed), redirect_stderr(printed):
        status = main(words)
    return Completed(status, tuple(printed.getvalue().splitlines()))
