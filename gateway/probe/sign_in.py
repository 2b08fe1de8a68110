"""OPTIONS: the first request, by which a server shows whether it takes the certificate."""

from typing import Final

from gateway.probe.failures import problem_of, refusal_problem
from gateway.probe.http_client import Response
from gateway.probe.state import State
from gateway.probe.statuses import not_eas
from gateway.probe.step import Problem, Result
from gateway.probe.words import listed, printable

_OK: Final = 200


async def sign_in(state: State) -> Result:
    """Ask for versions and commands (MS-ASHTTP 2.2.3), without a user."""
    wire, target = state.connected(), state.target
    outcome = await wire.request(state.call("OPTIONS", target.path))
    if not isinstance(outcome, Response):
        return Result(problems=(problem_of(outcome, wire, state, target.identity),))
    if outcome.status != _OK:
        return Result(problems=(refusal_problem(outcome, target.identity),))
    state.versions = _words(outcome, "MS-ASProtocolVersions")
    state.commands = _words(outcome, "MS-ASProtocolCommands")
    if not state.versions:
        return Result(problems=(not_eas(outcome, target.path),))
    both = [one for one in state.plan.versions if one in state.versions]
    learnt = [f"versions: {listed(state.versions)}", f"commands: {len(state.commands)}"]
    server = outcome.headers.get("MS-Server-ActiveSync")
    if server:
        learnt.append(f"server: ActiveSync {printable(server, 40)}")
    if not both:
        cause = f"no version in common: the server speaks {listed(state.versions)}"
        advice = f"have it speak one of {', '.join(state.plan.versions)}"
        return Result(tuple(learnt), (Problem(cause, advice),))
    state.version = both[-1]
    state.device = state.new_device(wire, state.version, user=target.user)
    return Result(tuple(learnt))


def _words(response: Response, name: str) -> tuple[str, ...]:
    words = response.headers.get(name, "").split(",")
    return tuple(word.strip() for word in words if word.strip())
