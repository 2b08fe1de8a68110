"""A relay before PostgreSQL that can keep announcements to itself, as a pooler does."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

from gateway.tasks import Tasks

_PORT = 5432  # part of a socket's name, in any folder
_NOTIFICATION = b"A"  # NotificationResponse, PostgreSQL's protocol, section 55.7
_HEADER = 5  # type, and a length that counts itself
_MOST = 65536


class Relay:
    """What happens between the gateway and the server.

    Attributes:
        muted: no announcement is passed on.
        kept: how many were not.
    """

    def __init__(self, server: Path) -> None:
        self.muted = False
        self.kept = 0
        self._server = server
        self._tasks = Tasks()

    async def serve(self, folder: Path, until: asyncio.Event) -> None:
        """Relay connections to a socket in `folder` until the event."""
        listening = await asyncio.start_unix_server(self._accept, _socket(folder))
        async with listening:
            await until.wait()
        await self._tasks.close()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._tasks.spawn(self._connection(reader, writer), name="relay")

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            from_server, to_server = await asyncio.open_unix_connection(_socket(self._server))
        except OSError:
            writer.close()
            return
        asking = self._tasks.spawn(_pass(reader, to_server), name="ask")
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await self._answer(from_server, writer)
        asking.cancel()
        writer.close()
        to_server.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            header = await reader.readexactly(_HEADER)
            body = await reader.readexactly(int.from_bytes(header[1:]) - 4)
            if self.muted and header.startswith(_NOTIFICATION):
                self.kept += 1
                continue
            writer.write(header + body)
            await writer.drain()


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(_MOST):
            writer.write(data)
            await writer.drain()
    writer.close()


def _socket(folder: Path) -> str:
    return str(folder / f".s.PGSQL.{_PORT}")


@contextlib.contextmanager
def relaying(folder: Path, server: Path) -> Iterator[Relay]:
    """A relay in the new `folder` to the server whose socket is in the folder `server`."""
    folder.mkdir()
    relay = Relay(server)
    loop = asyncio.new_event_loop()
    over = asyncio.Event()
    thread = threading.Thread(
        target=loop.run_until_complete, args=(relay.serve(folder, over),), name="relay"
    )
    thread.start()
    try:
        yield relay
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join()
        loop.close()
