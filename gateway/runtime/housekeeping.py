"""What keeps the store from growing without end."""

import asyncio
from datetime import timedelta
from typing import Final

import structlog

from gateway.errors import StateError
from gateway.store.store import Store

_log = structlog.get_logger()

EVERY_SECONDS: Final = 3600.0
AUDIT_AGE: Final = timedelta(days=90)
AUDIT_ROWS: Final = 2_000_000
"""About 1 GB in the store."""


async def keep_house(store: Store) -> None:
    """Tidy the store now and every hour, until cancelled."""
    while True:
        try:
            removed = await asyncio.to_thread(tidy, store)
            _log.info("store.tidied", audit_records_removed=removed)
        except StateError as error:
            _log.error("store.untidied", detail=str(error))
        await asyncio.sleep(EVERY_SECONDS)


def tidy(store: Store, *, age: timedelta = AUDIT_AGE, rows: int = AUDIT_ROWS) -> int:
    """Audit records older than `age`, and all but the latest `rows`, are gone; returns how many.

    Records written in the same moment go or stay together. Raises StateError.
    """
    oldest = store.database.now() - age
    kept_from = store.audit.start_of_latest(rows)
    return store.audit.remove_before(oldest if kept_from is None else max(oldest, kept_from))
