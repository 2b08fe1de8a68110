"""`eas-gateway demo`: the gateway at its main job, in one command."""

import asyncio
import signal
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

import click

from gateway.cli.demo_folder import HOST, DemoFolder, Ports, fresh_folder
from gateway.cli.demo_network import choose_ports, publishing, until_listening, until_ready
from gateway.cli.demo_processes import Processes
from gateway.cli.demo_report import Result, Step, invitation, say, take
from gateway.cli.demo_story import Story, command_step

_MAIL: Final = "mail-server"
_GATEWAY: Final = "gateway"
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@click.command("demo")
@click.option("--once", is_flag=True, help="End after the last step, with 0 if all went well.")
@click.option(
    "--state",
    "directory",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("state/demo"),
    show_default=True,
    metavar="DIR",
    help="The demo's own folder; each run begins by emptying it.",
)
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    help="Where the gateway listens on 127.0.0.1; 8443, or any other that is free.",
)
def command(directory: Path, port: int | None, *, once: bool) -> int:
    """See the gateway at work: a PKI, a mail server, the gateway and some phones.

    Each step is a line that begins with ok or FAIL. Then all of it stays up to be tried by hand,
    until Ctrl-C. The status is 0 if every step went as it should, else 1.
    """
    with fresh_folder(directory) as folder:
        demo = Demo(folder, choose_ports(port))
        try:
            return asyncio.run(demo.run(once=once))
        except asyncio.CancelledError:
            say("\nInterrupted; all its processes have ended.")
            raise click.Abort from None


class Demo:
    """One run, from an empty folder to the end of the last process."""

    def __init__(self, folder: DemoFolder, ports: Ports) -> None:
        self._folder = folder
        self._ports = ports
        self._processes = Processes()
        self._signalled = False
        self._failed = 0

    async def run(self, *, once: bool) -> int:
        """Set everything up, show it, and stay up unless `once`; the exit status.

        SIGINT, SIGTERM and SIGHUP end it, by CancelledError before the last step; a second one
        kills the processes.
        """
        self._handle_signals()
        say("A PKI, a mail server, the gateway in front of it, and what phones get from them:\n")
        async with publishing(self._folder.pki) as crls, self._processes:
            if await self._take_all(self._preparations(crls)) and await self._show():
                await self._stay() if not once else None
            await self._take_all([Step("everything ends when it is told to", self._end)])
        say(f"\nSteps that failed: {self._failed}." if self._failed else "\nEvery step went well.")
        return 1 if self._failed else 0

    async def _show(self) -> bool:
        """Take the steps of the story; True, as even a step that failed leaves much to try."""
        async with AsyncExitStack() as closing:
            story = Story(self._folder, f"https://{HOST}:{self._ports.phones}")
            await story.open(closing)
            await self._take_all(story.steps())
        return True

    async def _take_all(self, steps: Sequence[Step]) -> bool:
        """Take them in order; False if an essential one failed and the rest was not tried."""
        for step in steps:
            if await take(step):
                continue
            self._failed += 1
            if step.essential:
                say(f"See the logs in {self._folder.directory}.")
                return False
        return True

    def _preparations(self, crls: str) -> Sequence[Step]:
        folder = self._folder
        config = ("-c", str(folder.config))
        root, issuing = (str(folder.pki / name) for name in ("root.pem", "issuing.pem"))
        return (
            Step("a PKI, config.toml and mailboxes are made", self._make, essential=True),
            Step("a mail server starts", self._start_mail, essential=True),
            command_step(
                "ca", "add", "--type", "root", "--cert", root, "--crl", f"{crls}/root.crl", *config
            ),
            command_step(
                *("ca", "add", "--type", "intermediate", "--cert", issuing),
                *("--crl", f"{crls}/issuing.crl", *config),
            ),
            command_step("user", "import", str(folder.mailboxes), *config),
            Step(f"$ eas-gateway serve -c {folder.config}", self._start_gateway, essential=True),
        )

    async def _make(self) -> Result:
        self._folder.make(self._ports)
        return Result(ok=True, detail=str(self._folder.directory))

    async def _start_mail(self) -> Result:
        port = self._ports.mail
        words = ("-m", "gateway.probe.demo_server", "--port", str(port), "--minimum-heartbeat", "1")
        await self._processes.start(_MAIL, *words, log=self._folder.log(_MAIL))
        await until_listening(port, lambda: self._processes.status(_MAIL))
        return Result(ok=True, detail=f"on {HOST}:{port}, for the gateway alone")

    async def _start_gateway(self) -> Result:
        words = ("-m", "gateway", "serve", "-c", str(self._folder.config))
        await self._processes.start(_GATEWAY, *words, log=self._folder.log(_GATEWAY))
        await until_ready(self._ports.admin, lambda: self._processes.status(_GATEWAY))
        return Result(ok=True, detail=f"ready on {HOST}:{self._ports.phones}")

    async def _stay(self) -> None:
        """Return when a signal, or a process that should not have, ends it."""
        say(invitation(self._folder, self._ports))
        try:
            say(await self._processes.first_end())
            self._failed += 1
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None:
                task.uncancel()
            say("")

    async def _end(self) -> Result:
        statuses = await self._processes.end()
        ended = ", ".join(f"{name} with {status}" for name, status in statuses.items())
        return Result(ok=not any(statuses.values()), detail=ended)

    def _handle_signals(self) -> None:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        if task is None:
            raise AssertionError("run is a task's")

        def signalled() -> None:
            if self._signalled:
                self._processes.kill()
            else:
                self._signalled = True
                task.cancel()

        for number in _SIGNALS:
            loop.add_signal_handler(number, signalled)
