"""The counters of one worker: plain numbers that the hot path adds to directly.

There are no locks and no shared memory: a worker is one thread, and once a second it sends all its
totals to the control process.
"""

import os
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self, TypeVar

from gateway.core.reasons import Reason

_Key = TypeVar("_Key")

ALLOW: Final = "ALLOW"
OTHER: Final = "other"

HANDSHAKE_OUTCOMES: Final = (
    "ok",
    "timeout",
    "not_tls",
    "no_certificate",
    "untrusted_chain",
    "outside_validity",
    "not_client_auth",
    "weak_key",
    OTHER,
)

CONNECTION_REFUSALS: Final = ("connections", "address", "certificate", "overload", "proxy_protocol")
"""Why a connection is not taken: limits.connections, limits.connections_address, .._certificate, an
unknown phone under overload, or no right PROXY protocol header."""

COMMANDS: Final = frozenset(
    (
        "Sync",
        "SendMail",
        "SmartForward",
        "SmartReply",
        "GetAttachment",
        "GetHierarchy",
        "CreateCollection",
        "DeleteCollection",
        "MoveCollection",
        "FolderSync",
        "FolderCreate",
        "FolderDelete",
        "FolderUpdate",
        "MoveItems",
        "GetItemEstimate",
        "MeetingResponse",
        "Search",
        "Settings",
        "Ping",
        "ItemOperations",
        "Provision",
        "ResolveRecipients",
        "ValidateCert",
        "Find",
        "Autodiscover",
        "OPTIONS",
    )
)
"""The commands of MS-ASHTTP section 2.2.1.1.1.2.1, Find (MS-ASCMD), Autodiscover and OPTIONS: the
only labels there are, as a client may write any word into its query."""

LATENCY_BOUNDS: Final = (
    0.0001,
    0.00025,
    0.0005,
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
)
"""Upper bounds of the histogram's buckets, in seconds; one more bucket has no bound."""

_MOST_REQUEST_KEYS = 1000
"""Keeps a snapshot within one message, whatever statuses an upstream makes up."""


def _latency_counts() -> list[int]:
    return [0] * (len(LATENCY_BOUNDS) + 1)


def _handshakes() -> dict[str, int]:
    return dict.fromkeys(HANDSHAKE_OUTCOMES, 0)


def _refusals() -> dict[str, int]:
    return dict.fromkeys(CONNECTION_REFUSALS, 0)


def _decisions() -> dict[str, int]:
    return dict.fromkeys((ALLOW, *(reason.value for reason in Reason)), 0)


@dataclass(slots=True)
class Counters:
    """Absolute totals since the worker began, and the gauges of this moment.

    Attributes:
        connections_accepted: TCP connections taken.
        connections_open: gauge; those alive now.
        held_requests: gauge; Pings, and Syncs that ask to be held, that wait for the upstream now.
        handshakes: by outcome, one of `HANDSHAKE_OUTCOMES`.
        decisions: by `ALLOW` or the name of the reason.
        requests: by (command, status); see `count_request`.
        latency_counts: requests in each bucket of `LATENCY_BOUNDS`, not cumulative.
        latency_sum: seconds the gateway added to all of them together.
        audit_dropped: audit records that found the pipe full.
        loop_lag_seconds: gauge; how late the event loop ran a timer last.
        upstream_hosts: gauge; whether each host is up, by its upstream's name and its URL.
        connections_refused: by cause, one of `CONNECTION_REFUSALS`.
        pings_ended: held Pings that a newer one of the same device ended.
        bus_dropped: messages to other workers that found a full pipe.
        limits_unshared: devices, mailboxes, certificates and addresses that found no place in the
            memory of the node, so that this worker counted them alone.
        shedding: gauge; whether unknown phones are refused because there is too much to do.
        serves: gauge; whether anybody can be let in: a root CA is known, and the state is fresh.
    """

    connections_accepted: int = 0
    connections_open: int = 0
    held_requests: int = 0
    handshakes: dict[str, int] = field(default_factory=_handshakes)
    decisions: dict[str, int] = field(default_factory=_decisions)
    requests: dict[tuple[str, int], int] = field(default_factory=dict)
    latency_counts: list[int] = field(default_factory=_latency_counts)
    latency_sum: float = 0.0
    audit_dropped: int = 0
    loop_lag_seconds: float = 0.0
    upstream_hosts: dict[tuple[str, str], bool] = field(default_factory=dict)
    connections_refused: dict[str, int] = field(default_factory=_refusals)
    pings_ended: int = 0
    bus_dropped: int = 0
    limits_unshared: int = 0
    shedding: bool = False
    serves: bool = True

    def count_request(self, command: str, status: int) -> None:
        """Add one request; a command that no protocol document names counts as `OTHER`."""
        requests, key = self.requests, (command, status)
        if key in requests:
            requests[key] += 1
            return
        if command not in COMMANDS:
            key = (OTHER, status)
        if key not in requests and len(requests) >= _MOST_REQUEST_KEYS:
            key = (OTHER, 0)
        requests[key] = requests.get(key, 0) + 1

    def observe_latency(self, seconds: float) -> None:
        """Add one request's latency to the histogram."""
        self.latency_counts[bisect_left(LATENCY_BOUNDS, seconds)] += 1
        self.latency_sum += seconds

    def add_totals(self, gone: "Counters") -> None:
        """Add the totals of a worker that is no more; gauges stay as they are."""
        self.connections_accepted += gone.connections_accepted
        self.audit_dropped += gone.audit_dropped
        self.latency_sum += gone.latency_sum
        for position, count in enumerate(gone.latency_counts):
            self.latency_counts[position] += count
        self.pings_ended += gone.pings_ended
        self.bus_dropped += gone.bus_dropped
        self.limits_unshared += gone.limits_unshared
        _add(self.connections_refused, gone.connections_refused)
        _add(self.handshakes, gone.handshakes)
        _add(self.decisions, gone.decisions)
        _add(self.requests, gone.requests)

    def snapshot(self) -> dict[str, Any]:
        """All of it as JSON has it, and the process id, which tells a worker's lives apart."""
        return {
            "pid": os.getpid(),
            "connections_accepted": self.connections_accepted,
            "connections_open": self.connections_open,
            "held_requests": self.held_requests,
            "handshakes": dict(self.handshakes),
            "decisions": dict(self.decisions),
            "requests": [[*key, count] for key, count in self.requests.items()],
            "latency_counts": list(self.latency_counts),
            "latency_sum": self.latency_sum,
            "audit_dropped": self.audit_dropped,
            "loop_lag_seconds": self.loop_lag_seconds,
            "upstream_hosts": [[*key, up] for key, up in self.upstream_hosts.items()],
            "connections_refused": dict(self.connections_refused),
            "pings_ended": self.pings_ended,
            "bus_dropped": self.bus_dropped,
            "limits_unshared": self.limits_unshared,
            "shedding": self.shedding,
            "serves": self.serves,
        }

    @classmethod
    def from_snapshot(cls, values: Mapping[str, Any]) -> Self:
        """The counters that `snapshot` described; raises ValueError if it did not make `values`."""
        try:
            counters = cls(
                connections_accepted=int(values["connections_accepted"]),
                connections_open=int(values["connections_open"]),
                held_requests=int(values["held_requests"]),
                requests={(str(c), int(s)): int(count) for c, s, count in values["requests"]},
                latency_counts=[int(count) for count in values["latency_counts"]],
                latency_sum=float(values["latency_sum"]),
                audit_dropped=int(values["audit_dropped"]),
                loop_lag_seconds=float(values["loop_lag_seconds"]),
                upstream_hosts={
                    (str(n), str(u)): bool(up) for n, u, up in values["upstream_hosts"]
                },
                pings_ended=int(values["pings_ended"]),
                bus_dropped=int(values["bus_dropped"]),
                limits_unshared=int(values["limits_unshared"]),
                shedding=bool(values["shedding"]),
                serves=bool(values["serves"]),
            )
            counters.handshakes.update(_counts(values["handshakes"]))
            counters.connections_refused.update(_counts(values["connections_refused"]))
            counters.decisions.update(_counts(values["decisions"]))
        except (KeyError, TypeError, AttributeError, OverflowError) as error:
            raise ValueError(f"not a snapshot of counters: {error!r}") from error
        if len(counters.latency_counts) != len(LATENCY_BOUNDS) + 1:
            raise ValueError("not a snapshot of counters: another number of latency buckets")
        return counters


def _counts(values: Mapping[str, Any]) -> dict[str, int]:
    return {str(name): int(count) for name, count in values.items()}


def _add(totals: dict[_Key, int], more: Mapping[_Key, int]) -> None:
    for key, count in more.items():
        totals[key] = totals.get(key, 0) + count
