"""What a phone gets that is refused for what it is or asks, in the words of ActiveSync."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from gateway.core.decision import Deny
from gateway.core.eas import EasRequest
from gateway.core.eas_answer import DeviceRefusal, EasAnswer, refusal
from gateway.core.headers import Header
from gateway.core.reasons import Reason
from gateway.proxy.local import LocalAnswer

_REFUSALS: Final[Mapping[Reason, DeviceRefusal]] = MappingProxyType(
    {
        Reason.DEVICE_BLOCKED: DeviceRefusal.BLOCKED,
        Reason.DEVICE_QUARANTINED: DeviceRefusal.QUARANTINED,
        Reason.DEVICE_LIMIT: DeviceRefusal.TOO_MANY_DEVICES,
        Reason.DEVICE_OF_ANOTHER_MAILBOX: DeviceRefusal.BLOCKED,
        Reason.COMMAND_NOT_ALLOWED: DeviceRefusal.COMMAND_NOT_ALLOWED,
        Reason.PROTOCOL_VERSION_NOT_ALLOWED: DeviceRefusal.VERSION_NOT_ALLOWED,
    }
)
_NOT_KEPT: Final[Header] = (b"Cache-Control", b"no-store")


def in_schema(
    denial: Deny, request: EasRequest, versions: Sequence[str] = ()
) -> LocalAnswer | None:
    """The denial as an answer to the command that was asked; None for reasons that have none.

    A phone whose version is refused is told `versions`, and then asks which ones there are.
    """
    meaning = _REFUSALS.get(denial.reason)
    if meaning is None:
        return None
    answer = refusal(
        meaning, request.command, request.protocol_version, supported_versions=versions
    )
    return as_local(answer, denial)


def wipe_first(denial: Deny, request: EasRequest) -> LocalAnswer:
    """Tells the device to send Provision, by which it learns of its wipe."""
    answer = refusal(
        DeviceRefusal.WIPE_REQUESTED,
        request.command,
        request.protocol_version,
        has_policy_key=request.policy_key is not None,
    )
    return as_local(answer, denial)


def as_local(answer: EasAnswer, denial: Deny | None = None) -> LocalAnswer:
    """An answer in ActiveSync's words as one of the gateway's."""
    fields: list[Header] = [(n.encode("ascii"), v.encode("latin-1")) for n, v in answer.headers]
    if answer.content_type is not None:
        fields.append((b"Content-Type", answer.content_type.encode("ascii")))
    return LocalAnswer(answer.status, headers=(*fields, _NOT_KEPT), body=answer.body, denial=denial)
