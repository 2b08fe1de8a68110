"""What the registry of devices says about the requests of one connection."""

from collections.abc import Hashable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from gateway.core.decision import Allow, Deny, judge_user
from gateway.core.device import Device, Wipe, WipeProgress, WipeState
from gateway.core.device_access import (
    DeviceFacts,
    DeviceLookup,
    judge_device,
    may_register,
    wipe_of,
)
from gateway.core.eas import EasRequest
from gateway.core.eas_answer import wbxml_answer
from gateway.core.eas_device_information import DeviceInformation, read_device_information
from gateway.core.eas_provision import (
    ProvisionRequest,
    WipeOutcome,
    can_be_told,
    read_provision,
    wipe_answer,
)
from gateway.core.mailbox import Mailbox
from gateway.core.names import fold
from gateway.core.reasons import Reason
from gateway.core.wbxml import SMALL_LIMITS
from gateway.errors import WbxmlError
from gateway.proxy.local import Asked, LocalAnswer, Outcome, PassOn, Responder
from gateway.proxy.refusals import as_local, in_schema, wipe_first
from gateway.proxy.services import Services
from gateway.proxy.verdicts import Verdicts

Ruling = Deny | LocalAnswer | Responder | None
"""A denial; an answer; who is to look into the request; or nothing against it."""

_READ_BYTES = SMALL_LIMITS.size
_AGENT_BYTES = 256  # of a User-Agent: rules are compared with it, and it is kept for long
_MOST_SAYINGS = 16
"""Versions and policy keys that a connection reports of its device, until the verdict is made anew:
phones have one or two, and whoever names ever new ones is not to fill memory and the registry."""

_NO_DEVICE_NEEDED = frozenset({None, "OPTIONS"})
_INFORMING = frozenset({"Settings", "Provision"})

_WIPED_ALL_THE_SAME = frozenset(
    {
        Reason.MAILBOX_DISABLED,
        Reason.BEFORE_TOKEN_VALID_FROM,
        Reason.CRL_OLDER_THAN_TOKEN_VALID_FROM,
    }
)
"""Refused for its mailbox, not for its certificate: the device is who it says, and may be wiped."""

_STATES = {
    WipeOutcome.DIRECTED: WipeState.SENT,
    WipeOutcome.ACKNOWLEDGED: WipeState.ACKNOWLEDGED,
    WipeOutcome.FAILED: WipeState.FAILED,
}


@dataclass(frozen=True, slots=True)
class _Judged:
    """What is known of one device, good for one edition of the connection's verdict."""

    edition: int
    facts: DeviceFacts
    device_id: str | None
    user_agent: bytes | None
    known: Device | None
    wipe: Wipe | None
    denial: Deny | None

    @property
    def saying(self) -> tuple[Hashable, ...]:
        """All that the registry is told of the device, but for what differs between requests."""
        facts = self.facts
        return (
            facts.mailbox.key,
            facts.device_id,
            facts.device_type,
            self.user_agent,
            facts.certificate,
        )


class DeviceGate:
    """Judges the device of each request, and tells the registry of it.

    Asking again about the same device costs a few comparisons, as long as the verdict of the
    connection stands.
    """

    __slots__ = ("_judged", "_services", "_told", "_verdicts")

    def __init__(self, services: Services, verdicts: Verdicts) -> None:
        self._services = services
        self._verdicts = verdicts
        self._judged: _Judged | None = None
        self._told: frozenset[tuple[str | None, int | None]] = frozenset()

    def rule(self, request: EasRequest, verdict: Allow, user_agent: bytes | None) -> Ruling:
        """What is to become of a request of the mailbox that the verdict allows."""
        if request.device_id is None or request.command in _NO_DEVICE_NEEDED:
            return None
        self._verdicts.serves(request.device_id)
        judged = self._judge(request, verdict.mailbox, user_agent)
        self._tell(judged, request)
        if judged.wipe is not None:
            return self._wipe(judged, judged.wipe, request)
        denial = judged.denial
        if request.command in _INFORMING:
            return Responder(
                partial(self._inform, judged, denial), _READ_BYTES, larger_passes=denial is None
            )
        return denial

    def against(
        self, request: EasRequest, verdict: Allow, user_agent: bytes | None
    ) -> Deny | LocalAnswer | None:
        """What is to be said now against a request that `rule` let in."""
        if request.device_id is None or request.command in _NO_DEVICE_NEEDED:
            return None
        judged = self._judge(request, verdict.mailbox, user_agent)
        if judged.wipe is None:
            return judged.denial
        ruling = self._wipe(judged, judged.wipe, request)
        return None if isinstance(ruling, Responder) else ruling

    def last_words(
        self, request: EasRequest, denial: Deny, user_agent: bytes | None
    ) -> Deny | LocalAnswer | Responder:
        """The denial, or what brings the device to wipe itself in spite of it.

        Nothing that it asks reaches the mail server.
        """
        if (
            denial.reason not in _WIPED_ALL_THE_SAME
            or request.device_id is None
            or request.command in _NO_DEVICE_NEEDED
        ):
            return denial
        directory = self._services.judge.known[0]
        mailbox = directory.find_by_upn(self._verdicts.mailbox_upn)
        if mailbox is None or judge_user(mailbox, request.user) is not None:
            return denial
        judged = self._judge(request, mailbox, user_agent)
        if judged.wipe is None:
            return denial
        return self._wipe(judged, judged.wipe, request)

    def _judge(self, request: EasRequest, mailbox: Mailbox, user_agent: bytes | None) -> _Judged:
        last, edition = self._judged, self._verdicts.edition
        user_agent = None if user_agent is None else user_agent[:_AGENT_BYTES]
        if (
            last is not None
            and last.edition == edition
            and last.device_id == request.device_id
            and last.facts.device_type == request.device_type
            and last.user_agent == user_agent
        ):
            return last
        facts = DeviceFacts(
            mailbox=mailbox,
            device_id=request.device_id,
            device_type=request.device_type,
            user_agent=None if user_agent is None else user_agent.decode("latin-1"),
            certificate=self._verdicts.device_certificate(),
        )
        registry, policy = self._registry(), self._services.devices
        self._told = frozenset()
        self._judged = judged = _Judged(
            edition=edition,
            facts=facts,
            device_id=request.device_id,
            user_agent=user_agent,
            known=_known(facts, registry),
            wipe=wipe_of(facts, registry, policy),
            denial=judge_device(facts, registry, policy),
        )
        return judged

    def _wipe(
        self, judged: _Judged, wipe: Wipe, request: EasRequest
    ) -> Deny | LocalAnswer | Responder:
        if not can_be_told(wipe.kind, request.protocol_version):
            return Deny(
                Reason.DEVICE_BLOCKED,
                "its account is to be wiped, which it cannot be told in protocol version "
                f"{request.protocol_version}",
            )
        if request.command == "Provision":
            return Responder(
                partial(self._provision, judged.facts, wipe), _READ_BYTES, denied_too=True
            )
        return wipe_first(
            Deny(Reason.DEVICE_BLOCKED, "a remote wipe is due, and only Provision is answered"),
            request,
        )

    def _provision(self, facts: DeviceFacts, wipe: Wipe, asked: Asked) -> Outcome:
        """The gateway's half of the wipe; what came of it is on record before it is answered."""
        try:
            request = read_provision(asked.body)
        except WbxmlError:
            request = ProvisionRequest()  # whatever it says, it is told
        answer = wipe_answer(request, wipe.kind)
        progress = WipeProgress(
            facts.mailbox.key, facts.device_id or "", _STATES[answer.outcome], datetime.now(UTC)
        )
        if not self._services.observer.wiped(progress):
            return Deny(Reason.OVERLOADED, "what became of a wipe could not be put on record")
        return as_local(wbxml_answer(answer.body))

    def _inform(self, judged: _Judged, denial: Deny | None, asked: Asked) -> Outcome:
        """Read in passing what the device says of itself."""
        try:
            said = read_device_information(asked.body)
        except WbxmlError:
            said = None  # the mail server will say so
        if said is not None:
            self._send(judged, asked.request, said)
        if denial is None:
            return PassOn()
        return in_schema(denial, asked.request) or denial

    def _tell(self, judged: _Judged, request: EasRequest) -> None:
        saying = request.protocol_version, request.policy_key
        if saying not in self._told and len(self._told) < _MOST_SAYINGS:
            self._told |= {saying}
            if judged.known is None or not self._services.observer.knows((*judged.saying, *saying)):
                self._send(judged, request, DeviceInformation())

    def _send(self, judged: _Judged, request: EasRequest, said: DeviceInformation) -> None:
        facts = judged.facts
        if not may_register(judged.denial) or facts.device_id is None:
            return
        now = datetime.now(UTC)
        seen = Device(
            facts.mailbox.key,
            facts.device_id,
            first_seen=now,
            last_seen=now,
            device_type=facts.device_type,
            model=said.model,
            os=said.os,
            user_agent=facts.user_agent,
            protocol_version=request.protocol_version,
            policy_key=request.policy_key,
            certificate=facts.certificate,
        )
        self._services.observer.device(seen, registered=judged.known is not None)

    def _registry(self) -> DeviceLookup:
        return self._services.judge.known[0].devices


def _known(facts: DeviceFacts, registry: DeviceLookup) -> Device | None:
    mailbox, device_id = facts.mailbox.key, facts.device_id or ""
    return registry.device(mailbox, fold(device_id))
