"""Connections to the mail server: opened, kept, verified, counted."""

import asyncio
import socket
import ssl
from pathlib import Path

import pytest

from gateway.config_upstream import Upstream
from gateway.errors import ConfigError, UpstreamError
from gateway.pki.authority import CertificateAuthority
from gateway.proxy.upstream import UpstreamPool
from gateway.tasks import Tasks
from tests.helpers import Pki
from tests.proxy.bed import PING, Bed, bed, eventually, ok, post


def _mail_tls(pki: Pki) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pki.server.pem, pki.server.key)
    return context


class TestPool:
    """Which connections are kept."""

    async def test_one_connection_a_request_without_keep_alive(self, pki: Pki) -> None:
        """keep_alive = false: a mail server that cannot keep connections gets a new one each."""
        async with bed(pki, keep_alive=False) as plane:
            phone = await plane.phone()
            for _ in range(3):
                assert (await phone.ask(post())).status == 200
            assert plane.mail.connections == 3

    async def test_a_connection_that_the_server_closes_is_not_kept(self, plane: Bed) -> None:
        """Connection: close of the answer is heeded."""
        plane.mail.answer = ok(headers="Connection: close\r\n")
        phone = await plane.phone()
        for _ in range(2):
            assert (await phone.ask(post())).status == 200
        assert plane.mail.connections == 2

    async def test_an_idle_connection_is_closed_in_time(self, plane: Bed) -> None:
        """Before the mail server may close it itself."""
        phone = await plane.phone()
        await phone.ask(post())
        plane.sweep(later=3)
        assert len(plane.pool._open) == 1
        plane.sweep(later=5)
        await plane.mail.left()
        assert (await phone.ask(post())).status == 200

    async def test_a_connection_closed_while_idle_is_forgotten(self, plane: Bed) -> None:
        """The mail server may end it at any time between two requests."""
        plane.mail.replies(ok())
        phone = await plane.phone()
        await phone.ask(post())
        await eventually(lambda: not plane.pool._open)
        assert (await phone.ask(post(b"x"))).status == 200

    async def test_a_server_that_talks_unasked_is_cut_off(self, plane: Bed) -> None:
        """Bytes on an idle connection belong to no request."""
        go = asyncio.Event()

        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await plane.mail.receive(reader)
            writer.write(ok())
            await go.wait()
            writer.write(ok(b"unasked"))
            await reader.readexactly(1)

        plane.mail.script = script
        phone = await plane.phone()
        await phone.ask(post())
        go.set()
        await plane.mail.left()
        assert not plane.pool._open

    async def test_connections_are_limited(self, pki: Pki) -> None:
        """Beyond the limit a request gets 503 and may come again."""
        async with bed(pki, connections=1) as plane:
            plane.mail.script = plane.mail.hold
            held = await plane.phone()
            held.writer.write(post(query=PING))
            await eventually(lambda: len(plane.mail.requests) == 1)
            other = await plane.phone()
            answer = await other.ask(post())
            assert (answer.status, answer.get("retry-after")) == (503, ["60"])
            record = plane.audit()[-1]
            assert record["reason"] == "OVERLOADED"
            assert "upstream.connections" in record["detail"]

    async def test_an_unused_connection_of_a_phone_that_left_is_kept(self, plane: Bed) -> None:
        """Nothing was sent on it, so that it is as good as new."""
        phone = await plane.phone()
        (connection,) = plane.connections
        await eventually(lambda: connection._dialogue is not None)
        assert connection._dialogue is not None
        connection._dialogue.receive(post(query=PING))
        connection.abort()
        connection._dialogue.gone()
        await eventually(lambda: len(plane.pool._idle) == 1)
        assert plane.mail.requests == []
        phone.close()


class TestDown:
    """A mail server that cannot be reached."""

    async def test_nobody_listens(self, plane: Bed) -> None:
        """503 with Retry-After, and the address is in the record, not in the answer."""
        await plane.mail.stop()
        phone = await plane.phone()
        answer = await phone.ask(post())
        assert (answer.status, answer.get("retry-after")) == (503, ["60"])
        assert plane.upstream.url in plane.audit()[-1]["detail"]
        assert plane.upstream.url.encode() not in answer.body

    async def test_it_closes_at_once(self, plane: Bed) -> None:
        """A connection that is gone before it was used is no answer."""

        async def script(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.transport.abort()

        plane.mail.script = script
        phone = await plane.phone()
        for _ in range(3):
            assert (await phone.ask(post())).status == 503

    async def test_it_does_not_answer_the_handshake(self, pki: Pki) -> None:
        """connect_timeout_seconds bounds TLS, too."""
        url = "https://127.0.0.1:{}"
        async with bed(pki, url=url, ca_file=pki.root_pem, connect_timeout_seconds=0.05) as plane:
            plane.mail.script = plane.mail.hold
            phone = await plane.phone()
            assert (await phone.ask(post())).status == 503
            assert "connect_timeout_seconds" in plane.audit()[-1]["detail"]


class TestTls:
    """HTTPS to the mail server is verified."""

    async def test_a_server_of_the_right_ca(self, pki: Pki) -> None:
        """The CA file is trusted, and the name in the URL is the one in the certificate."""
        url = "https://localhost:{}"
        async with bed(pki, mail_tls=_mail_tls(pki), url=url, ca_file=pki.root_pem) as plane:
            phone = await plane.phone()
            for _ in range(2):
                assert (await phone.ask(post())).status == 200
            assert plane.mail.requests[0].get("host") == [f"localhost:{plane.mail.port}"]

    async def test_a_server_of_another_ca(self, pki: Pki, tmp_path: Path) -> None:
        """503, and the mail server gets no request."""
        other = tmp_path / "other.pem"
        other.write_bytes(CertificateAuthority.root("Other").certificate_pem)
        url = "https://localhost:{}"
        async with bed(pki, mail_tls=_mail_tls(pki), url=url, ca_file=other) as plane:
            phone = await plane.phone()
            assert (await phone.ask(post())).status == 503
            assert "certificate" in plane.audit()[-1]["detail"].lower()
            assert plane.mail.requests == []

    async def test_a_ca_file_that_is_none(self, pki: Pki, tmp_path: Path) -> None:
        """The error names the key of the configuration."""
        bad = tmp_path / "bad.pem"
        bad.write_text("nothing")
        settings = Upstream(name="mail", url="https://localhost", ca_file=bad)
        with pytest.raises(ConfigError, match="ca_file"):
            UpstreamPool(settings, Tasks())


class TestNames:
    """Where the mail server is."""

    async def test_a_name_without_an_address(self) -> None:
        """An error that names the key, until the name has one."""
        settings = Upstream(name="mail", url="http://nowhere.invalid")
        pool = UpstreamPool(settings, Tasks())
        with pytest.raises(UpstreamError, match=r"upstream\.url: nowhere\.invalid"):
            await pool.resolve()

    async def test_the_old_addresses_stay_when_the_resolver_fails(self, pki: Pki) -> None:
        """A resolver that is down for a moment stops no mail."""
        async with bed(pki, url="http://localhost:{}") as plane:
            plane.pool._host = "nowhere.invalid"
            await plane.pool.resolve()
            phone = await plane.phone()
            assert (await phone.ask(post())).status == 200

    async def test_the_next_address_is_tried(self, pki: Pki) -> None:
        """An address at which nobody listens does not stop the request."""
        async with bed(pki) as plane:
            with socket.socket() as free:
                free.bind(("127.0.0.9", plane.mail.port))
                plane.pool._addresses = ["127.0.0.9", "127.0.0.1"]
                phone = await plane.phone()
                assert (await phone.ask(post())).status == 200
            assert plane.pool._next_address == 1

    async def test_it_is_resolved_again_and_again(self, pki: Pki) -> None:
        """The resolver's task goes on until it is cancelled."""
        async with bed(pki, url="http://localhost:{}") as plane:
            plane.pool._addresses = []
            task = plane._tasks.spawn(plane.pool.keep_resolved(), name="resolve")
            await eventually(lambda: bool(plane.pool._addresses))
            task.cancel()

    async def test_no_address_yet(self, pki: Pki) -> None:
        """503 until the name has been resolved."""
        async with bed(pki, url="http://localhost:{}") as plane:
            plane.pool._addresses = []
            phone = await plane.phone()
            assert (await phone.ask(post())).status == 503

    @pytest.mark.parametrize(
        ("url", "host"),
        [
            ("http://mail.test", b"mail.test"),
            ("https://mail.test:443", b"mail.test"),
            ("http://mail.test:8080", b"mail.test:8080"),
            ("http://[::1]:8080", b"[::1]:8080"),
        ],
    )
    def test_the_host_field(self, url: str, host: bytes) -> None:
        """The mail server's own name, with its port unless that is the usual one."""
        pool = UpstreamPool(Upstream(name="mail", url=url), Tasks())
        assert pool.host_line == b"Host: %b\r\n" % host
