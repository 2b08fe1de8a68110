"""Requests that the gateway answers itself, and bodies that it looks into."""

from collections.abc import Callable

import pytest

from gateway.core.decision import Allow, Deny
from gateway.core.reasons import Reason
from gateway.errors import RequestError
from gateway.proxy.local import Asked, LocalAnswer, Outcome, PassOn, Responder, written
from gateway.proxy.routes import PathRule
from gateway.telemetry.counters import OTHER
from tests.helpers import Pki
from tests.proxy.bed import Bed, bed, chunked, eventually, post

_ALL = frozenset((b"GET", b"HEAD", b"POST"))


def _at(
    respond: Callable[[Asked], Outcome],
    *,
    body_limit: int = 0,
    larger_passes: bool = False,
    denied_too: bool = False,
) -> tuple[PathRule]:
    responder = Responder(
        respond, body_limit=body_limit, larger_passes=larger_passes, denied_too=denied_too
    )
    return (PathRule("/page", _ALL, "page", responder=responder),)


def _ask(method: str = "GET", body: bytes = b"", headers: str = "") -> bytes:
    if body:
        headers += f"Content-Length: {len(body)}\r\n"
    return f"{method} /page?x=1 HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n".encode() + body


def _hello(_asked: Asked) -> Outcome:
    return LocalAnswer(200, ((b"Content-Type", b"text/plain"),), b"hello")


def _pass(_asked: Asked) -> Outcome:
    return PassOn()


class TestAnswers:
    """What a responder answers is what the device gets."""

    async def test_the_answer_is_sent_and_the_connection_stays(self, pki: Pki) -> None:
        """The mail server hears nothing; the next request is served on the same connection."""
        async with bed(pki, rules=_at(_hello)) as plane:
            phone = await plane.phone()
            answer = await phone.ask(_ask())
            assert (answer.status, answer.body) == (200, b"hello")
            assert answer.get("content-type") == ["text/plain"]
            assert plane.mail.requests == []
            assert (await phone.ask(post())).status == 200
            assert plane.counters.requests[OTHER, 200] == 1

    async def test_head_gets_no_body(self, pki: Pki) -> None:
        """RFC 9110 section 9.3.2."""
        async with bed(pki, rules=_at(_hello)) as plane:
            phone = await plane.phone()
            phone.writer.write(_ask("HEAD", headers="Connection: close\r\n"))
            raw = await phone.ended()
            assert b"Content-Length: 5\r\n" in raw
            assert raw.endswith(b"Connection: close\r\n\r\n")

    async def test_the_body_of_what_was_answered_is_passed_over(self, pki: Pki) -> None:
        """A responder that reads no body answers before it comes, and the next request is read."""
        async with bed(pki, rules=_at(_hello)) as plane:
            phone = await plane.phone()
            phone.writer.write(_ask("POST", b"unread") + post(b"next"))
            assert (await phone.read()).body == b"hello"
            assert (await phone.read()).status == 200
            assert [one.body for one in plane.mail.requests] == [b"next"]

    async def test_what_it_is_asked(self, pki: Pki) -> None:
        """Target, who asks, the verdict, and the whole body."""
        seen: list[Asked] = []

        def respond(asked: Asked) -> Outcome:
            seen.append(asked)
            return LocalAnswer(204)

        async with bed(pki, rules=_at(respond, body_limit=10)) as plane:
            phone = await plane.phone()
            head = _ask("POST", headers="Transfer-Encoding: chunked\r\n")
            assert (await phone.ask(head + chunked(b"12345", b"67890"))).status == 204
        (asked,) = seen
        assert (asked.body, asked.target) == (b"1234567890", b"/page?x=1")
        assert asked.about["mailbox"] == "alice@example.test"
        assert asked.about["command"] == "page"
        assert isinstance(asked.verdict, Allow)

    async def test_a_denial_in_an_answer_is_put_on_record(self, pki: Pki) -> None:
        """The device gets the answer with a reference; the audit trail has the reason."""
        denial = Deny(Reason.USER_MISMATCH, "in the body")
        rules = _at(lambda _: LocalAnswer(200, body=b"refused", denial=denial), body_limit=5)
        async with bed(pki, rules=rules) as plane:
            answer = await (await plane.phone()).ask(_ask("POST", b"x"))
            assert (answer.status, answer.body) == (200, b"refused")
            record = next(one for one in plane.audit() if one["decision"] == "deny")
            assert record["reason"] == "USER_MISMATCH"
            assert answer.get("x-gateway-reference") == [record["reference"]]

    async def test_a_plain_denial_gets_the_answer_of_its_reason(self, pki: Pki) -> None:
        """As if the decision had been made without the body."""
        rules = _at(lambda _: Deny(Reason.USER_MISMATCH, "in the body"), body_limit=5)
        async with bed(pki, rules=rules) as plane:
            phone = await plane.phone()
            assert (await phone.ask(_ask("POST", b"x"))).status == 403
            assert (await phone.ask(post())).status == 200

    async def test_a_request_without_meaning(self, pki: Pki) -> None:
        """It gets the status of the error, and the connection ends."""

        def respond(_asked: Asked) -> Outcome:
            raise RequestError("this is no JSON", 400)

        async with bed(pki, rules=_at(respond, body_limit=5)) as plane:
            phone = await plane.phone()
            assert (await phone.ask(_ask("POST", b"x"))).status == 400
            assert await phone.ended() == b""
            assert plane.log()[0]["detail"] == "this is no JSON"

    async def test_close(self, pki: Pki) -> None:
        """The answer says so and the connection ends."""
        async with bed(pki, rules=_at(lambda _: LocalAnswer(200, close=True))) as plane:
            phone = await plane.phone()
            assert (await phone.ask(_ask())).get("connection") == ["close"]
            assert await phone.ended() == b""

    async def test_another_method_is_refused(self, pki: Pki) -> None:
        """405, by a path's own list."""
        async with bed(pki, rules=_at(_hello)) as plane:
            assert (await (await plane.phone()).ask(_ask("PUT"))).status == 405


class TestWhoIsAsked:
    """A denied certificate reaches only the responders that say so."""

    @pytest.mark.parametrize(("denied_too", "status"), [(True, 200), (False, 403)])
    async def test_a_denied_certificate(self, pki: Pki, denied_too: bool, status: int) -> None:  # noqa: FBT001 (a parameter of the test)
        """The responder is asked, or the denial stands."""
        async with bed(pki, rules=_at(_hello, denied_too=denied_too)) as plane:
            plane.directory.mailboxes = ()
            assert (await (await plane.phone()).ask(_ask())).status == status

    async def test_a_denied_certificate_is_never_passed_on(self, pki: Pki) -> None:
        """Whatever the responder says, the mail server hears nothing of it."""
        rules = _at(_pass, denied_too=True, body_limit=5, larger_passes=True)
        async with bed(pki, rules=rules) as plane:
            plane.directory.mailboxes = ()
            phone = await plane.phone()
            assert (await phone.ask(_ask("POST", b"x"))).status == 403
            assert (await phone.ask(_ask("POST", b"123456"))).status == 403
            assert plane.mail.requests == []

    async def test_a_change_while_the_body_comes(self, pki: Pki) -> None:
        """The request gets the answer of its denial, once."""
        async with bed(pki, rules=_at(_pass, body_limit=5)) as plane:
            await plane.follow()
            phone = await plane.phone()
            phone.writer.write(_ask("POST", b"12345")[:-1])
            await eventually(lambda: plane.services.looked_into.held == 4)
            plane.directory.blocked.add(pki.alice.serial_number)
            await plane.follow()
            assert (await phone.read()).status == 403
            assert await phone.ended() == b""
            assert plane.services.looked_into.held == 0
            assert plane.mail.requests == []


class TestPassedOn:
    """What a responder passes on reaches the mail server whole."""

    @pytest.mark.parametrize(
        ("outcome", "body"), [(PassOn(), b"12345"), (PassOn(b"another one"), b"another one")]
    )
    async def test_the_body(self, pki: Pki, outcome: PassOn, body: bytes) -> None:
        """It is the device's or the responder's, with its own length."""
        async with bed(pki, rules=_at(lambda _: outcome, body_limit=5)) as plane:
            phone = await plane.phone()
            for _ in range(2):  # the second one by its remembered head
                assert (await phone.ask(_ask("POST", b"12345"))).body == b"ok"
            for request in plane.mail.requests:
                assert (request.line, request.body) == ("POST /page?x=1 HTTP/1.1", body)
                assert request.get("content-length") == [str(len(body))]
            assert len(plane.mail.requests) == 2
            assert plane.services.looked_into.held == 0

    async def test_without_a_look_at_the_body(self, pki: Pki) -> None:
        """A responder that reads none may let the request go on as it comes."""
        async with bed(pki, rules=_at(_pass)) as plane:
            phone = await plane.phone()
            for _ in range(2):
                assert (await phone.ask(_ask("POST", b"12345"))).body == b"ok"
            assert [one.body for one in plane.mail.requests] == [b"12345", b"12345"]

    async def test_expect_is_answered_before_the_body(self, pki: Pki) -> None:
        """A device that waits is asked for the body that is to be looked into, once."""
        async with bed(pki, rules=_at(_pass, body_limit=5)) as plane:
            phone = await plane.phone()
            raw = _ask("POST", b"12345", "Expect: 100-continue\r\n")
            assert (await phone.ask(raw[:-5])).status == 100
            assert (await phone.ask(raw[-5:])).status == 200
            assert plane.mail.requests[0].body == b"12345"

    @pytest.mark.parametrize("framing", ["length", "chunks"])
    async def test_a_larger_body_goes_on_unread(self, pki: Pki, framing: str) -> None:
        """By its length at once, by its chunks once too many have come."""
        async with bed(pki, rules=_at(_hello, body_limit=5, larger_passes=True)) as plane:
            phone = await plane.phone()
            raw = _ask("POST", b"123456")
            if framing == "chunks":
                head = _ask("POST", headers="Transfer-Encoding: chunked\r\n")
                raw = head + chunked(b"123", b"456", b"789")
            assert (await phone.ask(raw)).body == b"ok"
            assert plane.mail.requests[0].body.startswith(b"123456")
            assert plane.services.looked_into.held == 0

    @pytest.mark.parametrize("framing", ["length", "chunks"])
    async def test_a_larger_body_is_refused(self, pki: Pki, framing: str) -> None:
        """413 and the end, unless the responder lets it pass."""
        async with bed(pki, rules=_at(_hello, body_limit=5)) as plane:
            phone = await plane.phone()
            raw = _ask("POST", b"123456")
            if framing == "chunks":
                head = _ask("POST", headers="Transfer-Encoding: chunked\r\n")
                raw = head + chunked(b"123", b"456")
            assert (await phone.ask(raw)).status == 413
            assert await phone.ended() == b""
            assert plane.services.looked_into.held == 0

    async def test_all_that_is_looked_into_is_limited(self, pki: Pki) -> None:
        """503, and nothing of the request is held any more."""
        async with bed(pki, rules=_at(_hello, body_limit=100)) as plane:
            plane.services.looked_into.limit = 10
            phone = await plane.phone()
            assert (await phone.ask(_ask("POST", bytes(11)))).status == 503
            assert plane.services.looked_into.held == 0
            assert (await phone.ask(_ask("POST", bytes(10)))).status == 200

    async def test_a_device_that_leaves_holds_nothing(self, pki: Pki) -> None:
        """What came of a body is given up with the connection."""
        async with bed(pki, rules=_at(_hello, body_limit=100)) as plane:
            phone = await plane.phone()
            phone.writer.write(_ask("POST", bytes(50))[:-1])
            await eventually(lambda: plane.services.looked_into.held == 49)
            phone.close()
            await eventually(lambda: plane.services.looked_into.held == 0)


def test_a_status_of_microsofts() -> None:
    """449 has a reason phrase, though no standard names it (MS-ASHTTP section 2.2.2.1.2)."""
    raw = written(LocalAnswer(449), (), close=False)
    assert raw.startswith(b"HTTP/1.1 449 Retry After Sending a PROVISION Command\r\n")


def test_no_content_has_no_length() -> None:
    """RFC 9110 section 8.6."""
    raw = written(LocalAnswer(204), (), close=False)
    assert raw.startswith(b"HTTP/1.1 204 No Content\r\nDate: ")
    assert raw.count(b"\r\n") == 3  # no other field


async def test_a_path_without_a_rule_is_not_served(plane: Bed) -> None:
    """A path that is not served gets its 404 and keeps the connection, as ever."""
    phone = await plane.phone()
    assert (await phone.ask(_ask())).status == 404
    assert (await phone.ask(post())).status == 200
