"""The hosts of one mail server: who is served by which, and what happens when one is down."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import pytest

from gateway.config_upstream import Upstream
from gateway.proxy.hosts import UpstreamHosts
from gateway.tasks import Tasks
from tests.helpers import Pki
from tests.proxy.bed import Bed, MailServer, bed, eventually, mail_server, ok, post

_NO_ONE = "http://127.0.0.1:1"
_URLS = tuple(f"http://127.0.0.{n}:1" for n in range(1, 5))
_KEYS = [f"user{n}@example.test" for n in range(400)]


class Changes:
    """What was told of hosts."""

    def __init__(self) -> None:
        self.told: list[tuple[str, bool, str]] = []

    def __call__(self, url: str, up: bool, detail: str) -> None:  # noqa: FBT001 (as `Changed`)
        """Told."""
        self.told.append((url, up, detail))


def _hosts(*urls: str, changes: Changes | None = None, tasks: Tasks | None = None) -> UpstreamHosts:
    settings = Upstream(name="mail", url=urls[0], more_urls=urls[1:], health_check_seconds=1)
    return UpstreamHosts(settings, tasks or Tasks(), changes or Changes())


def _firsts(hosts: UpstreamHosts) -> dict[str, str]:
    return {key: hosts.order(key)[0].url for key in _KEYS}


class TestOrder:
    """Which host a mailbox is served by."""

    def test_mailboxes_are_spread_over_all_hosts(self) -> None:
        """None of four hosts has less than half of its share."""
        counts = Counter(_firsts(_hosts(*_URLS)).values())
        assert set(counts) == set(_URLS)
        assert min(counts.values()) > len(_KEYS) / 8

    def test_all_workers_choose_alike(self) -> None:
        """The choice is that of the mailbox and the hosts, in whatever order they stand."""
        assert _firsts(_hosts(*_URLS)) == _firsts(_hosts(*reversed(_URLS)))

    async def test_only_mailboxes_of_the_host_that_is_down_move(self) -> None:
        """They are spread over the others, and the host itself is the last that is tried."""
        hosts = _hosts(_NO_ONE, *_URLS[1:])
        before = _firsts(hosts)
        await hosts.resolve()
        await hosts.check(hosts.pools[0])
        after = _firsts(hosts)
        moved = {key for key in _KEYS if before[key] != after[key]}
        assert moved == {key for key in _KEYS if before[key] == _NO_ONE}
        assert len({after[key] for key in moved}) == 3
        assert all(hosts.order(key)[-1].url == _NO_ONE for key in _KEYS)

    def test_what_is_remembered_is_bounded(self) -> None:
        """Mailboxes that were asked for once do not fill the memory."""
        hosts = _hosts(*_URLS[:2])
        for number in range(20_010):
            hosts.order(str(number))
        assert len(hosts._orders) < 20_001


class TestCheck:
    """Whether a host is up."""

    @pytest.mark.parametrize("status", [200, 401, 403, 404])
    async def test_whoever_answers_is_up(self, status: int) -> None:
        """OPTIONS without a user; the connection is kept for requests."""
        async with mail_server() as mail:
            mail.answer = b"HTTP/1.1 %d x\r\nContent-Length: 0\r\n\r\n" % status
            changes = Changes()
            hosts = _hosts(f"http://127.0.0.1:{mail.port}", changes=changes)
            await hosts.resolve()
            await hosts.check(hosts.pools[0])
            assert changes.told == []
            [request] = mail.requests
            assert request.line == "OPTIONS /Microsoft-Server-ActiveSync HTTP/1.1"
            assert request.get("host") == [f"127.0.0.1:{mail.port}"]
            assert len(hosts.pools[0]._idle) == 1
            hosts.close()

    @pytest.mark.parametrize("status", [500, 503])
    async def test_a_server_error_is_down_until_it_is_over(self, status: int) -> None:
        """Each change is told once, with what was found."""
        async with mail_server() as mail:
            mail.answer = b"HTTP/1.1 %d x\r\nContent-Length: 0\r\n\r\n" % status
            changes = Changes()
            url = f"http://127.0.0.1:{mail.port}"
            hosts = _hosts(url, changes=changes)
            await hosts.resolve()
            for _ in range(2):
                await hosts.check(hosts.pools[0])
            assert changes.told == [(url, False, f"{url} answers OPTIONS with {status}")]
            assert not hosts.is_up(hosts.pools[0])
            mail.answer = ok()
            for _ in range(2):
                await hosts.check(hosts.pools[0])
            assert changes.told[1:] == [(url, True, "")]
            hosts.close()

    async def test_who_does_not_answer_in_time_is_down(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A server that hangs takes connections all the same."""
        monkeypatch.setattr("gateway.proxy.hosts._ANSWER_SECONDS", 0.1)
        async with mail_server() as mail:
            mail.script = mail.hold
            changes = Changes()
            settings = Upstream(
                name="mail", url=f"http://127.0.0.1:{mail.port}", connect_timeout_seconds=0.1
            )
            hosts = UpstreamHosts(settings, Tasks(), changes)
            await hosts.resolve()
            await hosts.check(hosts.pools[0])
            assert "no answer to OPTIONS in time" in changes.told[0][2]
            await mail.left()

    async def test_one_host_that_is_up_is_left_alone(self) -> None:
        """There is no choice to make; one that is down is looked at until it is up."""
        async with mail_server() as mail:
            changes = Changes()
            tasks = Tasks()
            hosts = _hosts(f"http://127.0.0.1:{mail.port}", changes=changes)
            hosts._settings = hosts._settings.model_copy(update={"health_check_seconds": 0.01})
            await hosts.resolve()
            keeping = tasks.spawn(hosts.keep(), name="keep")
            await asyncio.sleep(0.05)
            assert mail.connections == 0
            hosts._note(hosts.pools[0], "a test says so")
            await eventually(lambda: hosts.is_up(hosts.pools[0]))
            keeping.cancel()
            await tasks.close()
            hosts.close()


@pytest.fixture
async def second() -> AsyncIterator[MailServer]:
    """Another host."""
    async with mail_server() as mail:
        yield mail


def _first_of(plane: Bed, second: MailServer, name: str) -> tuple[MailServer, MailServer]:
    """The host that serves `name`, and the other one."""
    hosts = plane.services.upstreams.default.hosts
    is_first = hosts.order(name)[0] is hosts.pools[0]
    return (plane.mail, second) if is_first else (second, plane.mail)


class TestFailOver:
    """Requests through the gateway."""

    async def test_a_mailbox_stays_with_its_host(self, pki: Pki, second: MailServer) -> None:
        """What a Ping without a body means, only that host knows."""
        async with bed(pki, more_urls=(f"http://127.0.0.1:{second.port}",)) as plane:
            own, other = _first_of(plane, second, "alice@example.test")
            for _ in range(3):
                phone = await plane.phone()
                assert (await phone.ask(post())).status == 200
            assert (len(own.requests), len(other.requests)) == (3, 0)
            assert own.requests[0].get("host") == [f"127.0.0.1:{own.port}"]

    async def test_the_next_host_takes_the_place_of_one_that_is_gone(
        self, pki: Pki, second: MailServer
    ) -> None:
        """The phone gets its answer, the log a line, and the metric is 0."""
        async with bed(pki, more_urls=(f"http://127.0.0.1:{second.port}",)) as plane:
            own, other = _first_of(plane, second, "alice@example.test")
            phone = await plane.phone()
            await phone.ask(post())
            await own.stop()
            hosts = plane.services.upstreams.default.hosts
            hosts.close()
            for _ in range(3):
                assert (await phone.ask(post(b"mail"))).status == 200
            assert [one.body for one in other.requests] == [b"mail"] * 3
            assert other.requests[0].get("host") == [f"127.0.0.1:{other.port}"]
            [line] = [one for one in plane.log() if one["event"] == "upstream.host_down"]
            url = f"http://127.0.0.1:{own.port}"
            assert (line["upstream"], line["host"], line["level"]) == ("mail", url, "warning")
            assert plane.counters.upstream_hosts["mail", url] is False

    async def test_a_request_that_was_sent_is_not_sent_again(
        self, pki: Pki, second: MailServer
    ) -> None:
        """The first host may have done what it was asked."""
        async with bed(pki, more_urls=(f"http://127.0.0.1:{second.port}",)) as plane:
            own, other = _first_of(plane, second, "alice@example.test")

            async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                await own.receive(reader)
                writer.transport.abort()

            own.script = script
            phone = await plane.phone()
            assert (await phone.ask(post(b"mail"))).status == 503
            assert (len(own.requests), len(other.requests)) == (1, 0)

    async def test_when_all_are_down_all_are_tried(self, pki: Pki, second: MailServer) -> None:
        """503, and service again as soon as one is there."""
        async with bed(pki, more_urls=(f"http://127.0.0.1:{second.port}",)) as plane:
            own, other = _first_of(plane, second, "alice@example.test")
            hosts = plane.services.upstreams.default.hosts
            for pool in hosts.pools:
                hosts._note(pool, "a test says so")
            phone = await plane.phone()
            assert (await phone.ask(post())).status == 200
            await own.stop()
            await other.stop()
            hosts.close()
            assert (await phone.ask(post())).status == 503

    async def test_a_full_host_is_not_passed_over(self, pki: Pki, second: MailServer) -> None:
        """The connections of one host are all in use: the next has not more to give."""
        urls = (f"http://127.0.0.1:{second.port}",)
        async with bed(pki, more_urls=urls, connections=1) as plane:
            own, other = _first_of(plane, second, "alice@example.test")
            own.script = own.hold
            held = await plane.phone()
            held.writer.write(post())
            await eventually(lambda: len(own.requests) == 1)
            phone = await plane.phone()
            assert (await phone.ask(post())).status == 503
            assert other.connections == 0
