"""A small ActiveSync 14.1 mail server for demonstrations and tests, to stand behind the gateway.

It believes whoever names a user in its identity header, and ignores `User` in the query, as SOGo
does: let nothing but the gateway reach it. Run it with `python -m gateway.probe.demo_server`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import click
from aiohttp import web

from gateway.core.eas import EasRequest, with_headers
from gateway.core.eas_query import parse_query
from gateway.core.wbxml import Element, Limits, decode, encode
from gateway.errors import RequestError, StateError, WbxmlError
from gateway.probe.demo_commands import (
    Exchange,
    failure,
    folder_sync,
    get_item_estimate,
    ping,
    provision,
    send_mail,
)
from gateway.probe.demo_mailbox import DemoMailbox, DemoMailboxes
from gateway.probe.demo_sync import sync

COMMANDS: Final = ("Sync", "SendMail", "FolderSync", "GetItemEstimate", "Ping", "Provision")
_PATH: Final = "/{path:(?i:microsoft-server-activesync)}"
_VERSIONS: Final = "14.0,14.1"
_WBXML: Final = "application/vnd.ms-sync.wbxml"
_MAX_BODY: Final = 4 << 20
_LIMITS: Final = Limits(size=_MAX_BODY, value=_MAX_BODY)
_NOT_PROVISIONED, _WRONG_POLICY_KEY, _INVALID_WBXML = 142, 144, 102


@dataclass(frozen=True, slots=True)
class DemoSettings:
    """How the server behaves; heartbeats in seconds (their usual bounds: MS-ASCMD 2.2.3.88.1)."""

    header: str
    minimum_heartbeat: int
    maximum_heartbeat: int
    policy_required: bool


MAILBOXES: Final = web.AppKey("mailboxes", DemoMailboxes)
SETTINGS: Final = web.AppKey("settings", DemoSettings)


def demo_application(
    *,
    header: str = "X-Remote-User",
    mailboxes: DemoMailboxes | None = None,
    minimum_heartbeat: int = 60,
    maximum_heartbeat: int = 3540,
    policy_required: bool = False,
) -> web.Application:
    """The server as an application; held Pings end when it shuts down.

    Args:
        header: the request header that names the mailbox's user.
        mailboxes: where mail is; fresh ones if not given.
        minimum_heartbeat: shortest Ping in seconds; Status 5 below.
        maximum_heartbeat: longest Ping in seconds; Status 5 above.
        policy_required: refuse every command of a device whose X-MS-PolicyKey is not the one that
            Provision gave it (Status 142 or 144).
    """
    app = web.Application(client_max_size=_MAX_BODY)
    app[MAILBOXES] = mailboxes if mailboxes is not None else DemoMailboxes()
    app[SETTINGS] = DemoSettings(header, minimum_heartbeat, maximum_heartbeat, policy_required)
    app.router.add_route("*", _PATH, _serve)
    app.on_shutdown.append(_end_pings)
    return app


async def _end_pings(app: web.Application) -> None:
    app[MAILBOXES].close()


async def _serve(request: web.Request) -> web.Response:
    names = request.headers.getall(request.app[SETTINGS].header, [])
    if len(names) != 1 or not names[0].strip():
        return web.Response(status=403, text="who the user is was not said, or more than once\n")
    if request.method == "OPTIONS":
        return _options()
    if request.method != "POST":
        return web.Response(status=501)
    try:
        asked = _asked(request)
        mailbox = request.app[MAILBOXES].of(names[0])
        return await _command(request, asked, mailbox)
    except RequestError as error:
        return web.Response(status=400, text=f"{error}\n")
    except StateError as error:
        return web.Response(status=507, text=f"{error}\n")


def _options() -> web.Response:
    """MS-ASHTTP 2.2.4."""
    headers = {
        "MS-ASProtocolVersions": _VERSIONS,
        "MS-ASProtocolCommands": ",".join(COMMANDS),
        "MS-Server-ActiveSync": "14.1",
        "Allow": "OPTIONS,POST",
        "Public": "OPTIONS,POST",
        "Cache-Control": "private",
    }
    return web.Response(headers=headers)


def _asked(request: web.Request) -> EasRequest:
    version = request.headers.get("MS-ASProtocolVersion")
    key = request.headers.get("X-MS-PolicyKey")
    return with_headers(
        parse_query(request.raw_path.partition("?")[2].encode()),
        protocol_version=None if version is None else version.encode(),
        policy_key=None if key is None else key.encode(),
    )


async def _command(request: web.Request, asked: EasRequest, mailbox: DemoMailbox) -> web.Response:
    if asked.command not in COMMANDS or asked.device_id is None:
        return web.Response(status=501, text=f"the demo mail server has no {asked.command}\n")
    settings = request.app[SETTINGS]
    partnership = mailbox.partnership(asked.device_id)
    if settings.policy_required and asked.command != "Provision":
        if partnership.policy_key is None:
            return _answer(failure(asked.command, _NOT_PROVISIONED))
        if partnership.policy_key != str(asked.policy_key):
            return _answer(failure(asked.command, _WRONG_POLICY_KEY))
    body = await request.read()
    try:
        root = decode(body, _LIMITS) if body else None
    except WbxmlError:
        return _answer(failure(asked.command, _INVALID_WBXML))
    exchange = Exchange(
        mailbox=mailbox,
        mailboxes=request.app[MAILBOXES],
        partnership=partnership,
        root=root,
        minimum_heartbeat=settings.minimum_heartbeat,
        maximum_heartbeat=settings.maximum_heartbeat,
    )
    return _answer(await _handle(asked.command, exchange))


async def _handle(command: str, exchange: Exchange) -> Element | None:
    handlers: dict[str, Callable[[Exchange], Element | None]] = {
        "Provision": provision,
        "FolderSync": folder_sync,
        "Sync": sync,
        "GetItemEstimate": get_item_estimate,
        "SendMail": send_mail,
    }
    return await ping(exchange) if command == "Ping" else handlers[command](exchange)


def _answer(root: Element | None) -> web.Response:
    if root is None:
        return web.Response()
    return web.Response(body=encode(root, _LIMITS), content_type=_WBXML)


@click.command()
@click.option("--port", type=click.IntRange(1, 65535), required=True, help="Port on 127.0.0.1.")
@click.option("--header", default="X-Remote-User", show_default=True, help="Names the user.")
@click.option("--minimum-heartbeat", type=click.IntRange(1, 3540), default=60, show_default=True)
@click.option("--policy-required", is_flag=True, help="Serve provisioned devices only.")
def main(port: int, header: str, minimum_heartbeat: int, *, policy_required: bool) -> None:
    """Serve demo mailboxes over ActiveSync on 127.0.0.1 until SIGTERM."""
    app = demo_application(
        header=header, minimum_heartbeat=minimum_heartbeat, policy_required=policy_required
    )
    try:
        web.run_app(
            app,
            host="127.0.0.1",
            port=port,
            print=None,
            access_log=None,
            shutdown_timeout=2,
            # A Ping whose client is gone must not be held to the end of its interval.
            handler_cancellation=True,
        )
    except OSError as error:
        raise click.ClickException(f"--port {port} cannot be used: {error.strerror}") from error


if __name__ == "__main__":
    main()
