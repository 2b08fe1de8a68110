"""SIGHUP: another configuration in place of the one in use, in all processes or in none."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from gateway.config import Config
from gateway.errors import ConfigError, GatewayError
from gateway.runtime.kept import KeptProcess
from gateway.runtime.settings import SettingsWriter, contents
from gateway.runtime.status import Statuses

_log = structlog.get_logger()

TAKE_SECONDS: Final = 10.0
"""How long the processes may take to go over to what has been found right."""

_RESTART_KEYS: Final = (
    "listen.address",
    "listen.port",
    "listen.backlog",
    "listen.workers",
    "state.directory",
    "store",
    "admin",
    "log",
)
"""What sockets, processes and the store were made of when the gateway started."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a configuration comes from; both block.

    Attributes:
        load: reads it; raises ConfigError.
        check: raises GatewayError unless the gateway can serve by it.
    """

    load: Callable[[], Config]
    check: Callable[[Config], None]


class Reload:
    """From `source` to `settings` to the processes in `kept`, of which `statuses` hears.

    The source is read in a thread, and `quiet` held meanwhile.

    Attributes:
        succeeded: whether the last reload did, or none was asked for yet.
        at: when the configuration in use was taken, in seconds since the epoch.
    """

    def __init__(
        self,
        settings: SettingsWriter,
        source: Source,
        *,
        statuses: Statuses,
        kept: Sequence[KeptProcess],
        quiet: asyncio.Lock,
    ) -> None:
        self.succeeded = True
        self.at = time.time()
        self._settings = settings
        self._source = source
        self._statuses = statuses
        self._kept = kept
        self._quiet = quiet

    async def run(self) -> None:
        """All processes go by the new configuration, or by the old one and one line says why."""
        old, files = self._settings.config, self._settings.files
        try:
            async with self._quiet:
                new, read = await asyncio.to_thread(self._read, old)
            self._settings.write(new, read)
            try:
                await self._taken()
            except Exception:
                self._settings.write(old, files)
                raise
        except GatewayError as error:
            self._failed("; ".join(str(error).splitlines()))
        except Exception as error:  # noqa: BLE001 (whatever the new one breaks, the old one stays)
            self._failed(repr(error), exc_info=error)
        else:
            self.succeeded, self.at = True, time.time()
            _log.info("reload.done", generation=self._settings.generation)

    def _failed(self, detail: str, **more: object) -> None:
        self.succeeded = False
        _log.error("reload.failed", detail=f"the old configuration stays in use: {detail}", **more)

    def _read(self, old: Config) -> tuple[Config, Mapping[Path, bytes]]:
        """What is on the disk now, found right, and the files as they were all the while."""
        new, ignored = keep_what_needs_restart(old, self._source.load())
        if ignored:
            _log.warning("reload.needs_restart", keys=ignored)
        before = contents(new)
        self._source.check(new)
        if contents(new) != before:
            raise ConfigError("files changed while they were read; send SIGHUP once more")
        return new, before

    async def _taken(self) -> None:
        """Every process has said that it goes by the new settings; raises ConfigError if not."""
        wanted = self._settings.generation
        try:
            async with asyncio.timeout(TAKE_SECONDS):
                while self._behind(wanted):
                    if refusals := list(self._statuses.refusals(wanted)):
                        raise ConfigError("\n".join(refusals))
                    self._statuses.news.clear()
                    await self._statuses.news.wait()
        except TimeoutError as error:
            behind = ", ".join(self._behind(wanted))
            raise ConfigError(f"{behind}: not taken within {TAKE_SECONDS:g} s") from error

    def _behind(self, wanted: int) -> Sequence[str]:
        return [one.name for one in self._kept if self._is_behind(one, wanted)]

    def _is_behind(self, kept: KeptProcess, wanted: int) -> bool:
        """Whether it runs by older settings; one that does not run begins with the new ones."""
        if kept.pid is None:
            return False
        status = self._statuses.of(kept.name, kept.pid)
        return status is None or status.generation < wanted


def keep_what_needs_restart(old: Config, new: Config) -> tuple[Config, Sequence[str]]:
    """`new` with the values of `old` where only a restart can change them, and their keys."""
    changed = []
    for key in _RESTART_KEYS:
        table, _, name = key.partition(".")
        before, after = getattr(old, table), getattr(new, table)
        if not name:
            names = [
                n for n in type(before).model_fields if getattr(before, n) != getattr(after, n)
            ]
        else:
            names = [name] if getattr(before, name) != getattr(after, name) else []
        if names:
            kept = {one: getattr(before, one) for one in names}
            new = new.model_copy(update={table: after.model_copy(update=kept)})
            changed += [f"{table}.{one}" for one in names]
    return new, changed
