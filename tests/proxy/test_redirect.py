"""Mail servers that send phones to other mail servers (451)."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from gateway.config import Config
from gateway.config_upstream import Upstream
from gateway.proxy.upstreams import build_upstreams
from gateway.tasks import Tasks
from tests.helpers import Pki
from tests.proxy.bed import Bed, MailServer, Script, bed, mail_server, ok, post, read_head

_OUTSIDE = "https://mail2.example/Microsoft-Server-ActiveSync"


def _sends_to(*locations: str) -> bytes:
    fields = "".join(f"X-MS-Location: {one}\r\n" for one in locations)
    return f"HTTP/1.1 451 Redirect\r\n{fields}Content-Length: 0\r\n\r\n".encode()


@pytest.fixture
async def second() -> AsyncIterator[MailServer]:
    """The mail server that the first one sends alice to."""
    async with mail_server() as mail:
        yield mail


@pytest.fixture
async def plane(pki: Pki, second: MailServer) -> AsyncIterator[Bed]:
    """Two mail servers, each with a name of its own for the outside world."""
    other = Upstream(
        name="second",
        url=f"http://127.0.0.1:{second.port}",
        locations=(_OUTSIDE,),
        header="X-Second-User",
    )
    first = "https://mail1.example/Microsoft-Server-ActiveSync"
    async with bed(pki, upstreams=(other,), locations=(first,)) as made:
        yield made


async def test_the_phone_comes_again_and_is_served_there(plane: Bed, second: MailServer) -> None:
    """It is sent to the gateway, which knows better the second time: on every connection."""
    plane.mail.answer = _sends_to(_OUTSIDE)
    phone, other = await plane.phone(), await plane.phone()
    answer = await phone.ask(post(b"mail"))
    assert answer.status == 451
    assert answer.get("x-ms-location") == ["https://localhost/Microsoft-Server-ActiveSync"]
    assert (await phone.ask(post(b"mail"))).status == 200
    assert (await other.ask(post())).status == 200
    assert (await (await plane.phone()).ask(post())).status == 200
    assert (len(plane.mail.requests), len(second.requests)) == (1, 3)
    assert second.requests[0].get("x-second-user") == ["alice@example.test"]
    assert second.requests[0].body == b"mail"


async def test_the_other_workers_are_told(plane: Bed) -> None:
    """Once, with a line for the log; another mailbox of the same server stays."""
    plane.mail.answer = _sends_to(_OUTSIDE)
    phone, bob = await plane.phone(), await plane.phone(plane.pki.bob)
    await phone.ask(post())
    [message] = plane.messages("route")
    assert (message["mailbox_key"], message["upstream"]) == ("alice@example.test", "second")
    [line] = [one for one in plane.log() if one["event"] == "mailbox.routed"]
    assert (line["mailbox"], line["before"], line["upstream"]) == (
        "alice@example.test",
        "mail",
        "second",
    )
    plane.mail.answer = ok()
    query = "Cmd=Sync&DeviceId=d1&DeviceType=x"
    assert (await bob.ask(post(query=query))).status == 200


async def test_a_connection_that_does_not_know_it_yet_is_told(
    plane: Bed, second: MailServer
) -> None:
    """It had its verdict before the move; it is no second move."""
    first, late = await plane.phone(), await plane.phone()
    assert (await late.ask(post())).status == 200
    plane.mail.answer = _sends_to(_OUTSIDE)
    assert (await first.ask(post())).status == 451
    assert (await late.ask(post())).status == 451
    assert (await late.ask(post())).status == 200
    assert len(second.requests) == 1
    assert len(plane.messages("route")) == 1


async def test_the_public_url_is_named(plane: Bed) -> None:
    """Where the configuration has one, whatever Host was asked for."""
    plane.services.public_url = "https://eas.example.com:8443"
    plane.mail.answer = _sends_to(_OUTSIDE)
    answer = await (await plane.phone()).ask(post())
    location = "https://eas.example.com:8443/Microsoft-Server-ActiveSync"
    assert answer.get("x-ms-location") == [location]


@pytest.mark.parametrize(
    "locations",
    [
        (),
        ("",),
        ("https://evil.example/Microsoft-Server-ActiveSync",),
        ("https://mail2.example@evil.example/",),
        ("https://mail2.example#@evil.example/",),
        ("http://mail2.example/Microsoft-Server-ActiveSync",),
        ("https://mail2.example:444/Microsoft-Server-ActiveSync",),
        ("/Microsoft-Server-ActiveSync",),
        (_OUTSIDE, "https://evil.example/"),
        ("https://mail1.example/Microsoft-Server-ActiveSync",),
    ],
)
async def test_another_place_never_reaches_the_phone(
    plane: Bed, second: MailServer, locations: tuple[str, ...]
) -> None:
    """503 and Retry-After; the record names the place, and nothing has changed."""
    plane.mail.answer = _sends_to(*locations)
    phone = await plane.phone()
    answer = await phone.ask(post(b"mail"))
    assert (answer.status, answer.get("retry-after")) == (503, ["60"])
    assert answer.get("x-ms-location") == []
    assert b"example" not in answer.body.replace(b"example.test", b"")
    record = plane.audit()[-1]
    assert record["reason"] == "UPSTREAM_UNAVAILABLE"
    for place in locations:
        assert len(locations) > 1 or place in record["detail"]
    assert plane.messages("route") == []
    plane.mail.answer = ok()
    assert (await phone.ask(post())).status == 200
    assert second.requests == []


async def test_two_servers_that_send_it_to_each_other_are_left(
    plane: Bed, second: MailServer
) -> None:
    """One move a minute, then 503 from wherever it is."""
    plane.mail.answer = _sends_to(_OUTSIDE)
    second.answer = _sends_to("https://mail1.example/Microsoft-Server-ActiveSync")
    phone = await plane.phone()
    assert [(await phone.ask(post())).status for _ in range(4)] == [451, 503, 503, 503]
    assert (len(plane.mail.requests), len(second.requests)) == (1, 3)
    assert "within a minute" in plane.audit()[-1]["detail"]
    assert len(plane.messages("route")) == 1


async def test_a_server_that_cannot_be_told_the_user(plane: Bed) -> None:
    """The other one knows users by a name that this mailbox does not have."""
    services = plane.services.upstreams.services
    settings = services[1].settings.model_copy(update={"user": "sam_account_name"})
    config = Config(upstream=(plane.upstream, settings))
    plane.services.upstreams = build_upstreams(config, Tasks(), lambda *_: None)
    await plane.services.upstreams.resolve()
    plane.changed()
    plane.mail.answer = _sends_to(_OUTSIDE)
    answer = await (await plane.phone()).ask(post())
    assert answer.status == 503
    assert "sam_account_name" in plane.audit()[-1]["detail"]


async def test_without_a_host_there_is_no_url(plane: Bed) -> None:
    """HTTP/1.0 need not say what it asks for."""
    plane.mail.answer = _sends_to(_OUTSIDE)
    phone = await plane.phone()
    answer = await phone.ask(b"OPTIONS /Microsoft-Server-ActiveSync HTTP/1.0\r\n\r\n")
    assert answer.status == 503
    assert "gateway.public_url" in plane.audit()[-1]["detail"]


async def test_a_body_that_is_still_coming_is_passed_over(plane: Bed) -> None:
    """The answer came before the end of the request; the connection is not of use any more."""
    sent = _sends_to(_OUTSIDE)
    plane.mail.script = _early(sent)
    phone = await plane.phone()
    answer = await phone.ask(post(b"half", headers="Content-Length: 8\r\n", length=False))
    assert answer.status == 451
    assert (await phone.ask(b"rest" + post())).status == 200


def _early(answer: bytes) -> Script:
    """A server that answers when it has seen the head."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_head(reader)
        writer.write(answer)
        await reader.read()

    return script


async def test_a_location_beside_another_status_is_dropped(plane: Bed) -> None:
    """No answer leads a phone past the gateway."""
    plane.mail.answer = ok(headers="X-MS-Location: https://evil.example/\r\n")
    answer = await (await plane.phone()).ask(post())
    assert (answer.status, answer.get("x-ms-location")) == (200, [])


async def test_the_store_decides_in_the_end(plane: Bed, second: MailServer) -> None:
    """Control writes what it was told, and the snapshot says the same."""
    plane.mail.answer = _sends_to(_OUTSIDE)
    phone = await plane.phone()
    await phone.ask(post())
    alice, *rest = plane.directory.mailboxes
    plane.directory.mailboxes = (replace(alice, upstream="second"), *rest)
    await plane.follow()
    plane.services.upstreams._moves.clear()
    assert (await phone.ask(post())).status == 200
    assert len(second.requests) == 1
