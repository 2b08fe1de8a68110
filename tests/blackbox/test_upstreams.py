"""Mail servers that send phones elsewhere or go down, and phones that look for theirs."""

import contextlib
import http.client
import json
import ssl
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import ClassVar

import pytest

from gateway.config import load
from gateway.core.autodiscover import Found, write_answer, write_question
from gateway.store.store import open_store
from tests.blackbox import bed as beds
from tests.blackbox.bed import HOST, PATH, Bed, Running, new_bed, set_up, until
from tests.helpers import client_context
from tests.real import crl_server

_STRANGER = "https://elsewhere.example/Microsoft-Server-ActiveSync"
_SECOND = "https://mail2.example/Microsoft-Server-ActiveSync"


class _Mail(BaseHTTPRequestHandler):
    """A mail server that does what the test says.

    Attributes:
        location: where it sends every phone that asks ActiveSync; None: it serves them.
    """

    protocol_version = "HTTP/1.1"
    location: ClassVar[str | None] = None
    asked: ClassVar[list[str]] = []

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.asked.append(f"{self.command} {self.path} {self.headers['X-Remote-User']}")
        if "utodiscover" in self.path:
            url = self.location or _SECOND
            self._send(200, write_answer(Found("Alice", "alice@example.test"), url))
        elif self.location is not None:
            self._send(451, b"", ("X-MS-Location", self.location))
        else:
            self._send(200, body, ("MS-ASProtocolVersions", "14.1"))

    def _send(self, status: int, body: bytes, *fields: tuple[str, str]) -> None:
        self.send_response(status)
        for name, value in fields:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_OPTIONS = _answer  # noqa: N815 (the names are http.server's)

    def log_message(self, *_words: object) -> None:
        """Nothing."""


@contextmanager
def _mail_server() -> Iterator[tuple[type[_Mail], int]]:
    """One in a thread; what it does can be changed in the class."""
    mail = type("Mail", (_Mail,), {"asked": []})
    server = ThreadingHTTPServer((HOST, 0), mail)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield mail, server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Asker:
    """A client with alice's certificate, or with none."""

    def __init__(self, bed: Bed, *, anonymous: bool = False) -> None:
        context = client_context(bed.pki, None if anonymous else bed.pki.alice)
        self._http = http.client.HTTPSConnection(HOST, bed.port, context=context, timeout=60)

    def __call__(self, method: str, path: str, body: bytes | None = None) -> tuple[int, str, bytes]:
        """Status, X-MS-Location and body."""
        self._http.request(method, path, body)
        with self._http.getresponse() as answer:
            return answer.status, answer.headers.get("X-MS-Location", ""), answer.read()

    def close(self) -> None:
        """Close the connection."""
        self._http.close()


@contextmanager
def _gateway(folder: Path, port: int, more: str = "") -> Iterator[Running]:
    """A gateway with two workers in front of the mail server at `port`; `more` is configuration."""
    bed = new_bed(folder, port)
    text = bed.config.read_text().replace("workers = 1", "workers = 2")
    bed.config.write_text(text + more)
    with crl_server.serving(bed.pki.directory) as url:
        set_up(bed, url)
        with bed.running() as running:
            yield running


_PUBLIC = '[gateway]\npublic_url = "https://eas.example.test"\n'
_EAS = "https://eas.example.test/Microsoft-Server-ActiveSync"


def test_a_phone_that_is_sent_to_a_known_server_stays_with_the_gateway(tmp_path: Path) -> None:
    """It is told to come again, and is served by the other one, by all workers and for good."""
    with _mail_server() as (first, port), _mail_server() as (second, other):
        more = f'\n[[upstream]]\nname = "second"\nurl = "http://{HOST}:{other}"\n'
        more += f'locations = ["{_SECOND}"]\n{_PUBLIC}'
        first.location = _SECOND
        with _gateway(tmp_path, port, more) as gateway:
            with closing(_Asker(gateway.bed)) as ask:
                assert ask("OPTIONS", PATH)[:2] == (451, _EAS)
                assert ask("OPTIONS", PATH)[:2] == (200, "")
            until(lambda: _upstream(gateway.bed) == "second", "the store has it")
            sent = len(first.asked)
            for number in (1, 2):
                gateway.kill_and_await_next(f"worker-{number}")
            until(gateway.is_ready, "the next workers are there")
            for _ in range(6):
                with closing(_Asker(gateway.bed)) as ask:
                    assert ask("OPTIONS", PATH)[:2] == (200, "")
            assert len(first.asked) == sent
            assert f"OPTIONS {PATH} alice@example.test" in second.asked
            [line] = gateway.events("mailbox.routed")
            assert (line["mailbox"], line["upstream"]) == ("alice@example.test", "second")


def _upstream(bed: Bed) -> str | None:
    """The upstream of alice's mailbox, as the store has it."""
    with open_store(load(bed.config).state.directory) as store:
        return store.mailboxes.get("alice@example.test").upstream


def test_a_redirect_to_an_unknown_host_never_reaches_the_phone(tmp_path: Path) -> None:
    """503; the log names the host, and the mailbox stays where it is."""
    with _mail_server() as (mail, port), _gateway(tmp_path, port) as gateway:
        mail.location = _STRANGER
        with closing(_Asker(gateway.bed)) as ask:
            status, location, body = ask("OPTIONS", PATH)
            assert (status, location) == (503, "")
            assert b"elsewhere" not in body
            until(lambda: bool(gateway.events("request.denied")), "it is logged")
            [line] = gateway.events("request.denied")
            assert _STRANGER in line["detail"]
            mail.location = None
            assert ask("OPTIONS", PATH)[0] == 200


@pytest.mark.parametrize("mode", ["answer", "rewrite"])
def test_autodiscover_yields_the_gateways_url(tmp_path: Path, mode: str) -> None:
    """In XML and JSON; whatever the mail server says of itself stays inside."""
    more = f'locations = ["{_SECOND}"]\n{_PUBLIC}autodiscover = "{mode}"\n'
    with (
        _mail_server() as (mail, port),
        _gateway(tmp_path, port, more) as gateway,
        closing(_Asker(gateway.bed)) as ask,
    ):
        question = write_question("alice@example.test")
        status, _, body = ask("POST", "/Autodiscover/Autodiscover.xml", question)
        assert (status, f"<Url>{_EAS}</Url>".encode() in body) == (200, True)
        assert b"mail2.example" not in body
        assert (b"<DisplayName>Alice<" in body) == (mode == "rewrite")
        json_path = "/autodiscover/autodiscover.json?Email=alice%40example.test"
        status, _, body = ask("GET", f"{json_path}&Protocol=ActiveSync")
        assert (status, json.loads(body)["Url"]) == (200, _EAS)
        mail.location = _STRANGER
        status, _, body = ask("POST", "/autodiscover/autodiscover.xml", question)
        assert status == (503 if mode == "rewrite" else 200)
        assert b"elsewhere" not in body
        other = write_question("bob@example.test")
        assert ask("POST", "/autodiscover/autodiscover.xml", other)[0] == 403


def test_without_a_certificate_there_is_json_autodiscover_alone(tmp_path: Path) -> None:
    """Where it is asked for and not demanded; the mail server notices nothing."""
    more = f'[tls]\nclient_certificate = "request"\n{_PUBLIC}'
    with _mail_server() as (mail, port), _gateway(tmp_path, port, more) as gateway:
        for name in ("alice@example.test", "nobody@example.test"):
            path = f"/autodiscover/autodiscover.json/v1.0/{name}?Protocol=ActiveSync"
            with closing(_Asker(gateway.bed, anonymous=True)) as ask:
                status, _, body = ask("GET", path)
                assert (status, json.loads(body)["Url"]) == (200, _EAS)
        with closing(_Asker(gateway.bed, anonymous=True)) as ask:
            assert ask("OPTIONS", PATH)[0] == 403
        context = client_context(gateway.bed.pki, gateway.bed.pki.stored("foreign"))
        foreign = http.client.HTTPSConnection(HOST, gateway.bed.port, context=context, timeout=60)
        with closing(foreign):
            with contextlib.suppress(ssl.SSLError, ConnectionError):
                foreign.request("GET", path)  # with TLS 1.3 the alert may come only afterwards
            with pytest.raises((ssl.SSLError, ConnectionError, http.client.HTTPException)):
                foreign.getresponse()
        assert mail.asked == []


def test_while_a_host_is_down_the_other_serves_its_mailboxes(tmp_path: Path) -> None:
    """No phone notices; log and metrics do."""
    with beds.demo_mail_server() as port, _mail_server() as (second, other):
        more = f'more_urls = ["http://{HOST}:{other}"]\nhealth_check_seconds = 1\n'
        with _gateway(tmp_path, port, more) as gateway, gateway.bed.phone() as phone:
            assert phone.options() == 200
            second.asked.clear()
            url = f"http://{HOST}:{other}"
            until(lambda: bool(second.asked), "it is looked at")
            assert gateway.metric("upstream_host_up", url) == 1
    with _mail_server() as (second, other):
        folder = tmp_path / "again"
        folder.mkdir()
        more = f'more_urls = ["http://{HOST}:{other}"]\nhealth_check_seconds = 1\n'
        [nobody] = beds.free_ports(1)
        with _gateway(folder, nobody, more) as gateway:
            down = f"http://{HOST}:{nobody}"
            until(lambda: gateway.metric("upstream_host_up", down) == 0, "it is noticed")
            for name in ("alice", "bob"):
                with gateway.bed.phone(name) as phone:
                    assert phone.options() == 200
            lines = gateway.events("upstream.host_down")
            assert {(one["upstream"], one["host"]) for one in lines} == {("demo", down)}
