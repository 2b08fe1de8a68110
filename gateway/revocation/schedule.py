"""When each authority's CRLs are asked for again: soon enough, not all at once, and on demand."""

import asyncio
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from gateway.config import Revocation
from gateway.core.authority import Authority
from gateway.errors import CrlError
from gateway.revocation.engine import RevocationEngine
from gateway.revocation.report import RefreshResult
from gateway.tasks import Tasks

_log = structlog.get_logger()

_FIRST_RETRY_SECONDS = 5.0
_EARLIEST_SHARE = 0.8  # of crl_refresh_seconds, so that many gateways do not ask at one moment
_LEAD_SECONDS = (30.0, 60.0)  # before nextUpdate
_LAG_SECONDS = (1.0, 5.0)  # after the moments that a CA names
_LOOK_SECONDS = 1.0  # how soon a change of the authorities is noticed


@dataclass(slots=True)
class _Plan:
    """The next refresh of authorities that share URLs, on the event loop's clock."""

    authorities: tuple[Authority, ...]
    due: float = 0.0
    failures: int = 0
    running: bool = False
    again: bool = False


class RefreshSchedule:
    """Asks `engine` to refresh each of `authorities()`, for as long as `run` runs.

    `authorities` gives the current list, quickly; a new or changed record is refreshed at once, one
    that is gone is forgotten. Authorities with a URL in common are refreshed together, so that it
    is asked once. `refreshed` is told every result.
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
        self._known: frozenset[str] = frozenset()
        self._plans: Mapping[tuple[str, ...], _Plan] = {}
        self._wake = asyncio.Event()
        self._tasks = Tasks()

    def request(self, authority_id: str | None = None) -> None:
        """Refresh this authority now, or all of them; a refresh under way is followed by another.

        An authority that is not known yet is refreshed once it is listed, anyway.
        """
        for ids, plan in self._plans.items():
            if authority_id is None or authority_id in ids:
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
        by_id: dict[str, Authority] = {}
        for authority in self._authorities():
            by_id.setdefault(authority.id, authority)
        for gone in self._known.difference(by_id):
            self._tasks.spawn(self._forget(gone), name=f"crl-forget-{gone}")
        self._known = frozenset(by_id)
        plans = {}
        for group in _sharing(one for one in by_id.values() if one.urls):
            ids = tuple(sorted(one.id for one in group))
            plan = self._plans.get(ids) or _Plan(group)
            if plan.authorities != group:
                plan.authorities, plan.due, plan.again = group, 0.0, plan.running
            plans[ids] = plan
        self._plans = plans

    def _start_due(self) -> None:
        now = asyncio.get_running_loop().time()
        for ids, plan in self._plans.items():
            if not plan.running and plan.due <= now:
                plan.running, plan.again = True, False
                plan.due = now + _FIRST_RETRY_SECONDS  # should the task fail, which it must not
                self._tasks.spawn(self._refresh(plan), name=f"crl-refresh-{','.join(ids)}")

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
            results = await self._engine.refresh_all(plan.authorities)
            failed = not all(result.ok for result in results)
            plan.failures = plan.failures + 1 if failed else 0
            for result in results:
                self._tell(result, plan.failures)
            now = asyncio.get_running_loop().time()
            delay = min(self._delay(result, plan.failures) for result in results)
            plan.due = 0.0 if plan.again else now + delay
        finally:
            plan.running = False
            self._wake.set()

    async def _forget(self, authority_id: str) -> None:
        """Remove the CRLs of a CA that is trusted no more, unless it is again."""
        try:
            if authority_id not in self._known:
                await self._engine.forget(authority_id)
        except (CrlError, OSError) as error:
            _log.warning("crl.not_removed", authority=authority_id, detail=str(error))

    def _tell(self, result: RefreshResult, failures: int) -> None:
        log = _log.bind(authority=result.authority_id, detail=result.detail)
        if result.ok:
            log.info("crl.refreshed", not_modified=result.not_modified)
        else:
            log.warning("crl.refresh_failed", failures=failures)
        for warning in result.warnings:
            _log.warning("crl.near_limit", authority=result.authority_id, detail=warning)
        if self._refreshed is not None:
            self._refreshed(result)

    def _delay(self, result: RefreshResult, failures: int) -> float:
        """Seconds until the next refresh."""
        interval = self._settings.crl_refresh_seconds
        if failures:
            interval = min(interval, _FIRST_RETRY_SECONDS * 2.0 ** min(failures - 1, 30))
        uniform = random.SystemRandom().uniform
        delay = interval * uniform(_EARLIEST_SHARE, 1.0)
        now = datetime.now(UTC)
        moments = [
            (result.next_update, -uniform(*_LEAD_SECONDS)),
            (result.next_update, uniform(*_LAG_SECONDS)),
            (result.next_publish, uniform(*_LAG_SECONDS)),
        ]
        ahead = [(moment - now).total_seconds() + lag for moment, lag in moments if moment]
        return min([delay, *(seconds for seconds in ahead if seconds > 0)])


def _sharing(authorities: Iterable[Authority]) -> list[tuple[Authority, ...]]:
    """Groups of authorities that have URLs in common, directly or by way of another."""
    groups: list[tuple[Authority, ...]] = []
    for authority in authorities:
        urls = set(authority.urls)
        joined = [one for one in groups if any(urls & {*member.urls} for member in one)]
        groups = [one for one in groups if one not in joined]
        groups.append((*(member for one in joined for member in one), authority))
    return groups
