"""How a device is shown, and what it may do by all that is known of it."""

from dataclasses import dataclass
from typing import Self

from gateway.cli.serial_number import serial_text
from gateway.core.decision import Deny
from gateway.core.device import Device, Wipe, WipeKind, WipeState
from gateway.core.device_access import DeviceFacts, DevicePolicy, judge_device
from gateway.core.mailbox import Mailbox
from gateway.store.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class DeviceView:
    """A device, and why it may not sync; None if it may."""

    device: Device
    denial: Deny | None

    @classmethod
    def of(cls, device: Device, snapshot: Snapshot, policy: DevicePolicy) -> Self:
        """As the device is judged when it says what it said last."""
        key = device.mailbox_key
        mailbox = snapshot.find_by_upn(key) or Mailbox(key)
        facts = DeviceFacts(mailbox, device.device_id, certificate=device.certificate)
        return cls(device, judge_device(facts, snapshot.devices, policy))

    @property
    def access(self) -> str:
        """In one word."""
        return "allowed" if self.denial is None else self.denial.reason.value

    @property
    def wipe(self) -> str | None:
        """In two words; None if there is none."""
        return wipe_words(self.device.wipe)

    def pairs(self) -> list[tuple[str, object]]:
        """Each name and value, for people."""
        device, certificate = self.device, self.device.certificate
        own = device.access.value if device.access else None
        wipe = self.wipe
        return [
            ("device id", device.device_id),
            ("mailbox", device.mailbox_key),
            ("type", device.device_type),
            ("model", device.model),
            ("os", device.os),
            ("user agent", device.user_agent),
            ("protocol version", device.protocol_version),
            ("policy key", device.policy_key),
            ("certificate", certificate and serial_text(certificate.serial_number)),
            ("its CA", certificate and certificate.issuer_id),
            ("first seen", device.first_seen),
            ("last seen", device.last_seen),
            ("personal access", own),
            ("wipe", wipe and f"{wipe} since {device.wipe.at}"),
            ("access", self.access if self.denial is None else self._refusal()),
        ]

    def _refusal(self) -> str:
        return f"{self.access}: {self.denial.detail if self.denial else ''}"

    def to_json(self) -> dict[str, object]:
        """The same for programs."""
        device, certificate, wipe = self.device, self.device.certificate, self.device.wipe
        return {
            "deviceId": device.device_id,
            "mailbox": device.mailbox_key,
            "type": device.device_type,
            "model": device.model,
            "os": device.os,
            "userAgent": device.user_agent,
            "protocolVersion": device.protocol_version,
            "policyKey": device.policy_key,
            "certificate": certificate
            and {
                "serialNumber": f"{certificate.serial_number:#x}",
                "issuer": certificate.issuer_id,
                "notBefore": certificate.not_before,
            },
            "firstSeen": device.first_seen,
            "lastSeen": device.last_seen,
            "personalAccess": device.access and device.access.value,
            "wipe": {"state": wipe.state.value, "kind": wipe.kind.value, "at": wipe.at},
            "allowed": self.denial is None,
            "reason": self.denial and self.denial.reason.value,
            "detail": self.denial and self.denial.detail,
        }


def wipe_words(wipe: Wipe) -> str | None:
    """How far a wipe has come, and of what if not of the whole device."""
    if wipe.state is WipeState.NONE:
        return None
    kind = " (account only)" if wipe.kind is WipeKind.ACCOUNT_ONLY else ""
    return f"{wipe.state.value}{kind}"
