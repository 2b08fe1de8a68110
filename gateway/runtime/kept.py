"""One process that is started again whenever it dies, until it is told to end."""

import asyncio
import contextlib
import signal
from collections.abc import Callable

import structlog

from gateway.runtime.backoff import Backoff
from gateway.runtime.forking import Child

_log = structlog.get_logger()


class KeptProcess:
    """A worker or the control process, as the supervisor sees it.

    `start` starts it, or raises OSError; `started` is called after each start, `ended` after each
    end and before the next start. Who uses other
    threads holds `quiet` meanwhile: a fork must not copy the locks that these hold.

    Attributes:
        name: as logs and metrics show it, such as "worker-1".
        restarts: how often it was started again.
        killed: whether it had to be killed.
        started_at: when it was started last, in seconds of the event loop's clock.
    """

    def __init__(
        self,
        *,
        name: str,
        start: Callable[[], Child],
        started: Callable[[], None],
        quiet: asyncio.Lock,
        ended: Callable[[], None] | None = None,
    ) -> None:
        self.name = name
        self.restarts = 0
        self.killed = False
        self.started_at = 0.0
        self._start = start
        self._quiet = quiet
        self._started = started
        self._ended = ended
        self._backoff = Backoff()
        self._ending = asyncio.Event()
        self._process: Child | None = None

    @property
    def pid(self) -> int | None:
        """Of the process that runs; None while none does."""
        process = self._process
        return None if process is None or process.returncode is not None else process.pid

    async def keep(self) -> None:
        """Run it, and start it again when it dies; returns after `end`, when it is gone."""
        loop = asyncio.get_running_loop()
        while not self._ending.is_set():
            began = loop.time()
            how = await self._run()
            if self._ending.is_set():
                _log.info("process.ended", name=self.name, how=how)
                return
            delay = self._backoff.delay(loop.time() - began)
            _log.error("process.died", name=self.name, how=how, restart_seconds=delay)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ending.wait(), delay)
            self.restarts += 1

    def end(self) -> None:
        """It is asked to end (SIGTERM), and not started again."""
        self._ending.set()
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """It is gone in a moment (SIGKILL), and not started again."""
        self._ending.set()
        if self._signal(signal.SIGKILL):
            self.killed = True
            _log.warning("process.killed", name=self.name)

    async def _run(self) -> str:
        """Run it once; how it ended, in words."""
        try:
            async with self._quiet:
                process = self._start()
        except OSError as error:
            return f"cannot be started: {error}"
        self._process = process
        self.started_at = asyncio.get_running_loop().time()
        _log.info("process.started", name=self.name, child=process.pid)
        self._started()
        if self._ending.is_set():  # asked for while the process was being made
            self._signal(signal.SIGTERM)
        code = await process.wait()
        if self._ended is not None:
            self._ended()
        return _how(code)

    def _signal(self, number: signal.Signals) -> bool:
        if self._process is None or self._process.returncode is not None:
            return False
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)
        return True


def _how(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"signal {signal.Signals(-code).name}"
    except ValueError:
        return f"signal {-code}"
