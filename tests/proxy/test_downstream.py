"""One TCP connection of a device: its handshake, its time limits, its end."""

import asyncio
import ssl
from contextlib import suppress

import pytest

from tests.helpers import Pki, client_context
from tests.proxy.bed import PING, Bed, bed, eventually, ok, post


class TlsClient:
    """A client that ends TLS and TCP apart from each other, which asyncio's cannot."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, context: ssl.SSLContext
    ) -> None:
        self._reader = reader
        self.writer = writer
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname="localhost")

    @classmethod
    async def connect(cls, plane: Bed, *, maximum: ssl.TLSVersion) -> "TlsClient":
        """Shake hands as alice."""
        context = client_context(plane.pki, plane.pki.alice)
        context.maximum_version = maximum
        client = cls(*await asyncio.open_connection("127.0.0.1", plane.port), context)
        while True:
            try:
                client.tls.do_handshake()
            except ssl.SSLWantReadError:
                await client.flush()
                await client._more()
            else:
                await client.flush()
                return client

    async def send(self, data: bytes) -> None:
        """Send plain text."""
        self.tls.write(data)
        await self.flush()

    async def say_goodbye(self) -> None:
        """Send close_notify, and leave TCP open."""
        with suppress(ssl.SSLWantReadError):
            self.tls.unwrap()
        await self.flush()

    async def rest(self) -> bytes:
        """All plain text until the server's close_notify or the end of TCP."""
        got = b""
        async with asyncio.timeout(10):
            while True:
                try:
                    piece = self.tls.read(65536)
                except ssl.SSLWantReadError:
                    if not await self._more():
                        return got
                except ssl.SSLZeroReturnError:
                    return got
                else:
                    if not piece:
                        return got
                    got += piece

    async def flush(self) -> None:
        """Send what TLS wants sent."""
        self.writer.write(self._outgoing.read())
        await self.writer.drain()

    async def _more(self) -> bool:
        data = await self._reader.read(65536)
        self._incoming.write(data)
        return bool(data)


VERSIONS = pytest.mark.parametrize("maximum", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])


class TestHandshake:
    """Handshakes that come to nothing: counted, one line in the log, an alert for the client."""

    @VERSIONS
    @pytest.mark.parametrize(
        ("device", "outcome", "alert"),
        [
            (None, "no_certificate", "certificate_required|handshake_failure"),
            ("foreign", "untrusted_chain", "unknown_ca"),
            ("expired", "outside_validity", "certificate_expired"),
            ("not-yet-valid", "outside_validity", "bad_certificate"),
            ("wrong-eku", "not_client_auth", "unsupported_certificate"),
        ],
    )
    async def test_a_certificate_that_will_not_do(
        self, plane: Bed, maximum: ssl.TLSVersion, device: str | None, outcome: str, alert: str
    ) -> None:
        """The client can read why from the alert, in TLS 1.2 and 1.3."""
        shown = None if device is None else plane.pki.stored(device)
        context = client_context(plane.pki, shown)
        context.maximum_version = maximum
        said = ""
        try:
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", plane.port, ssl=context, server_hostname="localhost"
            )
            try:
                await reader.read()
            finally:
                writer.close()
        except ssl.SSLError as error:
            said = str(error).lower().replace(" ", "_")
        assert any(word in said for word in alert.split("|")), said
        await eventually(lambda: plane.counters.handshakes[outcome] == 1)
        (line,) = plane.log()
        assert (line["event"], line["outcome"]) == ("handshake.failed", outcome)
        assert line["client_address"] == "127.0.0.1"
        assert plane.counters.handshakes["ok"] == 0

    @pytest.mark.parametrize(
        "raw",
        [
            b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
            b"\x00\x01\x02garbage\xff" * 20,
            b"SSH-2.0-OpenSSH_9.2\r\n",
        ],
    )
    async def test_bytes_that_are_not_tls(self, plane: Bed, raw: bytes) -> None:
        """They cost one line in the log and nothing else."""
        reader, writer = await asyncio.open_connection("127.0.0.1", plane.port)
        writer.write(raw)
        async with asyncio.timeout(10):
            await reader.read()
        writer.close()
        assert plane.counters.handshakes["not_tls"] == 1
        assert [line["outcome"] for line in plane.log()] == ["not_tls"]
        await eventually(lambda: not plane.connections)

    async def test_a_client_that_leaves(self, plane: Bed) -> None:
        """A connection without a handshake is one line, too."""
        _, writer = await asyncio.open_connection("127.0.0.1", plane.port)
        writer.close()
        await eventually(lambda: plane.counters.handshakes["other"] == 1)
        assert len(plane.log()) == 1

    async def test_a_client_that_says_nothing(self, plane: Bed) -> None:
        """After the handshake's time limit it is cut off, with one line."""
        reader, writer = await asyncio.open_connection("127.0.0.1", plane.port)
        await eventually(lambda: len(plane.connections) == 1)
        plane.sweep(later=19)
        assert plane.log() == []
        plane.sweep(later=21)
        with suppress(ConnectionError):
            assert await reader.read() == b""
        writer.close()
        await eventually(lambda: not plane.connections)
        assert [line["outcome"] for line in plane.log()] == ["timeout"]
        assert plane.counters.handshakes["timeout"] == 1

    async def test_one_connection_too_many(self, pki: Pki) -> None:
        """Beyond the limit a connection is closed before it costs a handshake."""
        async with bed(pki, limits={"connections": 1}) as plane:
            await plane.phone()
            reader, writer = await asyncio.open_connection("127.0.0.1", plane.port)
            assert await reader.read() == b""
            writer.close()
            assert [line["event"] for line in plane.log()] == ["connection.refused"]


class TestTimeLimits:
    """What a device may take its time for, and for how long."""

    async def test_a_head_that_drips(self, plane: Bed) -> None:
        """A byte now and then does not extend the time for a head: 408."""
        phone = await plane.phone()
        raw = post()
        phone.writer.write(raw[:20])
        (connection,) = plane.connections
        await eventually(lambda: connection._phase.value == "head")
        deadline = connection.deadline
        phone.writer.write(raw[20:40])
        await eventually(lambda: connection._dialogue is not None)
        plane.sweep(later=29)
        assert connection.deadline == deadline
        plane.sweep(later=31)
        answer = await phone.read()
        assert (answer.status, answer.get("connection")) == (408, ["close"])

    async def test_empty_lines_are_no_request(self, plane: Bed) -> None:
        """They do not extend the time in which a device that has just come has to ask."""
        phone = await plane.phone()
        (connection,) = plane.connections
        await eventually(lambda: connection._dialogue is not None)
        deadline = connection.deadline
        parser = connection._dialogue._reader._parser  # type: ignore[union-attr]  # it is there
        phone.writer.write(b"\r\n")
        await eventually(lambda: parser._silent == 2)
        assert connection.deadline == deadline
        assert (await phone.ask(post())).status == 200

    async def test_a_body_that_stops(self, plane: Bed) -> None:
        """408, and the mail server's connection is cut."""
        phone = await plane.phone()
        phone.writer.write(post(headers="Content-Length: 9\r\n", length=False) + b"abc")
        await eventually(lambda: plane.mail.heads == 1)
        plane.sweep(later=119)
        plane.sweep(later=121)
        assert (await phone.read()).status == 408
        await plane.mail.left()

    async def test_an_idle_connection(self, plane: Bed) -> None:
        """It is closed without a word after the time for it."""
        phone = await plane.phone()
        await phone.ask(post())
        plane.sweep(later=3890)
        assert len(plane.connections) == 1
        plane.sweep(later=3901)
        assert await phone.ended() == b""

    async def test_a_connection_on_which_nothing_is_asked(self, plane: Bed) -> None:
        """The first request must begin within the time for a head."""
        phone = await plane.phone()
        await eventually(lambda: plane.counters.handshakes["ok"] == 1)
        plane.sweep(later=29)
        assert len(plane.connections) == 1
        plane.sweep(later=31)
        assert await phone.ended() == b""

    async def test_a_reader_that_stops(self, plane: Bed) -> None:
        """A device that takes nothing of its answer for too long is cut off."""
        plane.mail.answer = ok(bytes(16 << 20))
        phone = await plane.phone()
        phone.writer.transport.pause_reading()  # type: ignore[attr-defined]  # streams hide it
        phone.writer.write(post())
        (connection,) = plane.connections
        await eventually(lambda: connection._writes_stuck_since > 0)
        await eventually(lambda: any(c._paused for c in plane.pool._open))
        plane.sweep(later=100)
        assert len(plane.connections) == 1
        plane.sweep(later=121)
        plane.sweep(later=250)
        await eventually(lambda: not plane.connections)
        await eventually(lambda: not plane.pool._open)

    async def test_a_slow_reader_of_the_last_answer(self, plane: Bed) -> None:
        """Whoever takes some of it gets the time for the rest; whoever takes none does not."""
        plane.mail.answer = ok(bytes(300_000))
        phone = await plane.phone()
        (connection,) = plane.connections
        transport = connection._transport
        assert transport is not None
        transport.get_extra_info("socket").setsockopt(1, 7, 4096)  # SO_SNDBUF
        phone.writer.transport.pause_reading()  # type: ignore[attr-defined]  # streams hide it
        plane.mail.answer = ok(bytes(4 << 20))
        phone.writer.write(post(headers="Connection: close\r\n"))
        await eventually(lambda: any(c._paused for c in plane.pool._open))
        phone.writer.transport.resume_reading()  # type: ignore[attr-defined]  # streams hide it
        assert len((await phone.read()).body) == 4 << 20
        assert await phone.ended() == b""


class TestEnds:
    """How a connection ends, from either side."""

    @VERSIONS
    async def test_a_half_closed_connection_is_answered(
        self, plane: Bed, maximum: ssl.TLSVersion
    ) -> None:
        """After close_notify the answer that is owed still comes, and then the end."""
        go = asyncio.Event()

        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await plane.mail.receive(reader)
            await go.wait()
            writer.write(ok(b"late"))

        plane.mail.script = script
        client = await TlsClient.connect(plane, maximum=maximum)
        await client.send(post())
        await client.say_goodbye()
        (connection,) = plane.connections
        await eventually(lambda: connection._phase.value == "half closed")
        go.set()
        assert (await client.rest()).endswith(b"late")
        client.writer.close()

    async def test_a_half_closed_connection_is_not_waited_for_long(self, plane: Bed) -> None:
        """A held Ping does not keep the mail server busy for a device that has said goodbye."""
        plane.mail.script = plane.mail.hold
        client = await TlsClient.connect(plane, maximum=ssl.TLSVersion.TLSv1_3)
        await client.send(post(query=PING))
        await client.say_goodbye()
        client.writer.write_eof()
        (connection,) = plane.connections
        await eventually(lambda: connection._phase.value == "half closed")
        await eventually(lambda: len(plane.mail.requests) == 1)
        plane.sweep(later=6)
        await plane.mail.left()
        client.writer.close()
        await eventually(lambda: plane.counters.held_requests == 0)

    async def test_goodbye_between_requests(self, plane: Bed) -> None:
        """close_notify on an idle connection is answered with the end."""
        client = await TlsClient.connect(plane, maximum=ssl.TLSVersion.TLSv1_3)
        await client.say_goodbye()
        assert await client.rest() == b""
        client.writer.close()
        await eventually(lambda: not plane.connections)

    async def test_the_end_of_tcp_alone_cancels(self, plane: Bed) -> None:
        """A FIN without close_notify is a device that is gone: its request is given up."""
        plane.mail.script = plane.mail.hold
        client = await TlsClient.connect(plane, maximum=ssl.TLSVersion.TLSv1_3)
        await client.send(post(query=PING))
        await eventually(lambda: len(plane.mail.requests) == 1)
        client.writer.write_eof()
        await plane.mail.left()
        client.writer.close()

    async def test_a_broken_record_ends_the_connection(self, plane: Bed) -> None:
        """Bytes that are no TLS record cut an established connection."""
        client = await TlsClient.connect(plane, maximum=ssl.TLSVersion.TLSv1_3)
        await client.send(post())
        await eventually(lambda: plane.counters.decisions["ALLOW"] == 1)
        client.writer.write(b"\x17\x03\x03\x00\x20" + bytes(32))
        await eventually(lambda: not plane.connections)
        client.writer.close()

    async def test_an_answer_reaches_a_device_that_still_sends(self, plane: Bed) -> None:
        """A refusal is not lost in a reset while the device goes on sending its body."""
        phone = await plane.phone()
        head = post(headers="Content-Length: 1000000000\r\n", length=False)
        phone.writer.write(head + bytes(4 << 20))
        assert (await phone.read()).status == 413
        assert await phone.ended() == b""

    async def test_who_does_not_close_is_closed(self, plane: Bed) -> None:
        """After the last answer a device has a few seconds, then its connection is cut."""
        client = await TlsClient.connect(plane, maximum=ssl.TLSVersion.TLSv1_3)
        await client.send(post(headers="Connection: close\r\n"))
        assert (await client.rest()).endswith(b"ok")
        plane.sweep(later=4)
        assert len(plane.connections) == 1
        plane.sweep(later=6)
        await eventually(lambda: not plane.connections)
        client.writer.close()
