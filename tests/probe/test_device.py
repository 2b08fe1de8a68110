"""The demo device against servers that behave well, refuse, lie, or vanish."""

import asyncio
import socket
import ssl
from pathlib import Path

import pytest
from aiohttp import web

from gateway.core.eas_query import parse_query
from gateway.core.wbxml import Element, decode, element, encode
from gateway.errors import CertificateError, ConfigError, RequestError
from gateway.probe.demo_server import demo_application
from gateway.probe.device import Device
from gateway.probe.outcome import (
    Capabilities,
    ConnectionLost,
    Folders,
    HandshakeRefused,
    NoAnswer,
    NotConnected,
    Pinged,
    Provisioned,
    Refused,
    Sent,
    ServerNotTrusted,
    Synced,
    Unreadable,
)
from tests.helpers import Pki, server_context
from tests.probe.serving import handshake_only, naming, phone, serve


def answering(response_body: bytes = b"", **options: object) -> web.Application:
    """A server that answers everything alike."""

    async def handler(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(body=response_body, **options)  # type: ignore[arg-type]  # test's choice

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    return app


class Recorder:
    """A server that keeps what it was sent and answers with an empty body."""

    def __init__(self) -> None:
        self.requests: list[tuple[web.Request, bytes]] = []
        self.app = web.Application()
        self.app.router.add_route("*", "/{path:.*}", self._record)

    async def _record(self, request: web.Request) -> web.Response:
        self.requests.append((request, await request.read()))
        return web.Response()


class TestTls:
    """Certificates, as a device meets them in a handshake."""

    async def test_certificate_lets_in(self, pki: Pki) -> None:
        """With its certificate a device goes through every step over TLS."""
        app = demo_application()
        app.middlewares.append(naming("alice@example.test"))
        async with (
            serve(app, server_context(pki)) as url,
            Device(
                url=url,
                certificate=pki.alice.pem,
                key=pki.alice.key,
                ca=pki.root_pem,
                user="alice@example.test",
                device_id="PHONE1",
                device_type="iPhone",
                protocol_version="14.1",
            ) as device,
        ):
            assert isinstance(await device.options(), Capabilities)
            assert isinstance(await device.provision(), Provisioned)
            assert isinstance(await device.folder_sync(), Folders)
            assert isinstance(await device.sync("1"), Synced)
            assert await device.send_mail("alice@example.test", "to myself") == Sent(1)
            assert await device.ping(("1",), 60) == Pinged(2, ("1",))

    @pytest.mark.parametrize(
        ("name", "alert"),
        [(None, "certificate_required"), ("foreign", "unknown_ca"), ("expired", "expired")],
    )
    async def test_alert_in_tls_1_3(self, pki: Pki, name: str | None, alert: str) -> None:
        """The alert of a server that refuses the certificate is told, in TLS 1.3."""
        outcome = await self._refused(pki, name, server_context(pki))
        assert isinstance(outcome, HandshakeRefused)
        assert outcome.alert is not None
        assert alert in outcome.alert

    @pytest.mark.parametrize(
        ("name", "alert"), [(None, "handshake_failure"), ("foreign", "unknown_ca")]
    )
    async def test_alert_in_tls_1_2(self, pki: Pki, name: str | None, alert: str) -> None:
        """The alert of a server that refuses the certificate is told, in TLS 1.2."""
        context = server_context(pki)
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        outcome = await self._refused(pki, name, context)
        assert isinstance(outcome, HandshakeRefused)
        assert outcome.alert == alert

    async def _refused(self, pki: Pki, name: str | None, context: ssl.SSLContext) -> object:
        stored = None if name is None else pki.stored(name)
        certificate = stored and stored.pem
        key = stored and stored.key
        with handshake_only(context) as url:
            async with phone(url, ca=pki.root_pem, certificate=certificate, key=key) as device:
                return await device.folder_sync()

    async def test_closed_without_an_alert(self, pki: Pki) -> None:
        """A server that only hangs up in the handshake has refused it, without an alert."""
        context = server_context(pki)
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        async with (
            serve(demo_application(), context) as url,
            phone(url, ca=pki.root_pem) as device,
        ):
            outcome = await device.options()
        assert isinstance(outcome, HandshakeRefused)
        assert outcome.alert is None

    async def test_server_of_another_ca(self, pki: Pki) -> None:
        """A server whose certificate is from elsewhere is not sent a byte."""
        async with (
            serve(demo_application(), server_context(pki)) as url,
            phone(url, ca=pki.stored("foreign").pem) as device,
        ):
            assert isinstance(await device.options(), ServerNotTrusted)

    async def test_no_tls_there(self, pki: Pki) -> None:
        """A server that speaks no TLS ends the handshake without an alert."""
        async with (
            serve(demo_application()) as url,
            phone(url.replace("http:", "https:"), ca=pki.root_pem) as device,
        ):
            outcome = await device.options()
        assert isinstance(outcome, HandshakeRefused)
        assert outcome.alert is None

    async def test_files_that_cannot_be_used(self, pki: Pki, tmp_path: Path) -> None:
        """A missing or wrong file is named before any connection is made."""
        missing = tmp_path / "missing.pem"
        key = pki.bob.key
        with pytest.raises(CertificateError, match=r"missing\.pem"):
            await phone("https://localhost", ca=missing).__aenter__()
        with pytest.raises(CertificateError, match=r"alice\.pem .*bob\.key"):
            await phone(
                "https://localhost", ca=pki.root_pem, certificate=pki.alice.pem, key=key
            ).__aenter__()
        with pytest.raises(ConfigError, match="needs a CA file"):
            await phone("https://localhost").__aenter__()


class TestRefused:
    """HTTP errors as values."""

    async def test_retry_after_and_reference(self) -> None:
        """A refusal tells its status, when to come again, and the id to quote."""
        app = answering(
            b"Not available now. Reference: 4f1c-77aa\n", status=503, headers={"Retry-After": "30"}
        )
        async with serve(app) as url, phone(url) as device:
            assert await device.sync("1") == Refused(503, 30, "4f1c-77aa")

    @pytest.mark.parametrize("after", ["Wed, 21 Oct 2015 07:28:00 GMT", "-1", "9" * 5000])
    async def test_other_retry_after(self, after: str) -> None:
        """A date or nonsense is no number of seconds."""
        app = answering(b"no", status=503, headers={"Retry-After": after})
        async with serve(app) as url, phone(url) as device:
            assert await device.options() == Refused(503)

    async def test_redirect_is_not_followed(self) -> None:
        """A redirect is a refusal, so that no certificate is shown elsewhere."""
        app = answering(status=302, headers={"Location": "http://127.0.0.1:1/"})
        async with serve(app) as url, phone(url) as device:
            assert await device.folder_sync() == Refused(302)

    @pytest.mark.parametrize("step", ["provision", "folder_sync", "options"])
    async def test_every_step(self, step: str) -> None:
        """Whichever step is refused, the refusal is its outcome."""
        async with serve(answering(status=403)) as url, phone(url) as device:
            assert await getattr(device, step)() == Refused(403)
            assert await device.ping(("1",), 60) == Refused(403)
            assert await device.send_mail("a@b.test", "s") == Refused(403)


class TestNoAnswer:
    """Connections that lead to nothing."""

    async def test_nothing_listens(self) -> None:
        """A closed port is NotConnected."""
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            async with phone(f"http://127.0.0.1:{closed.getsockname()[1]}") as device:
                assert isinstance(await device.options(), NotConnected)

    async def test_connection_lost(self) -> None:
        """A server that hangs up instead of answering is ConnectionLost."""

        async def hang_up(request: web.Request) -> web.Response:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", hang_up)
        async with serve(app) as url, phone(url) as device:
            assert isinstance(await device.ping(("1",), 60), ConnectionLost)

    async def test_cut_inside_the_answer(self) -> None:
        """Half an answer is ConnectionLost, not an answer."""

        async def half(request: web.Request) -> web.StreamResponse:
            response = web.StreamResponse(headers={"Content-Length": "100"})
            await response.prepare(request)
            await response.write(b"half")
            assert request.transport is not None
            request.transport.close()
            return response

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", half)
        async with serve(app) as url, phone(url) as device:
            assert isinstance(await device.sync("1"), ConnectionLost)

    async def test_too_slow(self) -> None:
        """An answer that does not come in time is NoAnswer with that time."""
        never = asyncio.Event()

        async def wait(request: web.Request) -> web.Response:
            await never.wait()
            return web.Response()

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", wait)
        async with serve(app) as url, phone(url, timeout_seconds=0.05) as device:
            assert await device.folder_sync() == NoAnswer(0.05)


class TestUnreadable:
    """Answers with status 200 that are none."""

    @pytest.mark.parametrize(
        "body",
        [
            b"<html>log in</html>",
            b"",
            encode(element("Ping:Ping", element("Ping:Status", "1"))),
            encode(element("FolderHierarchy:FolderSync")),
            encode(element("FolderHierarchy:FolderSync", element("FolderHierarchy:Status", "one"))),
        ],
        ids=["html", "empty", "another command", "no status", "status no number"],
    )
    async def test_not_the_answer_to_this(self, body: bytes) -> None:
        """What the command does not define is Unreadable."""
        async with serve(answering(body)) as url, phone(url) as device:
            assert isinstance(await device.folder_sync(), Unreadable)

    async def test_options_of_a_web_server(self) -> None:
        """An OPTIONS answer without versions is from no ActiveSync server."""
        async with serve(answering()) as url, phone(url) as device:
            assert isinstance(await device.options(), Unreadable)

    async def test_too_large(self) -> None:
        """An answer is read to a limit."""
        async with serve(answering(bytes((16 << 20) + 1))) as url, phone(url) as device:
            assert isinstance(await device.folder_sync(), Unreadable)


class TestRequests:
    """What a server gets from the device."""

    async def test_plain_query(self) -> None:
        """Everything is in the query and in two headers, and no password anywhere."""
        recorder = Recorder()
        async with serve(recorder.app) as url, phone(url, device_type="iPhone") as device:
            device.policy_key = 7
            await device.sync("1")
        request, body = recorder.requests[0]
        assert request.raw_path == (
            "/Microsoft-Server-ActiveSync?Cmd=Sync&User=alice%40example.test"
            "&DeviceId=PHONE1&DeviceType=iPhone"
        )
        assert request.headers["MS-ASProtocolVersion"] == "14.1"
        assert request.headers["X-MS-PolicyKey"] == "7"
        assert request.headers["Content-Type"] == "application/vnd.ms-sync.wbxml"
        assert "Authorization" not in request.headers
        assert decode(body).tag == "AirSync:Sync"

    async def test_base64_query(self) -> None:
        """The base64 form says the same, in the query alone and byte for byte."""
        recorder = Recorder()
        async with serve(recorder.app) as url, phone(url, base64_query=True) as device:
            device.policy_key = 0xFFFFFFFF
            await device.send_mail("bob@example.test", "hello")
        request, _ = recorder.requests[0]
        asked = parse_query(request.raw_path.partition("?")[2].encode())
        assert (asked.command, asked.user) == ("SendMail", "alice@example.test")
        assert (asked.device_id, asked.device_type) == ("PHONE1", "Probe")
        assert (asked.protocol_version, asked.policy_key) == ("14.1", 0xFFFFFFFF)
        assert "MS-ASProtocolVersion" not in request.headers
        assert "X-MS-PolicyKey" not in request.headers

    async def test_base64_against_the_demo_server(self) -> None:
        """A device that says everything in base64 is served like any other."""
        app = demo_application(policy_required=True)
        app.middlewares.append(naming("alice@example.test"))
        async with serve(app) as url, phone(url, base64_query=True) as device:
            await device.provision()
            synced = await device.sync("1")
        assert isinstance(synced, Synced)
        assert [mail.subject for mail in synced.messages] == ["Welcome"]

    async def test_no_user(self) -> None:
        """A device without a user says none."""
        recorder = Recorder()
        async with serve(recorder.app) as url, phone(url + "/other", user=None) as device:
            await device.folder_sync()
        request, _ = recorder.requests[0]
        assert request.path == "/other"
        assert "User" not in request.query

    async def test_wipe_is_told_and_not_acknowledged(self) -> None:
        """A directive to wipe ends Provision, with nothing said back."""
        recorder: list[Element] = []

        async def wipe(request: web.Request) -> web.Response:
            recorder.append(decode(await request.read()))
            directive = element("Provision:RemoteWipe")
            root = element("Provision:Provision", element("Provision:Status", "1"), directive)
            return web.Response(body=encode(root))

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", wipe)
        async with serve(app) as url, phone(url) as device:
            assert await device.provision() == Provisioned(1, wipe=True)
        assert len(recorder) == 1

    async def test_lost_sync_key_starts_again(self) -> None:
        """After a refused sync key the next sync begins with key 0, as phones do."""
        app = demo_application()
        app.middlewares.append(naming("alice@example.test"))
        async with serve(app) as url, phone(url) as device:
            device._sync_keys["1"] = "99"
            assert await device.sync("1") == Synced(3)
            synced = await device.sync("1")
        assert isinstance(synced, Synced)
        assert [mail.subject for mail in synced.messages] == ["Welcome"]

    async def test_device_id_that_no_query_can_hold(self) -> None:
        """A device id too long for the base64 form is refused before anything is sent."""
        async with phone("http://127.0.0.1:1", device_id="x" * 300, base64_query=True) as device:
            with pytest.raises(RequestError):
                await device.folder_sync()

    async def test_outside_of_its_context(self) -> None:
        """A device that was not entered, or was closed, says so."""
        device = phone("http://127.0.0.1:1")
        with pytest.raises(RuntimeError, match="async with"):
            await device.options()
        async with device:
            await device.close()
            with pytest.raises(RuntimeError, match="async with"):
                await device.options()
