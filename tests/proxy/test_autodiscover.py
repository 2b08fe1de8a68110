"""Phones that look for their mail server find the gateway."""

import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from gateway.core.autodiscover import Found, read_answer, write_answer, write_question
from tests.helpers import Pki
from tests.proxy.bed import Answer, Bed, Phone, bed, eventually, ok, post

_URL = "https://eas.example.com"
_EAS = f"{_URL}/Microsoft-Server-ActiveSync"
_INSIDE = "https://mail1.example/Microsoft-Server-ActiveSync"
_XML = "/autodiscover/autodiscover.xml"
_JSON = "/autodiscover/autodiscover.json"
_GATEWAY = {"public_url": _URL}


@pytest.fixture
async def plane(pki: Pki) -> AsyncIterator[Bed]:
    """The gateway answers by itself."""
    async with bed(pki, gateway=_GATEWAY) as made:
        yield made


@pytest.fixture
async def rewriting(pki: Pki) -> AsyncIterator[Bed]:
    """The mail server is asked."""
    gateway = _GATEWAY | {"autodiscover": "rewrite"}
    async with bed(pki, gateway=gateway, locations=(_INSIDE,), autodiscover_path="/auto") as made:
        made.mail.answer = ok(write_answer(Found("Alice", "alice@example.test"), _INSIDE))
        yield made


async def _xml(phone: Phone, body: bytes, path: str = _XML) -> Answer:
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml\r\n"
    return await phone.ask(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)


async def _json(phone: Phone, query: str, method: str = "GET") -> Answer:
    return await phone.ask(f"{method} {_JSON}{query} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())


def _found(answer: Answer) -> Found | str:
    return read_answer(answer.body, lambda url: url == _EAS)


class TestAnswer:
    """The gateway's own answer."""

    @pytest.mark.parametrize(
        "path", [_XML, "/Autodiscover/Autodiscover.xml", "/AutoDiscover/AutoDiscover.XML"]
    )
    async def test_it_names_the_gateway(self, plane: Bed, path: str) -> None:
        """In any letter case of the path; the mail server is not asked."""
        phone = await plane.phone()
        answer = await _xml(phone, write_question("alice@example.test"), path)
        assert (answer.status, answer.get("content-type")) == (200, ["text/xml; charset=utf-8"])
        assert _found(answer) == Found("alice@example.test", "alice@example.test")
        assert (await phone.ask(post())).status == 200
        assert len(plane.mail.requests) == 1
        assert plane.counters.requests["Autodiscover", 200] == 1

    async def test_without_a_public_url_it_is_the_host(self, pki: Pki) -> None:
        """Where the phone asks is where the gateway is."""
        async with bed(pki) as plane:
            answer = await _xml(await plane.phone(), write_question("alice@example.test"))
            assert b"<Url>https://localhost/Microsoft-Server-ActiveSync</Url>" in answer.body

    @pytest.mark.parametrize(
        "name",
        ["Ann@Example.Test", "second@example.test", "alice@example.test", "CORP\\ann", "ann"],
    )
    async def test_any_name_of_the_mailbox(self, plane: Bed, name: str) -> None:
        """The answer has the primary address, which the phone uses from then on."""
        alice, *rest = plane.directory.mailboxes
        named = replace(
            alice,
            primary_address="ann@example.test",
            proxy_addresses=("second@example.test",),
            sam_account_name="ann",
            netbios_domain="CORP",
        )
        plane.directory.mailboxes = (named, *rest)
        await plane.follow()
        answer = await _xml(await plane.phone(), write_question(name))
        assert _found(answer) == Found("alice@example.test", "ann@example.test")

    @pytest.mark.parametrize("name", ["bob@example.test", "nobody@example.test", "bob"])
    async def test_another_mailbox_is_a_mismatch(self, plane: Bed, name: str) -> None:
        """Whether there is one or not."""
        answer = await _xml(await plane.phone(), write_question(name))
        assert answer.status == 403
        assert plane.audit()[-1]["reason"] == "USER_MISMATCH"

    @pytest.mark.parametrize(
        ("body", "code"),
        [
            (b"", b"600"),
            (b"<!DOCTYPE a><a/>", b"600"),
            (write_question("alice@example.test").replace(b"mobilesync/response", b"x"), b"601"),
        ],
    )
    async def test_a_wrong_request_gets_its_error(
        self, plane: Bed, body: bytes, code: bytes
    ) -> None:
        """In the schema of the errors, with 200."""
        answer = await _xml(await plane.phone(), body)
        assert answer.status == 200
        assert b"<ErrorCode>%b</ErrorCode>" % code in answer.body

    async def test_large_requests_are_refused(self, plane: Bed) -> None:
        """Nobody needs 16 KB to ask that."""
        assert (await _xml(await plane.phone(), bytes(17_000))).status == 413

    async def test_other_methods(self, plane: Bed) -> None:
        """POST alone."""
        answer = await (await plane.phone()).ask(
            f"GET {_XML} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
        )
        assert answer.status == 405

    async def test_who_is_refused_is_refused_here_too(self, plane: Bed) -> None:
        """By its own reason."""
        plane.directory.mailboxes = tuple(
            replace(one, enabled=False) for one in plane.directory.mailboxes
        )
        await plane.follow()
        phone = await plane.phone()
        assert (await _xml(phone, write_question("alice@example.test"))).status == 403
        assert (await _json(phone, "?Protocol=ActiveSync")).status == 403
        assert {one["reason"] for one in plane.audit()} == {"MAILBOX_DISABLED"}

    async def test_off_is_another_path(self, pki: Pki) -> None:
        """404."""
        async with bed(pki, gateway={"autodiscover": "off"}) as plane:
            phone = await plane.phone()
            assert (await _xml(phone, write_question("alice@example.test"))).status == 404
            assert (await _json(phone, "?Protocol=ActiveSync")).status == 404


class TestRewrite:
    """The mail server's answer."""

    async def test_it_is_asked_as_the_user(self, rewriting: Bed) -> None:
        """In the gateway's words, and the phone gets the gateway's URL."""
        plane = rewriting
        phone = await plane.phone()
        for _ in range(2):
            answer = await _xml(phone, write_question("alice@example.test"))
            assert answer.status == 200
            assert _found(answer) == Found("Alice", "alice@example.test")
            assert b"mail1.example" not in answer.body
        request = plane.mail.requests[0]
        assert request.line == "POST /auto HTTP/1.1"
        assert request.body == write_question("alice@example.test")
        assert request.get("x-remote-user") == ["alice@example.test"]
        assert request.get("host") == [f"127.0.0.1:{plane.mail.port}"]

    async def test_a_chunked_answer(self, rewriting: Bed) -> None:
        """As Exchange gives it."""
        body = write_answer(Found("Alice", "alice@example.test"), _INSIDE)
        rewriting.mail.answer = (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
        )
        answer = await _xml(await rewriting.phone(), write_question("alice@example.test"))
        assert _found(answer) == Found("Alice", "alice@example.test")

    @pytest.mark.parametrize(
        ("sent", "why"),
        [
            (
                ok(write_answer(Found("Alice", "alice@example.test"), "https://evil.example/")),
                "'https://evil.example/' is at no [[upstream]]",
            ),
            (
                ok(write_answer(Found("Bob", "bob@example.test"), _INSIDE)),
                "it is about bob@example.test",
            ),
            (ok(b"<!DOCTYPE a><a/>"), "document type declaration"),
            (ok(b"x" * 200_000), "larger than 131072 bytes"),
            (ok(b""), "not XML"),
            (
                b"HTTP/1.1 302 x\r\nLocation: https://evil.example/\r\nContent-Length: 0\r\n\r\n",
                "its status is 302",
            ),
            (b"HTTP/1.1 401 x\r\nContent-Length: 0\r\n\r\n", "401"),
            (
                b"HTTP/1.1 451 x\r\nX-MS-Location: "
                + _INSIDE.encode()
                + b"\r\nContent-Length: 0\r\n\r\n",
                "451",
            ),
            (b"HTTP/1.1 500 x\r\nContent-Length: 0\r\n\r\n", "its status is 500"),
            (b"what?\r\n\r\n", "does not speak HTTP/1.1"),
        ],
    )
    async def test_what_cannot_be_used_is_not_passed_on(
        self, rewriting: Bed, sent: bytes, why: str
    ) -> None:
        """503, to come again; the record says why, and the connection is of use still."""
        plane = rewriting
        plane.mail.answer = sent
        phone = await plane.phone()
        answer = await _xml(phone, write_question("alice@example.test"))
        assert (answer.status, answer.get("retry-after")) == (503, ["60"])
        assert b"evil" not in answer.body
        assert answer.get("location") == []
        record = plane.audit()[-1]
        assert (record["reason"], record["command"]) == ("UPSTREAM_UNAVAILABLE", "Autodiscover")
        assert why in record["detail"]
        plane.mail.answer = ok()
        assert (await phone.ask(post())).status == 200

    async def test_another_mailbox_is_not_asked_for(self, rewriting: Bed) -> None:
        """The decision comes first, and so does a wrong request."""
        phone = await rewriting.phone()
        assert (await _xml(phone, write_question("bob@example.test"))).status == 403
        assert (await _xml(phone, b"<a/>")).status == 200
        assert rewriting.mail.requests == []

    async def test_a_head_is_remembered_for_devices(self, rewriting: Bed) -> None:
        """ActiveSync's answer with the same head keeps its fields."""
        body = write_answer(Found("Alice", "alice@example.test"), _INSIDE)
        rewriting.mail.answer = ok(body, headers="X-Kept: 1\r\n")
        phone = await rewriting.phone()
        for _ in range(3):
            await _xml(phone, write_question("alice@example.test"))
            answer = await phone.ask(post())
            assert (answer.get("x-kept"), answer.body) == (["1"], body)

    async def test_a_phone_that_leaves(self, rewriting: Bed) -> None:
        """The question is called off."""
        plane = rewriting
        plane.mail.script = plane.mail.hold
        phone = await plane.phone()
        body = write_question("alice@example.test")
        head = f"POST {_XML} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
        phone.writer.write(head.encode() + body)
        await eventually(lambda: len(plane.mail.requests) == 1)
        phone.close()
        await plane.mail.left()

    async def test_a_server_that_is_down(self, rewriting: Bed) -> None:
        """503."""
        await rewriting.mail.stop()
        answer = await _xml(await rewriting.phone(), write_question("alice@example.test"))
        assert answer.status == 503


class TestJson:
    """Autodiscover v2."""

    @pytest.mark.parametrize(
        "query",
        [
            "?Email=alice%40example.test&Protocol=ActiveSync&RedirectCount=1",
            "/v1.0/alice@example.test?Protocol=activesync",
            "?Protocol=ActiveSync",
        ],
    )
    async def test_it_names_the_gateway(self, plane: Bed, query: str) -> None:
        """In both forms; the mail server is never asked."""
        answer = await _json(await plane.phone(), query)
        assert answer.status == 200
        assert json.loads(answer.body) == {"Protocol": "ActiveSync", "Url": _EAS}
        assert plane.mail.connections == 0

    @pytest.mark.parametrize(
        ("query", "status"),
        [
            ("?Email=bob%40example.test&Protocol=ActiveSync", 403),
            ("/v1.0/bob@example.test?Protocol=ActiveSync", 403),
            ("?Email=alice%40example.test&Protocol=EWS", 400),
            ("?@x/mapi/nspi", 400),
            ("?Email=a&Email=b&Protocol=ActiveSync", 400),
            ("/v2.0/alice@example.test?Protocol=ActiveSync", 404),
        ],
    )
    async def test_other_questions(self, plane: Bed, query: str, status: int) -> None:
        """None of them reaches the mail server."""
        assert (await _json(await plane.phone(), query)).status == status
        assert plane.mail.connections == 0

    async def test_it_is_not_rewritten(self, rewriting: Bed) -> None:
        """The gateway knows the answer."""
        answer = await _json(await rewriting.phone(), "?Protocol=ActiveSync")
        assert json.loads(answer.body)["Url"] == _EAS
        assert rewriting.mail.connections == 0


class TestAnonymous:
    """client_certificate = "request"."""

    @pytest.fixture
    async def plane(self, pki: Pki) -> AsyncIterator[Bed]:
        """Who has no certificate gets through TLS."""
        async with bed(pki, gateway=_GATEWAY, client_certificate="request") as made:
            yield made

    async def test_the_same_for_every_address(self, plane: Bed) -> None:
        """Nobody learns which there are; the connection ends with the answer."""
        bodies = set()
        for name in ("alice@example.test", "nobody@example.test", ""):
            phone = await plane.phone(anonymous=True)
            answer = await _json(phone, f"?Email={name}&Protocol=ActiveSync")
            assert (answer.status, answer.get("connection")) == (200, ["close"])
            assert await phone.ended() == b""
            bodies.add(answer.body)
        assert [json.loads(one)["Url"] for one in bodies] == [_EAS]
        assert plane.mail.connections == 0

    @pytest.mark.parametrize(
        "raw",
        [
            post(),
            b"OPTIONS /Microsoft-Server-ActiveSync HTTP/1.1\r\nHost: localhost\r\n\r\n",
            f"POST {_XML} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n".encode(),
            f"GET {_JSON}/v2.0/x HTTP/1.1\r\nHost: localhost\r\n\r\n".encode(),
            b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
            b"GET /owa HTTP/1.1\r\nHost: localhost\r\n\r\n",
        ],
    )
    async def test_everything_else_is_forbidden(self, plane: Bed, raw: bytes) -> None:
        """403, in the log and not in the audit trail, which whoever passes by could fill."""
        phone = await plane.phone(anonymous=True)
        answer = await phone.ask(raw)
        assert (answer.status, answer.get("connection")) == (403, ["close"])
        assert plane.counters.decisions["NO_CERTIFICATE"] == 1
        assert plane.audit() == []
        [line] = [one for one in plane.log() if one["event"] == "request.refused"]
        assert line["detail"] == "the client has no certificate"
        assert plane.mail.connections == 0

    async def test_with_a_certificate_all_is_as_ever(self, plane: Bed) -> None:
        """It is asked for, and phones show it."""
        phone = await plane.phone()
        assert (await phone.ask(post())).status == 200
        answer = await _json(phone, "?Email=bob%40example.test&Protocol=ActiveSync")
        assert answer.status == 403

    @pytest.mark.parametrize("name", ["foreign", "expired", "wrong-eku"])
    async def test_a_wrong_certificate_is_worse_than_none(self, plane: Bed, name: str) -> None:
        """TLS refuses it still."""
        with contextlib.suppress(OSError):  # TLS 1.3 tells it with the first read
            phone = await plane.phone(plane.pki.stored(name))
            assert await phone.reader.read() == b""
        await eventually(lambda: sum(plane.counters.handshakes.values()) == 1)
        assert plane.counters.handshakes["ok"] == 0

    async def test_nothing_changes_for_it(self, plane: Bed) -> None:
        """A change of the directory, or time, makes nobody of it."""
        phone = await plane.phone(anonymous=True)
        await eventually(lambda: plane.connections[0].verdicts is not None)
        await plane.follow()
        plane.judge.suspend()
        plane.changed()
        assert (await phone.ask(post())).status == 403
