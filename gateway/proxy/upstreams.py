"""The mail servers behind the gateway, and which of them a mailbox is served by."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from gateway.config import Config
from gateway.config_limits import Limits
from gateway.config_upstream import Upstream
from gateway.core.location import origin
from gateway.core.mailbox import Mailbox
from gateway.credentials.upstream_user import Credentials, credentials
from gateway.errors import ConfigError, UpstreamError
from gateway.proxy.bodies import BodyLimits
from gateway.proxy.hosts import UpstreamHosts
from gateway.proxy.outgoing import Buffered
from gateway.tasks import Tasks

MOVE_SECONDS = 60.0
"""How long a mailbox that a mail server sent elsewhere stays there, whatever the servers say."""

_MOST_MOVES = 20_000

Changed = Callable[[str, str, bool, str], None]
"""Told of an upstream's name, a host's URL, whether it is up, and why not."""


@dataclass(frozen=True, slots=True)
class UpstreamService:
    """One mail server and how it is spoken to.

    Attributes:
        path: of ActiveSync there.
        buffered: counts what is held of requests that are read whole; None where they are not.
        bodies: how large a request body may be.
    """

    name: str
    settings: Upstream
    hosts: UpstreamHosts
    path: bytes
    credentials: Credentials
    buffered: Buffered | None
    bodies: BodyLimits
    response_timeout_seconds: float


class Upstreams:
    """All of them; the configuration says which are there, the store which one a mailbox has.

    Attributes:
        default: serves the mailboxes that name none.
    """

    def __init__(
        self, services: Sequence[UpstreamService], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`services` are one at least, in the order of the configuration."""
        self.services = tuple(services)
        self.default = next((s for s in services if s.settings.default), services[0])
        self._by_name = {service.name: service for service in services}
        self._by_origin = _by_origin(services)
        self._moves: dict[str, tuple[UpstreamService, float]] = {}
        self._clock = clock

    def of(self, mailbox: Mailbox) -> UpstreamService:
        """The mail server of a mailbox; raises UpstreamError if the configuration has it not."""
        if self._moves:
            moved = self._moved(mailbox)
            if moved is not None:
                return moved
        if mailbox.upstream is None:
            return self.default
        service = self._by_name.get(mailbox.upstream)
        if service is None:
            raise UpstreamError(
                f"{mailbox.upn} is on the upstream {mailbox.upstream!r}, which no [[upstream]] is"
            )
        return service

    def find(self, location: str) -> UpstreamService | None:
        """The mail server that a URL leads to; None for every other place."""
        place = origin(location)
        return None if place is None else self._by_origin.get(place)

    def move(self, mailbox: Mailbox, to: UpstreamService) -> bool:
        """From now on `to` serves the mailbox, and for a minute whatever the store says.

        False, and all is as it was, if it was moved within the last minute: servers that send a
        mailbox to each other would do so for ever.
        """
        if self._moved(mailbox) is not None:
            return False
        if len(self._moves) >= _MOST_MOVES:
            self._moves.clear()
        self._moves[mailbox.key] = (to, self._clock())
        return True

    def urls(self) -> Sequence[tuple[str, str]]:
        """All hosts, each by the name of its upstream and its URL."""
        return [(s.name, pool.url) for s in self.services for pool in s.hosts.pools]

    async def keep(self) -> None:
        """As `UpstreamHosts.keep`, of all."""
        await asyncio.gather(*(service.hosts.keep() for service in self.services))

    async def resolve(self) -> Sequence[str]:
        """As `UpstreamHosts.resolve`, of all; what went wrong, a sentence each."""
        problems = []
        for service in self.services:
            try:
                await service.hosts.resolve()
            except UpstreamError as error:
                problems.append(str(error))
        return problems

    def sweep(self, now: float) -> None:
        """Close connections that have been idle for long enough; `now` is monotonic seconds."""
        for service in self.services:
            service.hosts.sweep(now)

    def close(self) -> None:
        """Close what is idle."""
        for service in self.services:
            service.hosts.close()

    def _moved(self, mailbox: Mailbox) -> UpstreamService | None:
        found = self._moves.get(mailbox.key)
        if found is None:
            return None
        if self._clock() - found[1] > MOVE_SECONDS:
            del self._moves[mailbox.key]
            return None
        return found[0]


def build_upstreams(config: Config, tasks: Tasks, changed: Changed) -> Upstreams:
    """The mail servers; raises ConfigError if there is none or one cannot be used."""
    if not config.upstream:
        raise ConfigError("upstream: name the mail server in an [[upstream]] table")
    buffered = Buffered(config.limits.buffered_bytes)
    return Upstreams(
        [_service(one, config.limits, buffered, tasks, changed) for one in config.upstream]
    )


def _service(
    upstream: Upstream, limits: Limits, buffered: Buffered, tasks: Tasks, changed: Changed
) -> UpstreamService:
    buffers = upstream.request_body == "buffer"
    return UpstreamService(
        name=upstream.name,
        settings=upstream,
        hosts=UpstreamHosts(upstream, tasks, partial(changed, upstream.name)),
        path=upstream.path.encode("ascii"),
        credentials=credentials(upstream),
        buffered=buffered if buffers else None,
        bodies=BodyLimits.of(limits, upstream),
        response_timeout_seconds=upstream.response_timeout_seconds,
    )


def _by_origin(services: Sequence[UpstreamService]) -> dict[str, UpstreamService]:
    """By the origins of `locations` first: a host may be of several."""
    found: dict[str, UpstreamService] = {}
    for service in services:
        found.update(dict.fromkeys(service.settings.other_origins, service))
    for service in services:
        for url in service.settings.hosts:
            if (place := origin(url)) is not None:
                found.setdefault(place, service)
    return found
