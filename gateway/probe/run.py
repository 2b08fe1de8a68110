"""A whole probe: the steps in their order, each only where the ones before it allow it."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Protocol

from gateway.errors import CertificateError, RequestError
from gateway.probe import (
    autodiscover,
    clock,
    identity,
    mailbox_steps,
    reach,
    refusals,
    sign_in,
    tls_steps,
)
from gateway.probe.state import State
from gateway.probe.step import Outcome, Problem, Report, Result, Step, failed, skipped
from gateway.probe.target import Plan, ProbeIdentity, Target
from gateway.probe.words import name_of

_Run = Callable[[State], Awaitable[Result]]
_FORMS: Final = (("plain", False), ("base64", True))


class Progress(Protocol):
    """Who is told how a probe goes on."""

    def begun(self, title: str) -> None:
        """A step is under way."""

    def ended(self, step: Step) -> None:
        """A step has ended."""


@dataclass(frozen=True, slots=True)
class _Planned:
    """A step to come; it needs those named to have succeeded or only warned."""

    name: str
    title: str
    run: _Run
    needs: tuple[str, ...] = ()


OPTIONAL: Final = (
    "clock",
    "autodiscover-xml",
    "autodiscover-json",
    "provision",
    "sync",
    "ping",
    "versions",
    "no-certificate",
    "foreign-certificate",
    "other-user",
    "revoked-certificate",
)
"""Names of the steps that may be left out, in their order; "versions" stands for one each."""

_LEFT_OUT: Final = "left out by --skip"


async def probe(
    target: Target,
    plan: Plan,
    progress: Progress,
    *,
    profile: Result | None = None,
) -> Report:
    """Go through all steps; `profile` is what was found in the profile, if there was one."""
    state = State(target, plan, lambda: datetime.now(UTC))
    began = state.clock()
    steps: list[Step] = []
    try:
        if profile is not None:
            await _take(_Planned("profile", "Profile", _given(profile)), state, steps, progress)
        for planned in _PLAN:
            if planned.name == "versions":
                for one in _versions(state):
                    await _take(one, state, steps, progress)
            else:
                await _take(planned, state, steps, progress)
    finally:
        if state.wire is not None:
            await state.wire.close()
    return _report(state, began, tuple(steps))


async def _take(planned: _Planned, state: State, steps: list[Step], progress: Progress) -> None:
    progress.begun(planned.title)
    began = time.perf_counter()
    lacking = _lacking(planned, state, steps)
    result = skipped(lacking) if lacking else await _run(planned, state)
    milliseconds = (time.perf_counter() - began) * 1000
    step = Step(planned.name, planned.title, milliseconds, result)
    steps.append(step)
    progress.ended(step)


def _lacking(planned: _Planned, state: State, steps: list[Step]) -> str | None:
    if planned.name.partition(" ")[0] in state.plan.leave_out:
        return _LEFT_OUT
    for step in steps:
        passed_over = step.result.skipped not in {None, _LEFT_OUT}
        if step.name in planned.needs and (passed_over or step.outcome is Outcome.FAILED):
            return f"needs: {step.title}"
    return None


async def _run(planned: _Planned, state: State) -> Result:
    try:
        return await planned.run(state)
    except CertificateError as error:
        return failed(str(error), "give the device another certificate or key")
    except RequestError as error:
        cause = f"the request cannot be made: {error}"
        return failed(cause, "correct the user name or the device id")


def _report(state: State, began: datetime, steps: tuple[Step, ...]) -> Report:
    own = state.target.identity
    chain = state.wire.handshake.chain if state.wire is not None else ()
    return Report(
        target=state.target.label,
        user=state.target.user,
        certificate=None if own is None else _shown(own),
        began=began,
        steps=steps,
        server_expires=chain[0].not_valid_after_utc if chain else None,
        device_expires=own.certificate.not_valid_after_utc if own is not None else None,
    )


def _shown(own: ProbeIdentity) -> str:
    return f"{name_of(own.certificate)}, serial {own.certificate.serial_number:x}"


def _given(result: Result) -> _Run:
    async def run(_: State) -> Result:
        return result

    return run


async def _certificate(state: State) -> Result:
    own = state.target.identity
    if own is not None:
        return identity.judge(own, state.clock())
    if not state.target.tls:
        return skipped("there is no TLS")
    cause = "the device has no certificate to show"
    return Result(problems=(Problem(cause, "give one with --certificate and --key", fatal=False),))


async def _dns(state: State) -> Result:
    result, state.addresses = await reach.resolve(state.target, state.plan.timeout)
    return result


async def _tcp(state: State) -> Result:
    seconds = state.plan.timeout
    result, address = await reach.connect(state.target, state.addresses, seconds)
    state.address = address or ""
    return result


async def _tls(state: State) -> Result:
    return await tls_steps.shake_hands(state.target, state.connected(), state.clock())


async def _request(state: State) -> Result:
    seen = state.connected().handshake
    return tls_steps.certificate_request(state.target, state.target.identity, seen)


def _versions(state: State) -> list[_Planned]:
    both = [one for one in state.plan.versions if one in state.versions]

    def run(which: str, *, base64_query: bool) -> _Run:
        async def step(state: State) -> Result:
            return await mailbox_steps.version(state, which, base64_query=base64_query)

        return step

    return [
        _Planned(
            f"versions {which} {form}",
            f"Version {which}, {form} query",
            run(which, base64_query=base64_query),
            ("folder-sync",),
        )
        for which in both
        for form, base64_query in _FORMS
    ]


_PLAN: Final = (
    _Planned("dns", "DNS", _dns),
    _Planned("tcp", "TCP", _tcp, ("dns",)),
    _Planned("clock", "Clock", clock.compare, ("tcp",)),
    _Planned("certificate", "Device certificate", _certificate),
    _Planned("tls", "TLS", _tls, ("tcp",)),
    _Planned("certificate-request", "Certificate request", _request, ("tls",)),
    _Planned("sign-in", "Sign-in (OPTIONS)", sign_in.sign_in, ("tls",)),
    _Planned("autodiscover-xml", "Autodiscover (XML)", autodiscover.xml, ("sign-in",)),
    _Planned("autodiscover-json", "Autodiscover (JSON)", autodiscover.json, ("sign-in",)),
    _Planned("provision", "Provision", mailbox_steps.provision, ("sign-in",)),
    _Planned("folder-sync", "FolderSync", mailbox_steps.folder_sync, ("sign-in", "provision")),
    _Planned("sync", "Sync of the inbox", mailbox_steps.sync, ("folder-sync",)),
    _Planned("ping", "Ping", mailbox_steps.ping, ("sync",)),
    _Planned("versions", "Versions", _request),
    _Planned("no-certificate", "Without a certificate", refusals.nobody, ("tls",)),
    _Planned("foreign-certificate", "Foreign certificate", refusals.stranger, ("tls",)),
    _Planned("other-user", "Another user's name", refusals.other_user, ("folder-sync",)),
    _Planned("revoked-certificate", "Revoked certificate", refusals.revoked, ("tls",)),
)
