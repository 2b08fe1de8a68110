"""What a demo prints: a line for each step, and how its reader can go on."""

import os
import shlex
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import click

from gateway.cli.demo_folder import HOST, DemoFolder, Ports, upn
from gateway.errors import GatewayError
from gateway.probe.outcome import (
    ConnectionLost,
    HandshakeRefused,
    NoAnswer,
    NotConnected,
    Refused,
    ServerNotTrusted,
    Unreadable,
)


@dataclass(frozen=True, slots=True)
class Result:
    """How a step went: as it should or not, and what happened."""

    ok: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Step:
    """Something the demo does; a failed one that is `essential` leaves nothing more to try."""

    title: str
    action: Callable[[], Awaitable[Result]]
    essential: bool = False


async def take(step: Step) -> bool:
    """Take the step and print its line; True if it went as it should."""
    began = monotonic()
    try:
        result = await step.action()
    except (GatewayError, OSError) as error:
        result = Result(ok=False, detail=str(error))
    word = "ok" if result.ok else "FAIL"
    say(f"{word:<4} {monotonic() - began:6.2f} s  {step.title}: {result.detail}")
    return result.ok


def say(text: str) -> None:
    """Print it; a terminal that is gone must not keep the demo from ending its processes."""
    with suppress(OSError):
        click.echo(text)


def describe(outcome: object) -> str:
    """A device's outcome that is none of the answers it asked for, in words."""
    match outcome:
        case Refused(status, retry_after, reference):
            again = "" if retry_after is None else f", try again in {retry_after} s"
            named = "" if reference is None else f" (reference {reference})"
            return f"refused with HTTP {status}{again}{named}"
        case HandshakeRefused(alert, detail):
            return f"refused in the TLS handshake: {alert or detail}"
        case NoAnswer(seconds):
            return f"no answer within {seconds:g} s"
        case NotConnected(detail) | ServerNotTrusted(detail) | ConnectionLost(detail):
            return f"no connection: {detail}"
        case Unreadable(detail):
            return f"an answer that cannot be read: {detail}"
    return repr(outcome)


def invitation(folder: DemoFolder, ports: Ports) -> str:
    """How to try the gateway by hand."""
    url = f"https://{HOST}:{ports.phones}/Microsoft-Server-ActiveSync"
    curl = ["curl", "-i", "--cacert", _shown(folder.pki / "root.pem")]
    config = ["-c", _shown(folder.config)]
    certificate = _shown(folder.pki / "alice.pem")
    pki = ["--directory", _shown(folder.pki)]
    alice = ["--cert", certificate, "--key", _shown(folder.pki / "alice.key")]
    sync = f"{url}?Cmd=FolderSync&User={upn('bob')}&DeviceId=CURL1&DeviceType=curl"
    tries = (
        ("As alice's phone", [[*curl, *alice, "-X", "OPTIONS", url]]),
        ("As alice's phone, for bob's mailbox", [[*curl, *alice, "-X", "POST", sync]]),
        ("Without a certificate", [[*curl, "-X", "OPTIONS", url]]),
        ("Why is alice let in, or not?", [[program(), "explain", certificate, *config]]),
        ("Shut alice out, then try again as her phone", [_revoke(config)]),
        (
            "Let her in again: a CRL from after that says that her certificate is good",
            [[program(), "pki", "crl", *pki], [program(), "ca", "refresh", *config]],
        ),
        ("Metrics", [["curl", f"http://{HOST}:{ports.admin}/metrics"]]),
    )
    lines = ["", f"The gateway is at {url}. Try it from another terminal:", ""]
    for title, commands in tries:
        lines += [f"# {title}", *(shlex.join(command) for command in commands), ""]
    lines += [f"Logs and keys are in {_shown(folder.directory)}. Ctrl-C ends it all."]
    return "\n".join(lines)


def _revoke(config: list[str]) -> list[str]:
    return [program(), "user", "revoke", upn("alice"), *config]


def program() -> str:
    """How this program is called in the current folder: by its script if there is one."""
    script = Path(sys.executable).with_name("eas-gateway")
    return _shown(script) if script.exists() else f"{shlex.quote(sys.executable)} -m gateway"


def _shown(path: Path) -> str:
    """The shorter way to write it here."""
    absolute = Path(os.path.abspath(path))  # noqa: PTH100 (a virtual environment is symbolic links)
    here = Path.cwd()
    return str(absolute.relative_to(here) if absolute.is_relative_to(here) else absolute)
