"""The checks of `explain` that come after all others: the device and the command of a request."""

from collections.abc import Callable
from dataclasses import dataclass

from gateway.core.decision import Allow, Decision, Deny
from gateway.core.decision_trace import Step
from gateway.core.device import DeviceCertificate
from gateway.core.device_access import (
    DeviceFacts,
    DeviceLookup,
    DevicePolicy,
    judge_device,
    wipe_of,
)
from gateway.core.eas import EasRequest
from gateway.core.eas_caps import Caps
from gateway.core.mailbox import Mailbox
from gateway.core.names import fold


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request says of itself besides its user; None where it does not say it."""

    device_id: str | None = None
    device_type: str | None = None
    user_agent: str | None = None
    command: str | None = None


@dataclass(frozen=True, slots=True)
class RequestRules:
    """What requests are judged by."""

    lookup: DeviceLookup
    policy: DevicePolicy
    caps: Caps


def judge_asked(
    asked: Asked, decision: Decision, certificate: DeviceCertificate, rules: RequestRules
) -> tuple[Decision, tuple[Step, ...]]:
    """The decision with the request taken in, and the steps that say so."""
    checks: tuple[tuple[str, Callable[[Mailbox], str | Deny]], ...] = (
        ("device", lambda mailbox: _device(asked, mailbox, certificate, rules)),
        ("command", lambda _: _command(asked, rules)),
    )
    steps = []
    for name, check in checks:
        if not isinstance(decision, Allow):
            steps.append(Step(name, "not reached", ""))
            continue
        outcome = check(decision.mailbox)
        if isinstance(outcome, Deny):
            steps.append(Step(name, "fail", outcome.detail))
            decision = outcome
        else:
            steps.append(Step(name, "pass", outcome))
    return decision, tuple(steps)


def _device(
    asked: Asked, mailbox: Mailbox, certificate: DeviceCertificate, rules: RequestRules
) -> str | Deny:
    device_id = asked.device_id
    if device_id is None:
        return "the request names no device"
    facts = DeviceFacts(mailbox, device_id, asked.device_type, asked.user_agent, certificate)
    denial = judge_device(facts, rules.lookup, rules.policy)
    if denial is not None:
        return denial
    if rules.lookup.device(mailbox.key, fold(device_id)) is None:
        return f"{device_id} may sync; it is a new device"
    if wipe_of(facts, rules.lookup, rules.policy) is not None:
        return f"{device_id} may sync, but is to be wiped at its next request"
    return f"{device_id} may sync"


def _command(asked: Asked, rules: RequestRules) -> str | Deny:
    if asked.command is None:
        return "the request names no command"
    # Whatever its version: that one is let through, so that the command alone is judged.
    request = EasRequest(command=asked.command, protocol_version=rules.caps.max_version)
    return rules.caps.judge(request) or f"{asked.command} is let through"
