"""The downloads of one round of refreshes: each URL is asked once, however many CAs share it."""

import asyncio
from types import TracebackType
from typing import Self

from gateway.config import Revocation
from gateway.errors import CrlError
from gateway.revocation.fetch import (
    Fetched,
    FetchLimits,
    NotModified,
    Progress,
    Validators,
    fetch,
)
from gateway.tasks import Tasks

_Answer = Fetched | NotModified
_Key = tuple[str, Validators]


class Downloads:
    """Answers of one round, each kept until the round ends; use it as a context manager."""

    def __init__(self, settings: Revocation, progress: Progress | None = None) -> None:
        self._limits = FetchLimits(
            octets=settings.download_limit_bytes,
            seconds=settings.download_timeout_seconds,
            allow_link_local=settings.allow_link_local,
        )
        self._progress = progress
        self._tasks = Tasks()
        self._asked: dict[_Key, asyncio.Future[_Answer | CrlError]] = {}

    async def get(self, url: str, validators: Validators) -> _Answer:
        """What `url` answers in this round; raises CrlError as `fetch` does.

        Who waits may be cancelled; the others who wait for the same answer get it all the same.
        """
        asked = self._asked.get((url, validators))
        if asked is None:
            asked = self._asked[url, validators] = asyncio.get_running_loop().create_future()
            self._tasks.spawn(self._fetch(url, validators, asked), name=f"fetch {url}")
        answer = await asyncio.shield(asked)
        if isinstance(answer, CrlError):
            raise CrlError(*answer.args) from answer
        return answer

    async def _fetch(
        self, url: str, validators: Validators, asked: "asyncio.Future[_Answer | CrlError]"
    ) -> None:
        answer: _Answer | CrlError
        try:
            answer = await fetch(url, self._limits, validators=validators, progress=self._progress)
        except CrlError as error:
            answer = error
        except BaseException:
            asked.cancel()
            raise
        asked.set_result(answer)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._tasks.close()
        self._asked.clear()
