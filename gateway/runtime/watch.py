"""What the service manager is told: that the gateway serves, as long as that is true."""

import asyncio
from collections.abc import Sequence
from typing import Final

from gateway.runtime.kept import KeptProcess
from gateway.runtime.status import Statuses
from gateway.runtime.systemd import Notifier

START_SECONDS: Final = 10.0
"""How long a process that was just started may say nothing."""

_LONGEST_SECONDS: Final = 5.0


class Watch:
    """Ready once every worker and control serve; then the watchdog is fed while `serves`."""

    def __init__(
        self,
        statuses: Statuses,
        workers: Sequence[KeptProcess],
        control: KeptProcess,
        notifier: Notifier,
    ) -> None:
        self._statuses = statuses
        self._workers = workers
        self._control = control
        self._notifier = notifier

    async def run(self) -> None:
        """Tell it until cancelled."""
        await self._all_report([*self._workers, self._control])
        said = self.summary()
        self._notifier.ready(said)
        patience = self._notifier.watchdog_seconds
        pause = _LONGEST_SECONDS if patience is None else min(patience / 2, _LONGEST_SECONDS)
        while True:
            if self.serves():
                self._notifier.alive()
            if said != (now := self.summary()):
                said = now
                self._notifier.status(said)
            await asyncio.sleep(pause)

    async def workers_serve(self) -> None:
        """Return once every worker serves."""
        await self._all_report(self._workers)

    async def _all_report(self, kept: Sequence[KeptProcess]) -> None:
        while not all(map(self._reports, kept)):
            self._statuses.news.clear()
            await self._statuses.news.wait()

    def serves(self) -> bool:
        """Control and a worker report, and no process that runs is silent.

        A worker that died and waits for its next start is no reason to end all the others: what
        hangs is.
        """
        if not self._reports(self._control) or not any(map(self._reports, self._workers)):
            return False
        return not any(map(self._hangs, self._workers))

    def summary(self) -> str:
        """One line for people."""
        serving = sum(map(self._reports, self._workers))
        control = "" if self._reports(self._control) else "; control does not answer"
        return f"{serving} of {len(self._workers)} workers serve{control}"

    def _reports(self, kept: KeptProcess) -> bool:
        return self._statuses.of(kept.name, kept.pid) is not None

    def _hangs(self, kept: KeptProcess) -> bool:
        if kept.pid is None or self._reports(kept):
            return False
        return asyncio.get_running_loop().time() - kept.started_at > START_SECONDS
