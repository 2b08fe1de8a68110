"""A device that keeps its TLS session and resumes it on another connection."""

import asyncio
import ssl
from collections.abc import Callable

from tests.helpers import Pki, StoredCertificate, client_context
from tests.proxy.bed import Answer, Bed, read_body, read_head

_PATIENCE = 10.0


class Resuming:
    """One TLS context, and so one memory of sessions, for many connections."""

    def __init__(
        self, pki: Pki, version: ssl.TLSVersion, device: StoredCertificate | None = None
    ) -> None:
        self._context = client_context(pki, device or pki.alice)
        self._context.check_hostname = False
        self._context.minimum_version = self._context.maximum_version = version
        self.session: ssl.SSLSession | None = None
        self._resumed = False

    def resumed(self) -> bool:
        """Whether the last connection resumed the session of the one before."""
        return self._resumed

    async def ask(
        self,
        plane: Bed,
        request: bytes,
        *,
        name: str | None = "localhost",
        step: int = 1 << 20,
        first: bytes = b"",
    ) -> Answer:
        """The answer on a new connection, which resumes the session of the one before.

        `first` comes before TLS, and the network carries `step` bytes at a time.

        Raises ssl.SSLError where TLS is refused.
        """
        reader, writer = await asyncio.open_connection("127.0.0.1", plane.port)
        wire = _Wire(reader, writer, step)
        tls = self._context.wrap_bio(
            wire.incoming, wire.outgoing, server_hostname=name, session=self.session
        )
        wire.outgoing.write(first)
        plain = asyncio.StreamReader()
        try:
            async with asyncio.timeout(_PATIENCE):
                await wire.until(tls.do_handshake)
                tls.write(request)
                await wire.until(lambda: plain.feed_data(tls.read(65536)))
                line, headers = await read_head(plain)
                answer = Answer(int(line.split(" ")[1]), headers, await read_body(plain, headers))
        finally:
            writer.transport.abort()
        self.session, self._resumed = tls.session, bool(tls.session_reused)
        return answer


class _Wire:
    """Carries what TLS wants sent, `step` bytes at a time."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, step: int
    ) -> None:
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._reader, self._writer, self._step = reader, writer, step

    async def until(self, does: Callable[[], None]) -> None:
        """Return when `does` has been done, and what came of it is on its way."""
        while True:
            try:
                does()
            except ssl.SSLWantReadError:
                await self._flush()
                data = await self._reader.read(65536)
                self.incoming.write(data) if data else self.incoming.write_eof()
            else:
                await self._flush()
                return

    async def _flush(self) -> None:
        data = self.outgoing.read()
        for start in range(0, len(data), self._step):
            self._writer.write(data[start : start + self._step])
            await asyncio.sleep(0)
