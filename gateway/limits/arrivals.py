"""Connections: how many of one address and one certificate, and who waits under overload."""

import time
from ipaddress import IPv6Address
from typing import Final, NamedTuple

from gateway.config_limits import Limits
from gateway.limits.counts import ONE, Count, Counts
from gateway.limits.shedding import Load, Shedding

KNOWN_SECONDS: Final = 3600.0
"""How long the address and the certificate of a phone that was let in stay known after it left."""

_SITE_BITS: Final = 64


class Refusal(NamedTuple):
    """Why a connection is not taken.

    Attributes:
        cause: a label of the metric.
        detail: a sentence for the log; empty where that has said it once for all.
    """

    cause: str
    detail: str


def address_key(address: str) -> str:
    """What connections are counted by: an IPv4 address, or the /64 that an IPv6 address is in.

    Whoever has one address of a /64 has all of them (RFC 4291 section 2.5.1).
    """
    if ":" not in address:
        return address  # IPv4 as the kernel writes it, or what is no address
    try:
        parsed = IPv6Address(address)
    except ValueError:
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return f"{int(parsed) >> _SITE_BITS:x}/64"


class Arrivals:
    """The connections of one worker, counted together with those of the others of its node.

    Attributes:
        shedding: whether unknown phones wait.
        handshakes: connections that have not ended their handshake.
    """

    def __init__(self, counts: Counts, limits: Limits, shedding: Shedding) -> None:
        self.counts = counts
        self.limits = limits
        self.shedding = shedding
        self.handshakes = 0

    def look(self, *, lag: float, connections: int, now: float) -> None:
        """Begin or end to refuse unknown phones; to be called each second."""
        load = Load(lag=lag, connections=connections, handshakes=self.handshakes)
        self.shedding.look(load, self.limits, now)

    def is_known(self, count: Count, now: float) -> bool:
        """Whether a phone of that address or certificate was let in lately, by any worker."""
        return max(count.until, self.counts.elsewhere(count)[1]) > now

    def is_full(self, count: Count, most: int) -> bool:
        """Whether there are more connections than `most` of it in all workers; 0 is no limit."""
        return bool(most) and count.numbers + self.counts.elsewhere(count)[0] > most * ONE


class Arrival:
    """One connection, from its first byte to its end."""

    __slots__ = ("_address", "_arrivals", "_certificate", "_is_let_in", "_shaking", "doubtful")

    def __init__(self, arrivals: Arrivals) -> None:
        self._arrivals = arrivals
        self._address: Count | None = None
        self._certificate: Count | None = None
        self._is_let_in = False
        self._shaking = True
        self.doubtful = False  # it has to show that it is known
        arrivals.handshakes += 1

    def came(self, address: str) -> Refusal | None:
        """The address of its client is known now."""
        arrivals = self._arrivals
        self._address = count = arrivals.counts.take("address", address_key(address))
        self._add(count)
        if arrivals.is_full(count, arrivals.limits.connections_address):
            return Refusal("address", f"{address} has limits.connections_address of the node")
        if arrivals.shedding.on:
            self.doubtful = not arrivals.is_known(count, time.monotonic())
        return None

    def greeted(self, *, resumes: bool) -> Refusal | None:
        """Its ClientHello is there; `resumes` tells that it shows a ticket."""
        if self.doubtful and not resumes and self._arrivals.shedding.on:
            return Refusal("overload", "")
        return None

    def identified(self, fingerprint: str, *, resumed: bool) -> Refusal | None:
        """The handshake has ended with this certificate; `resumed` tells that by a ticket.

        Nobody who shows none, an empty `fingerprint`, is known by it.
        """
        arrivals = self._arrivals
        self._shaken()
        if not fingerprint:
            return Refusal("overload", "") if arrivals.shedding.on else None
        self._certificate = count = arrivals.counts.take("certificate", fingerprint)
        self._add(count)
        if arrivals.is_full(count, arrivals.limits.connections_certificate):
            return Refusal("certificate", "it has limits.connections_certificate of the node")
        known = resumed or not arrivals.shedding.on or arrivals.is_known(count, time.monotonic())
        return None if known else Refusal("overload", "")

    def let_in(self) -> None:
        """A request of it was let in: its address and its certificate are known from now on."""
        if not self._is_let_in:
            self._is_let_in = True
            self._remember()

    def gone(self) -> None:
        """It has ended."""
        self._shaken()
        if self._is_let_in:
            self._remember()
        for count in (self._address, self._certificate):
            if count is not None:
                count.numbers -= ONE
                self._arrivals.counts.tell(count)
                self._arrivals.counts.give_back(count)
        self._address = self._certificate = None

    def _add(self, count: Count) -> None:
        count.numbers += ONE
        self._arrivals.counts.tell(count)

    def _remember(self) -> None:
        until = time.monotonic() + KNOWN_SECONDS
        for count in (self._address, self._certificate):
            if count is not None:
                count.until = until
                self._arrivals.counts.tell(count)

    def _shaken(self) -> None:
        if self._shaking:
            self._shaking = False
            self._arrivals.handshakes -= 1
