"""What the control process does with each message of the telemetry channel."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import structlog

from gateway.admin.reports import Reports
from gateway.core.device import WipeState
from gateway.runtime.device_inbox import read_device, read_wipe
from gateway.store.certificates import SeenCertificate
from gateway.store.devices import DeviceEvent
from gateway.telemetry.audit import AuditRecord
from gateway.telemetry.messages import Kind

_log = structlog.get_logger()


class Inbox:
    """Sends each message where it belongs; one that is not ours is logged and forgotten.

    `audit`, `seen`, `devices` and `route` take what is to be stored; the last one a mailbox's key
    and the name of its upstream.
    """

    def __init__(
        self,
        *,
        reports: Reports,
        audit: Callable[[AuditRecord], None],
        seen: Callable[[SeenCertificate], None],
        devices: Callable[[DeviceEvent], None],
        route: Callable[[tuple[str, str]], None],
    ) -> None:
        self._route = route
        self._audit = audit
        self._seen = seen
        self._devices = devices
        self._receivers: Mapping[str, Callable[[Mapping[str, Any]], None]] = {
            Kind.AUDIT.value: self._receive_audit,
            Kind.COUNTERS.value: reports.receive_counters,
            Kind.DEVICE.value: self._receive_device,
            Kind.LOG.value: _receive_log,
            Kind.RELOAD.value: reports.receive_reload,
            Kind.RESTARTS.value: reports.receive_restarts,
            Kind.ROUTE.value: self._receive_route,
            Kind.SEEN.value: self._receive_seen,
            Kind.WIPE.value: self._receive_wipe,
        }

    def receive(self, message: Mapping[str, Any]) -> None:
        """Take one message."""
        receive = self._receivers.get(str(message.get("kind")), _refuse)
        try:
            receive(message)
        except ValueError as error:
            _log.warning("channel.unreadable", detail=str(error)[:500])

    def _receive_audit(self, message: Mapping[str, Any]) -> None:
        record = AuditRecord.from_json(message)
        write = _log.info if record.decision == "allow" else _log.warning
        write(f"request.{'allowed' if record.decision == 'allow' else 'denied'}", **_known(record))
        self._audit(record)

    def _receive_seen(self, message: Mapping[str, Any]) -> None:
        try:
            at = datetime.fromisoformat(message["at"])
            seen = SeenCertificate(
                issuer_id=str(message["issuer_id"]),
                serial_number=int(message["serial"], 16),
                mailbox_key=str(message["mailbox_key"]),
                subject=str(message["subject"]),
                fingerprint=str(message["fingerprint"]),
                not_before=datetime.fromisoformat(message["not_before"]),
                not_after=datetime.fromisoformat(message["not_after"]),
                first_seen=at,
                last_seen=at,
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"not a seen certificate: {error!r}") from error
        self._seen(seen)

    def _receive_device(self, message: Mapping[str, Any]) -> None:
        self._devices(read_device(message))

    def _receive_wipe(self, message: Mapping[str, Any]) -> None:
        progress = read_wipe(message)
        write = _log.error if progress.state is WipeState.FAILED else _log.warning
        write(
            f"device.wipe.{progress.state.value}",
            mailbox=progress.mailbox_key,
            device_id=progress.device_id,
            at=progress.at.isoformat(),
        )
        self._devices(progress)

    def _receive_route(self, message: Mapping[str, Any]) -> None:
        key, upstream = message.get("mailbox_key"), message.get("upstream")
        if not isinstance(key, str) or not isinstance(upstream, str):
            raise ValueError("not a mailbox and its upstream")  # noqa: TRY004 (of the message)
        self._route((key, upstream))


def _refuse(message: Mapping[str, Any]) -> None:
    raise ValueError(f"a message of kind {message.get('kind')!r}")


def _receive_log(message: Mapping[str, Any]) -> None:
    own = {"kind", "event", "level"}
    fields = {name: value for name, value in message.items() if name not in own}
    writers = {"warning": _log.warning, "error": _log.error}
    write = writers.get(str(message.get("level")), _log.info)
    write(str(message.get("event")), **fields)


def _known(record: AuditRecord) -> dict[str, Any]:
    """The fields of `record` that say something."""
    values = record.to_json()
    del values["decision"]
    return {name: value for name, value in values.items() if value}
