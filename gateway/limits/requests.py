"""Requests: how many, how fast, how many held, of each device and each mailbox of the node."""

import math
from dataclasses import dataclass
from typing import Final, Protocol, Self

from gateway.config_limits import Limits
from gateway.core.decision import Deny
from gateway.core.names import fold
from gateway.core.reasons import Reason
from gateway.limits.bus import Bus
from gateway.limits.counts import HELD, HELD_MASK, ONE, Count, Counts
from gateway.telemetry.counters import Counters

_BUSY_RETRY_SECONDS: Final = 10
"""When to come again after too many at once: it is not known when one of them will end."""

_MINUTE: Final = 60.0
_NOTHING: Final = (0, 0.0)


class Asking(Protocol):
    """Whose request it is."""

    @property
    def began(self) -> float:
        """When the request came, monotonic seconds."""

    def superseded(self) -> None:
        """The same device has sent a newer Ping: this one is answered now, if it is held."""


@dataclass(frozen=True, slots=True)
class Bound:
    """What is let in of one device, or of one mailbox.

    A rate is a bucket of tokens: `window` is the time in which an empty one fills, `interval` that
    in which one token comes. How full it is is one moment, that at which it would be full.

    Attributes:
        whose: device or mailbox, as the log says it.
        interval: seconds a request; 0 where there is no limit.
        window: seconds.
        concurrent: requests at once, as `Count.numbers` counts them.
        held: those of them that the mail server may hold.
    """

    whose: str
    interval: float
    window: float
    concurrent: int
    held: int

    @classmethod
    def of(cls, whose: str, *, rate: int, burst: int, concurrent: int, held: int) -> Self:
        """By the configuration, `rate` in requests a minute; 0 is no limit."""
        interval = _MINUTE / rate if rate else 0.0
        return cls(
            whose=whose,
            interval=interval,
            window=interval * max(burst, 1) if rate else math.inf,
            concurrent=(concurrent or HELD_MASK) * ONE,
            held=held or HELD_MASK,
        )

    def late(self, due: float, now: float) -> Deny:
        """The denial where the bucket has no token; `due` is when it would be full after it."""
        beyond = due - now - self.window
        key = f"limits.requests_per_minute_{self.whose}"
        return Deny(
            Reason.TOO_MANY_REQUESTS,
            f"the {self.whose} has used up its requests ({key})",
            max(1, math.ceil(beyond)),
        )

    def busy(self, numbers: int) -> Deny:
        """The denial of one more than `numbers` at once."""
        kind, of = ("held", numbers & HELD_MASK)
        if numbers >= self.concurrent:
            kind, of = ("concurrent", numbers // ONE)
        key = f"limits.{kind}_requests_{self.whose}"
        return Deny(
            Reason.TOO_MANY_REQUESTS,
            f"the {self.whose} has {of} requests under way ({key})",
            _BUSY_RETRY_SECONDS,
        )


class RequestLimits:
    """Those of one worker, which counts together with the others of its node.

    Attributes:
        counts: of all its devices and mailboxes.
        counters: where held requests are counted.
        device, mailbox: what is let in of each.
    """

    def __init__(self, counts: Counts, bus: Bus, limits: Limits, counters: Counters) -> None:
        self.counts = counts
        self.counters = counters
        self._bus = bus
        self._pings: dict[int, Asking] = {}
        self.configure(limits)

    def configure(self, limits: Limits) -> None:
        """Go by these from now on; what was counted stays counted."""
        self.device = Bound.of(
            "device",
            rate=limits.requests_per_minute_device,
            burst=limits.request_burst_device,
            concurrent=limits.concurrent_requests_device,
            held=limits.held_requests_device,
        )
        self.mailbox = Bound.of(
            "mailbox",
            rate=limits.requests_per_minute_mailbox,
            burst=limits.request_burst_mailbox,
            concurrent=limits.concurrent_requests_mailbox,
            held=limits.held_requests_mailbox,
        )

    def pings(self, device: Count, asking: Asking) -> None:
        """`device` has a new Ping: an older one ends, in whatever worker."""
        before = self._pings.get(device.digest)
        self._pings[device.digest] = asking
        if before is not None:
            before.superseded()
        if self.counts.elsewhere(device)[0] & HELD_MASK:
            self._bus.send(device.digest, asking.began)

    def pings_no_more(self, device: Count, asking: Asking | None) -> None:
        """The Ping of `asking` has ended."""
        if self._pings.get(device.digest) is asking:
            del self._pings[device.digest]

    def pinged_elsewhere(self, digest: int, moment: float) -> None:
        """Another worker has a Ping of the device since `moment`."""
        known = self._pings.get(digest)
        if known is not None and known.began < moment:
            known.superseded()


class Allowance:
    """What one connection takes of the limits of its device and its mailbox.

    `begin` before each request that is let in, `end` once after it, `close` when the connection has
    ended.
    """

    __slots__ = (
        "_asking",
        "_counts",
        "_device",
        "_device_id",
        "_limits",
        "_mailbox",
        "_mailbox_key",
        "_ping",
        "_replaced",
        "_step",
    )

    def __init__(self, limits: RequestLimits) -> None:
        self._limits = limits
        self._counts = limits.counts
        self._asking: Asking | None = None  # while a request is under way
        self._device: Count | None = None
        self._device_id: str | None = None
        self._mailbox: Count | None = None
        self._mailbox_key = ""
        self._step = ONE  # what the request adds to the numbers
        self._ping = False
        self._replaced = 0  # what the Ping adds that it ends

    def begin(
        self, mailbox_key: str, device_id: str | None, asking: Asking, *, held: bool, ping: bool
    ) -> Deny | None:
        """Count a request, or say why it is one too many.

        `held` tells that the mail server may hold it. A Ping takes the place of an older one of its
        device, which is ended.
        """
        if mailbox_key != self._mailbox_key or device_id != self._device_id:
            self._be(mailbox_key, device_id)
        self._step, self._ping, self._replaced = HELD if held else ONE, ping, 0
        device, mailbox, limits, now = self._device, self._mailbox, self._limits, asking.began
        if mailbox is None:
            raise AssertionError("a mailbox is counted once it is named")
        if device is not None and (denial := self._add(device, limits.device, now)) is not None:
            return denial
        if (denial := self._add(mailbox, limits.mailbox, now)) is not None:
            if device is not None:
                self._take_back(device)
            return denial
        self._asking = asking
        if held:
            limits.counters.held_requests += 1
        if ping and device is not None:
            limits.pings(device, asking)
        return None

    @property
    def is_held(self) -> bool:
        """Whether the request under way counts as held."""
        return self._asking is not None and self._step == HELD

    def hold(self) -> Deny | None:
        """The request under way turns out to ask to be held: count it so, or say why not."""
        if self._asking is None or self._step == HELD:
            return None
        limits, counts = self._limits, self._counts
        for one, bound in ((self._device, limits.device), (self._mailbox, limits.mailbox)):
            if one is not None:
                numbers = counts.elsewhere(one)[0] + one.numbers - self._step  # the others
                if numbers & HELD_MASK >= bound.held:
                    return bound.busy(numbers)
        for one in (self._device, self._mailbox):
            if one is not None:
                one.numbers += HELD - self._step
                counts.tell(one)
        self._step = HELD
        limits.counters.held_requests += 1
        return None

    def end(self) -> None:
        """The request that was begun last has ended, if one was; may be called again."""
        asking = self._asking
        if asking is None:
            return
        self._asking = None
        device, mailbox, step = self._device, self._mailbox, self._step
        words = self._counts.words
        if device is not None:
            device.numbers -= step
            if device.at >= 0:
                words[device.at + 1] = device.numbers
        if mailbox is not None:
            mailbox.numbers -= step
            if mailbox.at >= 0:
                words[mailbox.at + 1] = mailbox.numbers
        if step == HELD:
            self._limits.counters.held_requests -= 1
        if self._ping and device is not None:
            self._limits.pings_no_more(device, asking)

    def close(self) -> None:
        """The connection has ended."""
        self.end()
        self._give_back()

    def _be(self, mailbox_key: str, device_id: str | None) -> None:
        self.close()
        self._mailbox_key, self._device_id = mailbox_key, device_id
        counts = self._limits.counts
        self._mailbox = counts.take("mailbox", mailbox_key)
        if device_id is not None:
            # Two mailboxes of one phone are two partnerships: neither is in the other's way.
            self._device = counts.take("device", mailbox_key, fold(device_id))

    def _give_back(self) -> None:
        for one in (self._device, self._mailbox):
            if one is not None:
                self._limits.counts.give_back(one)
        self._device = self._mailbox = self._device_id = None
        self._mailbox_key = ""

    def _add(self, one: Count, bound: Bound, now: float) -> Deny | None:
        """Count one more, unless that is too many."""
        counts, step = self._counts, self._step
        numbers, until = counts.elsewhere(one) if counts.others else _NOTHING
        numbers += one.numbers
        if self._ping and one is self._device and numbers & HELD_MASK:
            self._replaced = HELD
        numbers -= self._replaced
        if until < one.until:  # noqa: PLR1730 (max() takes as long as the rest of this)
            until = one.until
        if until < now:  # noqa: PLR1730 (as above)
            until = now
        due = until + bound.interval
        if numbers >= bound.concurrent or (step == HELD and numbers & HELD_MASK >= bound.held):
            return bound.busy(numbers)
        if due - now > bound.window:
            return bound.late(due, now)
        one.before, one.until = one.until, due
        one.numbers += step
        at = one.at
        if at >= 0:
            counts.words[at + 1] = one.numbers
            counts.moments[at + 2] = due
        return None

    def _take_back(self, one: Count) -> None:
        """The request that was counted last is not let in after all."""
        one.numbers -= self._step
        one.until = one.before
        self._counts.tell(one)
