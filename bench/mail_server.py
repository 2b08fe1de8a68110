"""A mail server for devices that live: it holds Pings until mail comes or their time is over.

Run as `python -m bench.mail_server PORT SECONDS`, SECONDS between two mails of one device on
average. `GET /held` says how many Pings are held.
"""

import asyncio
import random
import re
import signal
import sys
from typing import Final, cast

import httptools
import uvloop

from bench import eas
from gateway.core.wbxml import decode, element, encode
from gateway.errors import WbxmlError

INBOX: Final = "5"
NOTHING_NEW: Final = encode(element("Ping:Ping", element("Ping:Status", "1")))
CHANGES: Final = encode(
    element(
        "Ping:Ping",
        element("Ping:Status", "2"),
        element("Ping:Folders", element("Ping:Folder", INBOX)),
    )
)
"""Of a Ping, MS-ASCMD section 2.2.3.177.11: its time is over, or there is mail."""

_FOLDERS = encode(
    element(
        "FolderHierarchy:FolderSync",
        element("FolderHierarchy:Status", "1"),
        element("FolderHierarchy:SyncKey", "1"),
    )
)
_MAIL = encode(
    element(
        "AirSync:Sync",
        element(
            "AirSync:Collections",
            element(
                "AirSync:Collection",
                element("AirSync:SyncKey", "2"),
                element("AirSync:CollectionId", INBOX),
                element("AirSync:Status", "1"),
                element(
                    "AirSync:Commands",
                    element(
                        "AirSync:Add",
                        element("AirSync:ServerId", f"{INBOX}:1"),
                        element(
                            "AirSync:ApplicationData",
                            element("Email:Subject", "Minutes of the meeting"),
                            element(
                                "AirSyncBase:Body", element("AirSyncBase:Data", "Dear all, " * 200)
                            ),
                        ),
                    ),
                ),
            ),
        ),
    )
)
_ANSWERS = {"FolderSync": eas.answer(_FOLDERS), "Sync": eas.answer(_MAIL)}
_COMMAND = re.compile(rb"[?&]Cmd=([A-Za-z]+)")


class Connection(asyncio.Protocol):
    """One connection of the gateway's; one request at a time.

    A Ping is in `held` while it is; mail comes after `mail_seconds` on average.
    """

    def __init__(self, held: set[asyncio.TimerHandle], mail_seconds: float) -> None:
        self._held = held
        self._mail_seconds = mail_seconds
        self._parser = httptools.HttpRequestParser(self)
        self._target = self._body = b""
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Requests may come."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's does not inherit it

    def connection_lost(self, exc: Exception | None) -> None:
        """The gateway has called off what was held."""
        del exc
        self._release()
        self._transport = None

    def data_received(self, data: bytes) -> None:
        """Feed the parser."""
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        """A request begins."""
        self._target = self._body = b""

    def on_url(self, url: bytes) -> None:
        """A part of its target."""
        self._target += url

    def on_body(self, body: bytes) -> None:
        """A part of its body."""
        self._body += body

    def on_message_complete(self) -> None:
        """Answer it, or hold it."""
        found = _COMMAND.search(self._target)
        command = found[1].decode() if found else ""
        if command == "Ping":
            self._hold()
        elif self._target == b"/held":
            count = b"%d" % len(self._held)
            self._write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(count), count))
        else:
            self._write(_ANSWERS.get(command, eas.response()))

    def _hold(self) -> None:
        heartbeat = _heartbeat(self._body)
        mail = random.expovariate(1 / self._mail_seconds)
        answer = eas.answer(CHANGES if mail < heartbeat else NOTHING_NEW)
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(min(mail, heartbeat), self._end_hold, answer)
        self._held.add(self._timer)

    def _end_hold(self, answer: bytes) -> None:
        self._release()
        self._write(answer)

    def _release(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._held.discard(self._timer)
            self._timer = None

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)


def _heartbeat(body: bytes) -> float:
    try:
        return float(decode(body).text_at("Ping:HeartbeatInterval") or 0)
    except (WbxmlError, ValueError):
        return 0.0


async def _serve(port: int, mail_seconds: float) -> None:
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stopped.set)
    held: set[asyncio.TimerHandle] = set()
    server = await loop.create_server(
        lambda: Connection(held, mail_seconds), "127.0.0.1", port, backlog=4096
    )
    await stopped.wait()
    server.close()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1]), float(sys.argv[2])))
