"""The Provision requests of a phone and the gateway's half of the remote wipe (MS-ASPROV).

A phone that was told to provision sends an empty Provision, or one that asks for the policy; while
a wipe is pending, either is answered with the directive (section 3.2.5.1.1). The phone answers in
its next Provision with a status inside the same element and does not wait for what it gets back
(sections 3.1.5.1.2.2 and 3.1.5.1.2.3); it is told what was recorded (section 3.2.5.1.2.2).
RemoteWipe asks for the whole device back at factory settings and exists in every version;
AccountOnlyRemoteWipe asks for what came from this server alone and exists in 16.1 only.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from gateway.core.device import WipeKind
from gateway.core.eas_device_information import DeviceInformation, device_information
from gateway.core.wbxml import SMALL_LIMITS, Element, decode, element, encode
from gateway.errors import WbxmlError

_SUCCESS, _PROTOCOL_ERROR = "1", "2"


_TAGS: Final[Mapping[WipeKind, str]] = MappingProxyType(
    {
        WipeKind.FULL: "Provision:RemoteWipe",
        WipeKind.ACCOUNT_ONLY: "Provision:AccountOnlyRemoteWipe",
    }
)


class ProvisionStep(enum.Enum):
    """What a Provision request is for (MS-ASPROV section 3.1.5.1)."""

    EMPTY = "empty"
    POLICY_REQUEST = "policy request"
    POLICY_ACKNOWLEDGEMENT = "policy acknowledgement"
    WIPE_ACKNOWLEDGEMENT = "wipe acknowledgement"


@dataclass(frozen=True, slots=True)
class ProvisionRequest:
    """One Provision request.

    Attributes:
        step: what it is for.
        wipe: which wipe it acknowledges; None unless that is what it is for.
        succeeded: whether the phone says that the wipe or the policy that it acknowledges was
            carried out in full; False for requests that acknowledge nothing.
        device: what it says of itself, None if nothing.
    """

    step: ProvisionStep = ProvisionStep.EMPTY
    wipe: WipeKind | None = None
    succeeded: bool = False
    device: DeviceInformation | None = None


class WipeOutcome(enum.Enum):
    """Where a wipe stands when its answer has gone out."""

    DIRECTED = "directed"
    ACKNOWLEDGED = "acknowledged"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class WipeAnswer:
    """The body of the answer, and what to record."""

    body: bytes
    outcome: WipeOutcome


def can_be_told(kind: WipeKind, protocol_version: str | None) -> bool:
    """Whether a phone that speaks this version can be told to do this wipe."""
    return kind is WipeKind.FULL or protocol_version == "16.1"


def read_provision(body: bytes) -> ProvisionRequest:
    """Return what the body of a Provision request asks for or acknowledges.

    No body counts as the empty Provision. Elements that are not known are passed over.

    Raises:
        WbxmlError: the body is no WBXML document, is larger than 64 KiB or has another root.
    """
    if not body:
        return ProvisionRequest()
    root = decode(body, SMALL_LIMITS)
    if root.tag != "Provision:Provision":
        raise WbxmlError(f"the body of a Provision request is a {root.tag}")
    device = device_information(root)
    for wipe, tag in _TAGS.items():
        status = root.text_at(tag, "Provision:Status")
        if status is not None:
            done = status.strip() == _SUCCESS
            return ProvisionRequest(ProvisionStep.WIPE_ACKNOWLEDGEMENT, wipe, done, device)
    policy = root.find("Provision:Policies", "Provision:Policy")
    if policy is None:
        return ProvisionRequest(device=device)
    status = policy.text_at("Provision:Status")
    if status is None:
        return ProvisionRequest(ProvisionStep.POLICY_REQUEST, device=device)
    done = status.strip() == _SUCCESS
    return ProvisionRequest(ProvisionStep.POLICY_ACKNOWLEDGEMENT, succeeded=done, device=device)


def wipe_answer(request: ProvisionRequest, pending: WipeKind) -> WipeAnswer:
    """Return what the phone gets while `pending` is pending, and what came of it.

    The acknowledgement of a success gets Status 1; that of a failure gets Status 2 and the
    directive again. Whatever else it sends gets the directive, the acknowledgement of the other
    wipe included: it was given before the administrator asked for this one.
    """
    directive = element(_TAGS[pending])
    if request.wipe is not pending:
        return WipeAnswer(_provision(_SUCCESS, directive), WipeOutcome.DIRECTED)
    if request.succeeded:
        return WipeAnswer(_provision(_SUCCESS), WipeOutcome.ACKNOWLEDGED)
    return WipeAnswer(_provision(_PROTOCOL_ERROR, directive), WipeOutcome.FAILED)


def _provision(status: str, *more: Element) -> bytes:
    return encode(element("Provision:Provision", element("Provision:Status", status), *more))
