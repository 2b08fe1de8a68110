"""How much of the protocol, and which other paths, a data plane lets through."""

import asyncio
import base64

import pytest

from gateway.core.wbxml import decode
from tests.helpers import Pki
from tests.proxy.bed import Bed, bed, ok, post

_ANNOUNCED = (
    "MS-ASProtocolVersions: 2.5,12.0,12.1,14.0,14.1,16.0,16.1\r\n"
    "MS-ASProtocolCommands: Sync,SendMail,Ping,Provision\r\n"
)


class TestCaps:
    """`max_protocol_version` and `allowed_commands`."""

    @pytest.mark.parametrize("method", ["OPTIONS", "POST"])
    async def test_answers_announce_no_more(self, pki: Pki, method: str) -> None:
        """OPTIONS and every other answer, and those whose head was seen before."""
        caps = {"max_protocol_version": "14.1", "allowed_commands": ["Sync", "Ping"]}
        async with bed(pki, eas=caps) as plane:
            plane.mail.answer = ok(headers=_ANNOUNCED)
            phone = await plane.phone()
            for _ in range(2):
                answer = await phone.ask(post(method=method))
                assert answer.get("ms-asprotocolversions") == ["2.5,12.0,12.1,14.0,14.1"]
                assert answer.get("ms-asprotocolcommands") == ["Sync,Ping"]

    async def test_a_newer_version_is_refused(self, pki: Pki) -> None:
        """In the schema of the command, which names those that are let in; the connection stays."""
        async with bed(pki, eas={"max_protocol_version": "14.0"}) as plane:
            phone = await plane.phone()
            answer = await phone.ask(post())
            assert decode(answer.body).text_at("AirSync:Status") == "138"
            assert plane.mail.requests == []
            assert plane.audit()[-1]["reason"] == "PROTOCOL_VERSION_NOT_ALLOWED"
            for field in ("x-ms-rp", "ms-asprotocolversions"):
                assert answer.get(field) == ["2.5,12.0,12.1,14.0"]
            older = post().replace(b"MS-ASProtocolVersion: 14.1", b"MS-ASProtocolVersion: 14.0")
            assert (await phone.ask(older)).body == b"ok"

    async def test_a_command_that_is_left_out_is_refused(self, pki: Pki) -> None:
        """In the schema of the command, and the audit trail says why."""
        async with bed(pki, eas={"allowed_commands": ["Ping"]}) as plane:
            answer = await (await plane.phone()).ask(post())
            assert decode(answer.body).text_at("AirSync:Status") == "137"
            record = plane.audit()[-1]
            assert record["reason"] == "COMMAND_NOT_ALLOWED"
            assert answer.get("x-gateway-reference") == [record["reference"]]


class TestAuthorization:
    """A name and a password in a request."""

    _FIELD = f"Authorization: Basic {base64.b64encode(b'bob:secret').decode()}\r\n"

    async def test_is_stripped(self, plane: Bed) -> None:
        """By default the request goes on without it, as the certificate's mailbox."""
        assert (await (await plane.phone()).ask(post(headers=self._FIELD))).status == 200
        (request,) = plane.mail.requests
        assert request.get("authorization") == []
        assert request.get("x-remote-user") == ["alice@example.test"]

    async def test_is_refused(self, pki: Pki) -> None:
        """Where the configuration says so; a request without one is served."""
        async with bed(pki, eas={"authorization": "refuse"}) as plane:
            phone = await plane.phone()
            assert (await phone.ask(post(headers=self._FIELD))).status == 403
            assert plane.audit()[-1]["reason"] == "AUTHORIZATION_NOT_ALLOWED"
            assert (await phone.ask(post())).status == 200
            assert len(plane.mail.requests) == 1


class TestPaths:
    """`allowed_paths`."""

    async def test_other_paths_reach_the_mail_server(self, pki: Pki) -> None:
        """As the certificate's mailbox, with their query and body, by any method."""
        async with bed(pki, eas={"allowed_paths": ["/EWS"]}) as plane:
            phone = await plane.phone()
            for method in ("POST", "GET", "PUT", "OPTIONS", "PROPFIND"):
                raw = post(b"body", method=method).replace(
                    b"/Microsoft-Server-ActiveSync?", b"/EWS/Exchange.asmx?"
                )
                assert (await phone.ask(raw)).status == 200
                request = plane.mail.requests[-1]
                assert request.line.startswith(f"{method} /EWS/Exchange.asmx?Cmd=Sync&")
                assert request.get("x-remote-user") == ["alice@example.test"]
                assert request.body == b"body"

    async def test_an_answer_to_head_has_no_body(self, pki: Pki) -> None:
        """Its length is told, nothing is waited for, and the next request is served."""
        async with bed(pki, eas={"allowed_paths": ["/owa"]}) as plane:

            async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                while True:
                    request = await plane.mail.receive(reader)
                    whole = ok(b"12345")
                    writer.write(whole[:-5] if request.line.startswith("HEAD") else whole)

            plane.mail.script = script
            phone = await plane.phone()
            phone.writer.write(b"HEAD /owa HTTP/1.1\r\nHost: localhost\r\n\r\n")
            head = await phone.reader.readuntil(b"\r\n\r\n")
            assert b"Content-Length: 5\r\n" in head
            assert (await phone.ask(post())).body == b"12345"

    @pytest.mark.parametrize(
        ("line", "status"),
        [
            (b"GET /owa", 404),
            (b"GET /EWSX", 404),
            (b"GET /EWS/../owa", 400),
            (b"GET /EWS/%2e%2e/owa", 400),
            (b"GET /EWS%2fa", 400),
            (b"TRACE /EWS", 405),
        ],
    )
    async def test_nothing_else_does(self, pki: Pki, line: bytes, status: int) -> None:
        """Another path is not served, and one with two meanings has none."""
        async with bed(pki, eas={"allowed_paths": ["/EWS"]}) as plane:
            phone = await plane.phone()
            raw = line + b" HTTP/1.1\r\nHost: localhost\r\n\r\n"
            assert (await phone.ask(raw)).status == status
            assert plane.mail.requests == []
