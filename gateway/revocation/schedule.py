"""When each authority's CRLs are asked for again: soon enough, not all at once, and on demand."""

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from gateway.config import Revocation
from gateway.core.authority import Authority
from gateway.revocation.engine import RefreshResult, RevocationEngine
from gateway.tasks import Tasks

_log = structlog.get_logger()

_FIRST_RETRY_SECONDS = 5.0
_EARLIEST_SHARE = 0.8  # of crl_refresh_seconds, so that many gateways do not ask at one moment
_LEAD_SECONDS = 30.0  # before nextUpdate
_LAG_SECONDS = 1.0  # after the moments that a CA names
_LOOK_SECONDS = 1.0  # how soon a change of the authorities is noticed


@dataclass(slots=True)
class _Plan:
    """One authority's next refresh, on the event loop's clock."""

    authority: Authority
    due: float = 0.0
    failures: int = 0
    running: bool = False
    again: bool = False


class RefreshSchedule:
    """Asks `engine` to refresh each of `authorities()`, for as long as `run` runs.

    `authorities` gives the current list, quickly; a new or changed record is refreshed at once, one
    that is gone no more. `refreshed` is told every result.
    """

    def __init__(
        self,
        engine: RevocationEngine,
        settings: Revocation,
        authorities: Callable[[], Sequence[Authority]],
        *,
        refreshed: Callable[[RefreshResult], None] | None = None,
    ) -> None:
        self._engine = engine
        self._settings = settings
        self._authorities = authorities
        self._refreshed = refreshed
        self._plans: dict[str, _Plan] = {}
        self._wake = asyncio.Event()
        self._tasks = Tasks()

    def request(self, authority_id: str | None = None) -> None:
        """Refresh this authority now, or all of them; a refresh under way is followed by another.

        An authority that is not known yet is refreshed once it is listed, anyway.
        """
        for plan in self._plans.values():
            if authority_id in (None, plan.authority.id):
                plan.due, plan.again = 0.0, plan.running
        self._wake.set()

    async def run(self) -> None:
        """Refresh what is due, until cancelled."""
        try:
            while True:
                self._wake.clear()
                self._follow()
                self._start_due()
                await self._sleep()
        finally:
            await self._tasks.close()

    def _follow(self) -> None:
        """Take over the list as it is now."""
        plans = {}
        for authority in self._authorities():
            if authority.crl_distribution_point is None:
                continue
            plan = self._plans.get(authority.id) or _Plan(authority)
            if plan.authority != authority:
                plan.authority, plan.due, plan.again = authority, 0.0, plan.running
            plans[authority.id] = plan
        self._plans = plans

    def _start_due(self) -> None:
        now = asyncio.get_running_loop().time()
        for plan in self._plans.values():
            if not plan.running and plan.due <= now:
                plan.running, plan.again = True, False
                plan.due = now + _FIRST_RETRY_SECONDS  # should the task fail, which it must not
                name = f"crl-refresh-{plan.authority.id}"
                self._tasks.spawn(self._refresh(plan), name=name)

    async def _sleep(self) -> None:
        now = asyncio.get_running_loop().time()
        dues = [plan.due - now for plan in self._plans.values() if not plan.running]
        try:
            async with asyncio.timeout(max(0.0, min([_LOOK_SECONDS, *dues]))):
                await self._wake.wait()
        except TimeoutError:
            pass

    async def _refresh(self, plan: _Plan) -> None:
        try:
            result = await self._engine.refresh(plan.authority)
            plan.failures = 0 if result.ok else plan.failures + 1
            self._tell(plan, result)
            now = asyncio.get_running_loop().time()
            plan.due = 0.0 if plan.again else now + self._delay(result, plan.failures)
        finally:
            plan.running = False
            self._wake.set()

    def _tell(self, plan: _Plan, result: RefreshResult) -> None:
        log = _log.bind(authority=plan.authority.id, detail=result.detail)
        if result.ok:
            log.info("crl.refreshed", not_modified=result.not_modified)
        else:
            log.warning("crl.refresh_failed", failures=plan.failures)
        if self._refreshed is not None:
            self._refreshed(result)

    def _delay(self, result: RefreshResult, failures: int) -> float:
        """Seconds until the next refresh."""
        interval = self._settings.crl_refresh_seconds
        if failures:
            interval = min(interval, _FIRST_RETRY_SECONDS * 2.0 ** min(failures - 1, 30))
        delay = interval * random.SystemRandom().uniform(_EARLIEST_SHARE, 1.0)
        now = datetime.now(UTC)
        moments = [
            (result.next_update, -_LEAD_SECONDS),
            (result.next_update, _LAG_SECONDS),
            (result.next_publish, _LAG_SECONDS),
        ]
        ahead = [(moment - now).total_seconds() + lag for moment, lag in moments if moment]
        return min([delay, *(seconds for seconds in ahead if seconds > 0)])
