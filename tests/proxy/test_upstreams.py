"""Several mail servers: which one a mailbox is served by."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from gateway.config import Config
from gateway.config_upstream import Upstream
from gateway.core.mailbox import Mailbox
from gateway.errors import ConfigError, UpstreamError
from gateway.proxy.upstreams import MOVE_SECONDS, Upstreams, UpstreamService, build_upstreams
from gateway.tasks import Tasks
from tests.helpers import Pki
from tests.proxy.bed import Bed, MailServer, bed, mail_server, post

ALICE = Mailbox("alice@example.test")
_A = Upstream(name="a", url="https://a.example", locations=("https://mail.example/eas",))
_B = Upstream(name="b", url="https://b.example", more_urls=("https://b2.example:444",))


def _upstreams(*settings: Upstream) -> Upstreams:
    return build_upstreams(Config(upstream=settings), Tasks(), lambda *_: None)


def _named(upstreams: Upstreams, name: str) -> UpstreamService:
    return next(one for one in upstreams.services if one.name == name)


class TestOf:
    """By the directory."""

    def test_the_first_serves_those_that_name_none(self) -> None:
        """Or the one that says so."""
        assert _upstreams(_A, _B).of(ALICE).name == "a"
        default = _B.model_copy(update={"default": True})
        assert _upstreams(_A, default).of(ALICE).name == "b"

    def test_a_name_that_is_not_configured(self) -> None:
        """The error has it."""
        with pytest.raises(UpstreamError, match="'gone'"):
            _upstreams(_A, _B).of(replace(ALICE, upstream="gone"))

    def test_there_must_be_one(self) -> None:
        """Without it no phone could be served."""
        with pytest.raises(ConfigError, match="upstream"):
            _upstreams()

    @pytest.mark.parametrize(
        ("location", "name"),
        [
            ("https://a.example/Microsoft-Server-ActiveSync", "a"),
            ("https://MAIL.example:443/anything", "a"),
            ("https://b2.example:444", "b"),
            ("https://b2.example", None),
            ("http://a.example", None),
            ("https://c.example", None),
            ("a.example", None),
        ],
    )
    def test_a_location_leads_to_one(self, location: str, name: str | None) -> None:
        """By scheme, host and port, those of `locations` too."""
        found = _upstreams(_A, _B).find(location)
        assert (found and found.name) == name

    def test_locations_count_before_hosts(self) -> None:
        """Two upstreams on one host are told apart by them."""
        other = Upstream(name="b", url="https://a.example", path="/b")
        named = Upstream(name="c", url="https://c.example", locations=("https://a.example",))
        found = _upstreams(_A, other, named).find("https://a.example/x")
        assert found is not None
        assert found.name == "c"


class TestMove:
    """A mail server sent a mailbox elsewhere."""

    def test_it_holds_for_a_minute(self) -> None:
        """Whatever the store says; then the store decides."""
        now = [0.0]
        built = _upstreams(_A, _B)
        upstreams = Upstreams(built.services, lambda: now[0])
        b = _named(upstreams, "b")
        assert upstreams.move(ALICE, b)
        assert upstreams.of(ALICE) is b
        assert upstreams.of(Mailbox("bob@example.test")).name == "a"
        now[0] = MOVE_SECONDS + 1
        assert upstreams.of(ALICE).name == "a"
        assert upstreams.of(replace(ALICE, upstream="b")) is b

    def test_it_is_not_moved_again_before(self) -> None:
        """Two servers that send it to each other would do so for ever."""
        now = [0.0]
        upstreams = Upstreams(_upstreams(_A, _B).services, lambda: now[0])
        a, b = _named(upstreams, "a"), _named(upstreams, "b")
        assert upstreams.move(ALICE, b)
        assert not upstreams.move(ALICE, a)
        assert upstreams.of(ALICE) is b
        now[0] = MOVE_SECONDS + 1
        assert upstreams.move(ALICE, a)

    def test_moves_are_bounded(self) -> None:
        """Memory is."""
        upstreams = _upstreams(_A, _B)
        b = _named(upstreams, "b")
        for number in range(20_010):
            upstreams.move(Mailbox(f"u{number}@example.test"), b)
        assert len(upstreams._moves) <= 20_000


@pytest.fixture
async def second() -> AsyncIterator[MailServer]:
    """Another mail server."""
    async with mail_server() as mail:
        yield mail


def _second(mail: MailServer) -> Upstream:
    return Upstream(
        name="second",
        url=f"http://127.0.0.1:{mail.port}",
        path="/SOGo/Microsoft-Server-ActiveSync",
        header="X-Second-User",
    )


def _route(plane: Bed, upstream: str | None) -> None:
    first, *rest = plane.directory.mailboxes
    plane.directory.mailboxes = (replace(first, upstream=upstream), *rest)


class TestServed:
    """Through the gateway."""

    async def test_each_mailbox_by_its_own_server(self, pki: Pki, second: MailServer) -> None:
        """At that one's path, under its name for the user, with its Host."""
        async with bed(pki, upstreams=(_second(second),)) as plane:
            _route(plane, "second")
            await plane.follow()
            alice, bob = await plane.phone(), await plane.phone(pki.bob)
            query = "Cmd=Sync&DeviceId=d1&DeviceType=x"
            forged = "X-Second-User: carol\r\nX-Remote-User: carol\r\n"
            assert (await alice.ask(post(query=query, headers=forged))).status == 200
            assert (await bob.ask(post(query=query, headers=forged))).status == 200
            [one], [other] = second.requests, plane.mail.requests
            assert one.line.startswith("POST /SOGo/Microsoft-Server-ActiveSync?Cmd=Sync")
            assert one.get("x-second-user") == ["alice@example.test"]
            assert one.get("x-remote-user") == []
            assert one.get("host") == [f"127.0.0.1:{second.port}"]
            assert other.line.startswith("POST /Microsoft-Server-ActiveSync?Cmd=Sync")
            assert other.get("x-remote-user") == ["bob@example.test"]
            assert other.get("x-second-user") == []

    async def test_a_connection_follows_its_mailbox(self, pki: Pki, second: MailServer) -> None:
        """The administrator gives it another server; the next request goes there."""
        async with bed(pki, upstreams=(_second(second),)) as plane:
            phone = await plane.phone()
            for upstream in (None, "second", None):
                _route(plane, upstream)
                await plane.follow()
                for _ in range(2):
                    assert (await phone.ask(post())).status == 200
            assert (len(plane.mail.requests), len(second.requests)) == (4, 2)

    async def test_a_server_that_is_not_configured(self, pki: Pki) -> None:
        """503, and the record names it."""
        async with bed(pki) as plane:
            _route(plane, "gone")
            await plane.follow()
            phone = await plane.phone()
            answer = await phone.ask(post())
            assert (answer.status, answer.get("retry-after")) == (503, ["60"])
            record = plane.audit()[-1]
            assert record["reason"] == "UPSTREAM_UNAVAILABLE"
            assert "'gone'" in record["detail"]
            assert plane.mail.requests == []

    async def test_each_has_its_own_limits(self, pki: Pki, second: MailServer) -> None:
        """A body that one reads is too large for another."""
        small = _second(second).model_copy(
            update={"request_body": "buffer", "buffer_limit_bytes": 1024}
        )
        async with bed(pki, upstreams=(small,)) as plane:
            _route(plane, "second")
            await plane.follow()
            alice, bob = await plane.phone(), await plane.phone(pki.bob)
            query = "Cmd=Sync&DeviceId=d1&DeviceType=x"
            assert (await alice.ask(post(bytes(2000), query=query))).status == 413
            assert (await bob.ask(post(bytes(2000), query=query))).status == 200
