"""Provision, FolderSync, Sync of the inbox and Ping, as a phone does them one after another."""

import time
from http import HTTPStatus
from typing import Final

from gateway.probe.device import Device
from gateway.probe.failures import problem_of
from gateway.probe.outcome import (
    ConnectionLost,
    Failure,
    Folders,
    NoAnswer,
    Pinged,
    Provisioned,
    Refused,
    Synced,
)
from gateway.probe.state import State
from gateway.probe.statuses import eas_problem
from gateway.probe.step import Problem, Result, failed, fine, skipped, warning
from gateway.probe.wire import reference_of
from gateway.probe.words import listed, printable

_OK: Final = 1
_INBOX: Final = 2
_NO_POLICY: Final = 2
_EMPTY_WAIT, _CHANGES, _OUT_OF_RANGE = 1, 2, 5
_NOT_THERE: Final = (400, 404, 405, 501)
_WINDOW: Final = 10
_BODY_BYTES: Final = 512


async def provision(state: State) -> Result:
    """Both phases of the policy (MS-ASPROV 3.1.5.1)."""
    device = _device(state)
    outcome = await device.provision()
    announced = "Provision" in state.commands
    if isinstance(outcome, Refused) and outcome.status in _NOT_THERE and not announced:
        return fine("the server has no Provision, as it said: phones go on without a policy")
    if not isinstance(outcome, Provisioned):
        return await command_failure(state, outcome)
    return _provisioned(state, outcome)


def _provisioned(state: State, outcome: Provisioned) -> Result:
    if outcome.wipe:
        cause = "the server asks for a remote wipe of this device"
        return failed(cause, "take the wipe back on the mail server, if it was not meant")
    if outcome.status != _OK:
        return _refused(state, "Provision", outcome.status)
    if outcome.policy_status == _NO_POLICY:
        return fine("the server has no policy for the device: phones go on without a key")
    if outcome.policy_status not in {None, _OK}:
        cause = f"the policy is not to be had (Policy Status {outcome.policy_status})"
        return failed(cause, "look at the device policy on the mail server")
    if outcome.policy_key is None:
        return fine("the server gives no policy key: phones go on without one")
    return fine("the policy was given, acknowledged, and has a key")


async def folder_sync(state: State) -> Result:
    """All folders, for key 0."""
    outcome = await _device(state).folder_sync()
    if not isinstance(outcome, Folders):
        return await command_failure(state, outcome)
    if outcome.status != _OK:
        return _refused(state, "FolderSync", outcome.status)
    inboxes = [one.server_id for one in outcome.folders if one.type == _INBOX]
    if not inboxes:
        cause = f"there is no inbox among {len(outcome.folders)} folders"
        return failed(cause, "look at the mailbox on the mail server")
    state.inbox = inboxes[0]
    return fine(f"{len(outcome.folders)} folders, the inbox among them")


async def sync(state: State) -> Result:
    """The first messages of the inbox, by a sync key of the device's own."""
    if state.inbox is None:
        return skipped("the inbox is not known")
    device = _device(state)
    outcome = await device.sync(state.inbox, window=_WINDOW, body_bytes=_BODY_BYTES)
    if not isinstance(outcome, Synced):
        return await command_failure(state, outcome)
    if outcome.status != _OK:
        return _refused(state, "Sync", outcome.status)
    more = ", and there are more" if outcome.more else ""
    count = len(outcome.messages)
    private: tuple[str, ...] = ()
    if state.plan.show_subjects:
        private = (f"subjects: {listed(one.subject for one in outcome.messages) or 'none'}",)
    noun = "message" if count == 1 else "messages"
    return Result((f"{count} {noun} of the inbox{more}",), private=private)


async def ping(state: State) -> Result:
    """A short wait for changes in the inbox."""
    if state.inbox is None:
        return skipped("the inbox is not known")
    # On a connection of its own: one that ends while it is held was not an old one that had ended.
    await state.connected().close()
    heartbeat, began = state.plan.heartbeat, time.monotonic()
    outcome = await _device(state).ping((state.inbox,), heartbeat)
    held = time.monotonic() - began
    if isinstance(outcome, ConnectionLost | NoAnswer):
        return _cut(held, heartbeat)
    if not isinstance(outcome, Pinged):
        return await command_failure(state, outcome)
    return _pinged(state, outcome, held)


def _pinged(state: State, outcome: Pinged, held: float) -> Result:
    if outcome.status == _EMPTY_WAIT:
        return fine(f"held {held:.0f} s, and nothing came")
    if outcome.status == _CHANGES:
        return fine("the inbox has changes that this device has not fetched")
    if outcome.status == _OUT_OF_RANGE and outcome.heartbeat is not None:
        return fine(
            f"the server holds a Ping for {outcome.heartbeat} s or more, and was asked for"
            f" {state.plan.heartbeat} s: --heartbeat {outcome.heartbeat} tries it"
        )
    return _refused(state, "Ping", outcome.status)


def _cut(held: float, heartbeat: int) -> Result:
    cause = f"a Ping of {heartbeat} s was cut off after {held:.0f} s"
    advice = (
        "raise the idle timeout of what stands in between (load balancer, proxy, firewall) above"
        " 3600 s: mail comes late or drains the battery otherwise"
    )
    return failed(cause, advice)


async def command_failure(state: State, failure: Failure) -> Result:
    """The cause of a command's failure; a refusal may be for the user's name alone."""
    wire, target = state.connected(), state.target
    problem = problem_of(failure, wire, state, target.identity)
    if isinstance(failure, Refused) and failure.status == HTTPStatus.FORBIDDEN and target.user:
        found = await _user_refused(state, problem)
        if found is not None:
            return Result(problems=(found,))
    return Result(problems=(problem,))


async def _user_refused(state: State, problem: Problem) -> Problem | None:
    """What is wrong with the user's name, if the same request is served without it."""
    nameless = state.new_device(state.connected(), state.version, user=None)
    if not isinstance(await nameless.folder_sync(), Folders):
        return None
    cause = (
        f"the user name {printable(str(state.target.user))} is not the certificate's: with it the"
        " server refuses what it serves without (403)"
    )
    advice = "write the UPN of the certificate's owner as the user name into the profile"
    return Problem(cause, advice, reference=problem.reference)


async def version(state: State, which: str, *, base64_query: bool) -> Result:
    """FolderSync in one protocol version and one form of the query."""
    device = state.new_device(
        state.connected(), which, user=state.target.user, base64_query=base64_query
    )
    device.policy_key = _device(state).policy_key
    outcome = await device.folder_sync()
    if isinstance(outcome, Folders):
        if outcome.status == _OK:
            return fine(f"{len(outcome.folders)} folders")
        problem = eas_problem("FolderSync", outcome.status)
    else:
        problem = problem_of(outcome, state.connected(), state, state.target.identity)
    # A phone takes the highest version that both know, which the steps before have tried.
    advice = f"{problem.advice}; or have the server announce {which} no more"
    return warning(problem.cause, advice, reference=problem.reference)


def _refused(state: State, command: str, status: int) -> Result:
    problem = eas_problem(command, status)
    answer = state.connected().last
    reference = None if answer is None else reference_of(answer)
    return failed(problem.cause, problem.advice, reference=reference)


def _device(state: State) -> Device:
    if state.device is None:
        raise AssertionError("a step that needs the device comes after the one that makes it")
    return state.device
