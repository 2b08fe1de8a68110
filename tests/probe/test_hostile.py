"""Endpoints that mean a probe ill, or are so broken that they might."""

import asyncio
import socket
from collections.abc import Callable

import pytest
from aiohttp import web
from aiohttp.typedefs import Handler

from gateway.cli.probe_watch import Watch, watch
from gateway.core.eas_query import parse_query
from gateway.core.wbxml import element
from gateway.errors import ConfigError
from gateway.probe.step import Report
from tests.blackbox.bed import free_ports
from tests.probe.broken import BOB, Surroundings
from tests.probe.endpoints import answering, serving, talking, tls_for
from tests.probe.test_steps import FOLDERS, outcomes, plain, scripted, words_of

SECRET = "sesame-open-7"
WITHOUT_AUTODISCOVER = ("--skip", "autodiscover-xml", "--skip", "autodiscover-json")
TRAILERS = (b"X-Trailer: " + b"y" * 5000 + b"\r\n") * 100


def saying(*pieces: bytes, on_and_on: bytes = b"") -> Callable[[socket.socket], None]:
    """A server that says the same whatever it is asked, and perhaps never ends."""

    def talk(connection: socket.socket) -> None:
        connection.recv(1 << 16)
        for piece in pieces:
            connection.sendall(piece)
        while on_and_on:
            connection.sendall(on_and_on)

    return talk


class TestAnswers:
    """Answers that are not to be had whole."""

    @pytest.mark.parametrize(
        ("head", "on_and_on"),
        [
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", TRAILERS),
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;", b"a=b;" * 20_000),
            (b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 65_536),
        ],
        ids=["trailers", "chunk extensions", "body"],
    )
    def test_without_end(self, head: bytes, on_and_on: bytes, around: Surroundings) -> None:
        """What never ends is read as far as an answer may be, and not for as long as it lasts."""
        with talking(saying(head, on_and_on=on_and_on)) as port:
            _, report = around.probe(plain(port, "--skip", "clock"))
        assert "more than 16777216 bytes" in words_of(report, "sign-in")

    def test_another_protocol(self, around: Surroundings) -> None:
        """A 101 is an answer to what was not asked for."""
        head = b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n"
        with talking(saying(head)) as port:
            _, report = around.probe(plain(port, "--skip", "clock"))
        assert "changes to another protocol (HTTP 101)" in words_of(report, "sign-in")

    @pytest.mark.parametrize(
        "more", [b"HTTP/1.1 200 OK\r\nMS-ASProtocolVersions: 14.1\r\n\r\nx", b"junk\r\n\r\n"]
    )
    def test_more_than_one(self, more: bytes, around: Surroundings) -> None:
        """The first answer is the answer; what comes with it is none."""
        first = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"
        with talking(saying(first + more)) as port:
            _, report = around.probe(plain(port, "--skip", "clock"))
        assert "asks for a password (401)" in words_of(report, "sign-in")

    def test_policy_key(self, around: Surroundings) -> None:
        """A policy key has 32 bits, as no query can hold more."""
        policy = element(
            "Provision:Policy",
            element("Provision:PolicyType", "MS-EAS-Provisioning-WBXML"),
            element("Provision:Status", "1"),
            element("Provision:PolicyKey", "4294967296"),
        )
        status = element("Provision:Status", "1")
        answer = element("Provision:Provision", status, element("Provision:Policies", policy))
        with serving(scripted({"Provision": answer})) as port:
            _, report = around.probe(plain(port))
        assert "'4294967296' where a number belongs" in words_of(report, "provision")


def test_sign_in_failed_and_provision_left_out(around: Surroundings) -> None:
    """Whoever could not sign in has no folders to ask for."""
    with serving(answering(404)) as port:
        status, report = around.probe(plain(port, "--skip", "provision", "--skip", "sync"))
    assert status == 1
    assert report["cause"]["step"] == "sign-in"
    assert {outcomes(report)[one] for one in ("folder-sync", "ping")} == {"skipped"}


def test_other_server_on_a_further_connection(around: Surroundings) -> None:
    """It is sent nothing where its certificate is not one that a phone trusts."""
    pki = around.pki
    right = tls_for(str(pki.server.pem), str(pki.server.key), ca=str(pki.root_pem))
    wrong = tls_for(str(pki.alice.pem), str(pki.alice.key), ca=str(pki.root_pem))
    options = b"HTTP/1.1 200 OK\r\nMS-ASProtocolVersions: 14.1\r\nContent-Length: 0\r\n"
    asked: list[bytes] = []
    told: list[bytes] = []

    def talk(connection: socket.socket) -> None:
        tls = (wrong if asked else right).wrap_socket(connection, server_side=True)
        with tls:
            if asked:
                told.append(tls.recv(1 << 16))
            elif said := tls.recv(1 << 16):
                asked.append(said)
                tls.sendall(options + b"Connection: close\r\n\r\n")

    with talking(talk) as port:
        words = ["--skip", "clock", *WITHOUT_AUTODISCOVER, "--header", f"X-Secret: {SECRET}"]
        status, report = around.probe(around.at(port, "alice", *words))
    assert status == 1
    assert SECRET.encode() in asked[0]
    assert set(told) == {b""}
    assert report["cause"]["step"] == "provision"
    assert "on a further connection, the server's certificate is not for localhost" in str(
        report["cause"]
    )
    assert outcomes(report)["no-certificate"] == "warning"
    assert "cannot be told" in words_of(report, "no-certificate")


def test_other_user_is_not_answered(around: Surroundings) -> None:
    """Whether another's name is refused is not known without an answer."""
    served = scripted({"FolderSync": FOLDERS})

    @web.middleware
    async def hold(request: web.Request, handler: Handler) -> web.StreamResponse:
        query = request.raw_path.partition("?")[2].encode()
        if query and parse_query(query).user == BOB:
            await asyncio.Event().wait()
        return await handler(request)

    def make() -> web.Application:
        application = served()
        application.middlewares.append(hold)
        return application

    with serving(make) as port:
        words = ["--other-user", BOB, "--timeout", "0.5", "--skip", "versions"]
        _, report = around.probe(plain(port, *words))
    assert outcomes(report)["other-user"] == "warning"
    assert "cannot be told" in words_of(report, "other-user")


def test_watch_ends_with_what_ended_it() -> None:
    """A probe that cannot go on is an error of the program that repeats it."""

    async def probe() -> Report:
        raise ConfigError("the configuration is gone")

    (port,) = free_ports(1)
    with pytest.raises(ConfigError, match="gone"):
        asyncio.run(watch(probe, Watch(1, "127.0.0.1", port)))
