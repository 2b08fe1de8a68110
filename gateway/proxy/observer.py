"""What happens in the data plane, counted and handed on; nothing here can block."""

import time
from collections.abc import Hashable, Iterable
from dataclasses import replace
from datetime import UTC, datetime

from gateway.core.certificate import ClientCertificate
from gateway.core.decision import Deny
from gateway.core.device import Device, WipeProgress
from gateway.core.mailbox import Mailbox
from gateway.core.reasons import ANSWERS, Reason
from gateway.telemetry.audit import AuditRecord, new_reference
from gateway.telemetry.channel import Sender
from gateway.telemetry.counters import Counters
from gateway.telemetry.messages import (
    Level,
    audit_message,
    counters_message,
    device_message,
    log_message,
    route_message,
    seen_message,
    wipe_message,
)
from gateway.tls.session import HandshakeFailure

_TELL_AGAIN_SECONDS = 3600.0
_NEW_SECONDS = 5.0
_MOST_TOLD = 20_000
_QUIET_SECONDS = 1.0


class Observer:
    """The worker's counters and its end of the telemetry channel."""

    def __init__(self, counters: Counters, sender: Sender, worker: int) -> None:
        self.counters = counters
        self._sender = sender
        self._worker = worker
        self._quiet_until: dict[str, float] = {}
        self._told_until: dict[tuple[str, int, str], float] = {}
        self._said_until: dict[tuple[Hashable, ...], float] = {}
        self._told_devices: dict[tuple[str, str], tuple[float, Device]] = {}

    def handshake(self, failure: HandshakeFailure, address: str) -> None:
        """One line for a handshake that came to nothing."""
        counts = self.counters.handshakes
        counts[failure.outcome] = counts.get(failure.outcome, 0) + 1
        self.log("handshake.failed", address, outcome=failure.outcome, detail=failure.detail)

    def connection_refused(self, cause: str, address: str, detail: str) -> None:
        """Count a connection that is not taken; one line says so, of each cause once a second."""
        counts = self.counters.connections_refused
        counts[cause] = counts.get(cause, 0) + 1
        now = time.monotonic()
        if detail and now >= self._quiet_until.get(cause, now):
            self._quiet_until[cause] = now + _QUIET_SECONDS
            self.log("connection.refused", address, cause=cause, detail=detail)

    def denied(self, denial: Deny, **about: str) -> str:
        """Record a denial; its reference id is for the client."""
        self.counters.decisions[denial.reason] += 1
        if denial.reason is Reason.NO_CERTIFICATE:
            # Whoever passes by could fill the audit trail, and nobody is known by the record.
            return self.refused(ANSWERS[denial.reason].status, denial.detail, **about)
        return self._record("deny", denial.reason, denial.detail, about)

    def verdict(self, **about: str) -> str:
        """Record a newly made verdict that allows; those from the cache are only counted.

        The answer is its reference id.
        """
        return self._record("allow", "", "", about)

    def seen(self, certificate: ClientCertificate, *, issuer_id: str, mailbox_key: str) -> None:
        """Tell that a certificate was let in for a mailbox, once an hour at most for each."""
        now = time.monotonic()
        key = (issuer_id, certificate.serial_number, mailbox_key)
        if now < self._told_until.get(key, now):
            return
        if len(self._told_until) >= _MOST_TOLD:
            self._told_until.clear()
        self._told_until[key] = now + _TELL_AGAIN_SECONDS
        self._sender.send(
            seen_message(
                certificate, issuer_id=issuer_id, mailbox_key=mailbox_key, at=datetime.now(UTC)
            )
        )

    def routed(self, mailbox: Mailbox, before: str, upstream: str) -> None:
        """A mail server sent a mailbox to another one, which is to serve it in all workers."""
        self._sender.send(route_message(mailbox.key, upstream))
        self.log("mailbox.routed", "", mailbox=mailbox.upn, upstream=upstream, before=before)

    def device(self, seen: Device, *, registered: bool) -> None:
        """Tell of a device once an hour at most, unless it says what it did not say before.

        One that the registry does not have is told of again soon.
        """
        now, name = time.monotonic(), (seen.mailbox_key, seen.key)
        until, before = self._told_devices.get(name, (now, None))
        news = seen if before is None else before.seen_again(seen)
        same = before is not None and replace(news, last_seen=before.last_seen) == before
        if same and now < (until if registered else until - _TELL_AGAIN_SECONDS + _NEW_SECONDS):
            return
        if len(self._told_devices) >= _MOST_TOLD:
            self._told_devices.clear()
        self._told_devices[name] = now + _TELL_AGAIN_SECONDS, news
        self._sender.send(device_message(seen))

    def knows(self, saying: tuple[Hashable, ...]) -> bool:
        """Whether just this was asked about within the last hour: then it has been told."""
        now = time.monotonic()
        if now < self._said_until.get(saying, now):
            return True
        if len(self._said_until) >= _MOST_TOLD:
            self._said_until.clear()
        self._said_until[saying] = now + _TELL_AGAIN_SECONDS
        return False

    def wiped(self, progress: WipeProgress) -> bool:
        """Tell what became of a wipe; False if that is not on its way to the record."""
        return self._sender.send(wipe_message(progress))

    def refused(self, status: int, detail: str, **about: str) -> str:
        """Log a request that could not be taken; its reference id is for the client."""
        reference = new_reference()
        self.log(
            "request.refused",
            about["client_address"],
            reference=reference,
            status=str(status),
            detail=detail,
            serial=about.get("serial", ""),
            mailbox=about.get("mailbox", ""),
        )
        return reference

    def hosts(self, urls: Iterable[tuple[str, str]]) -> None:
        """These are the hosts of mail servers from now on, each by upstream and URL; all are up."""
        self.counters.upstream_hosts = dict.fromkeys(urls, True)

    def host(self, upstream: str, url: str, up: bool, detail: str) -> None:  # noqa: FBT001 (a state)
        """A host went down or came up."""
        hosts = self.counters.upstream_hosts
        if (upstream, url) not in hosts:
            return  # the configuration has it no more
        hosts[upstream, url] = up
        self.log(
            "upstream.host_up" if up else "upstream.host_down",
            "",
            level="info" if up else "warning",
            upstream=upstream,
            host=url,
            detail=detail,
        )

    def log(self, event: str, address: str, *, level: Level = "info", **fields: str) -> None:
        """One log line, written by the control process."""
        self._sender.send(
            log_message(self._worker, event, level=level, client_address=address, **fields)
        )

    def say(self, event: str, detail: str) -> None:
        """One log line about this worker, which operations should see."""
        self.log(event, "", level="warning", detail=detail)

    def flush(self) -> None:
        """Send all totals as of now."""
        self._sender.send(counters_message(self._worker, self.counters))

    def _record(self, decision: str, reason: str, detail: str, about: dict[str, str]) -> str:
        reference = new_reference()
        record = AuditRecord(
            at=datetime.now(UTC),
            reference=reference,
            decision="allow" if decision == "allow" else "deny",
            reason=reason,
            detail=detail,
            worker=self._worker,
            **about,
        )
        if not self._sender.send(audit_message(record)):
            self.counters.audit_dropped += 1
        return reference
