"""The mail server of the comparison: answers every request at once and keeps its connections.

A Ping of a device whose id begins with `BENCHHELD` is held until the client goes; `GET /held` says
how many are held.
Run as `python -m bench.upstream PORT`.
"""

import asyncio
import signal
import sys
from typing import cast

import httptools
import uvloop

from bench.eas import HELD_DEVICE, response


class _Exchange(asyncio.Protocol):
    """One connection of a proxy to the upstream."""

    def __init__(self, held: set[asyncio.Transport]) -> None:
        self._held = held
        self._answer = response()
        self._parser = httptools.HttpRequestParser(self)
        self._target = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's does not inherit it

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        if self._transport is not None:
            self._held.discard(self._transport)
        self._transport = None

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        self._target = b""

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_message_complete(self) -> None:
        if self._transport is None:
            return
        if HELD_DEVICE.encode() in self._target:
            self._held.add(self._transport)
        elif self._target == b"/held":
            count = b"%d" % len(self._held)
            self._transport.write(
                b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(count) + count
            )
        else:
            self._transport.write(self._answer)


async def _serve(port: int) -> None:
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stopped.set)
    held: set[asyncio.Transport] = set()
    server = await loop.create_server(lambda: _Exchange(held), "127.0.0.1", port, backlog=4096)
    await stopped.wait()
    server.close()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1])))
