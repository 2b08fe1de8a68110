"""The steps of a probe against real servers: what is right, what is let in that must not be."""

import socket
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web

from gateway.core.eas import with_headers
from gateway.core.eas_query import parse_query
from gateway.core.wbxml import Element, element, encode
from gateway.probe.demo_server import demo_application
from tests.probe.broken import ALICE, BOB, Surroundings
from tests.probe.endpoints import accepting_anyone, answering, mail_for, serving, talking, tls_for
from tests.probe.serving import naming

WBXML = "application/vnd.ms-sync.wbxml"
ALL_VERSIONS = "2.5,12.1,14.0,14.1,16.0,16.1"
OPTIONS = {"MS-ASProtocolVersions": "14.1", "MS-ASProtocolCommands": "Sync,FolderSync,Ping"}
EAS_OPTIONS = (
    b"HTTP/1.1 200 OK\r\nMS-ASProtocolVersions: 14.1\r\nMS-ASProtocolCommands: Sync\r\n"
    b"Content-Length: 0\r\nConnection: close\r\n\r\n"
)

Answers = dict[str, Element | int | None]


def plain(port: int, *words: str) -> list[str]:
    """A probe without TLS, as straight at a mail server."""
    return [f"http://127.0.0.1:{port}", "--user", ALICE, *words]


def outcomes(report: dict[str, Any]) -> dict[str, str]:
    """How each step ended."""
    return {one["name"]: one["outcome"] for one in report["steps"]}


def step(report: dict[str, Any], name: str) -> dict[str, Any]:
    """One step."""
    (found,) = [one for one in report["steps"] if one["name"] == name]
    return dict(found)


def words_of(report: dict[str, Any], name: str) -> str:
    """All that a step says."""
    found = step(report, name)
    problems = [text for one in found["problems"] for text in (one["cause"], one["advice"])]
    return "\n".join([*found["learnt"], *problems, found["skipped"] or ""])


def scripted(
    answers: Answers, versions: str = "14.1", unserved: str | None = None
) -> Callable[[], web.Application]:
    """A server that answers each command by what is written for it: body, status or nothing."""

    async def answer(request: web.Request) -> web.Response:
        await request.read()
        if request.method == "OPTIONS":
            return web.Response(headers={**OPTIONS, "MS-ASProtocolVersions": versions})
        if request.method != "POST" or "autodiscover" in request.path:
            return web.Response(status=404)
        asked = parse_query(request.raw_path.partition("?")[2].encode())
        if request.headers.get("MS-ASProtocolVersion") == unserved:
            return web.Response(status=400)
        usual: Answers = {"Provision": 501, "Sync": None, "FolderSync": FOLDERS}
        found = (usual | answers).get(asked.command or "")
        if isinstance(found, Element):
            return web.Response(body=encode(found), content_type=WBXML)
        return web.Response(status=found or 200)

    def make() -> web.Application:
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", answer)
        return application

    return make


FOLDERS = element(
    "FolderHierarchy:FolderSync",
    element("FolderHierarchy:Status", "1"),
    element("FolderHierarchy:SyncKey", "1"),
    element(
        "FolderHierarchy:Changes",
        element(
            "FolderHierarchy:Add",
            element("FolderHierarchy:ServerId", "1"),
            element("FolderHierarchy:ParentId", "0"),
            element("FolderHierarchy:DisplayName", "Inbox"),
            element("FolderHierarchy:Type", "2"),
        ),
    ),
)


class TestRight:
    """Set-ups with nothing wrong."""

    def test_gateway(self, around: Surroundings) -> None:
        """Through the gateway every step succeeds, and whoever must stay out does."""
        revoked = around.pki.stored("revoked")
        out = ["--revoked-certificate", str(revoked.pem), "--revoked-key", str(revoked.key)]
        arguments = around.at_gateway("alice", "--other-user", BOB, *out)
        status, report = around.probe(arguments)
        assert status == 0
        assert set(outcomes(report).values()) == {"ok"}
        assert list(outcomes(report)) == [
            "dns",
            "tcp",
            "clock",
            "certificate",
            "tls",
            "certificate-request",
            "sign-in",
            "autodiscover-xml",
            "autodiscover-json",
            "provision",
            "folder-sync",
            "sync",
            "ping",
            "versions 14.0 plain",
            "versions 14.0 base64",
            "versions 14.1 plain",
            "versions 14.1 base64",
            "no-certificate",
            "foreign-certificate",
            "other-user",
            "revoked-certificate",
        ]
        assert "HTTP 403" in words_of(report, "revoked-certificate")
        assert "Development issuing CA" in words_of(report, "certificate-request")

    def test_profile(self, around: Surroundings) -> None:
        """Host, user and identity are those of the profile."""
        there = ["--connect-to", f"127.0.0.1:{around.gateway.port}", *around.trusting]
        config = ["-c", str(around.gateway.config)]
        status, report = around.probe([str(around.profile()), *there, *config])
        assert status == 0
        assert report["user"] == ALICE
        assert "profile" in outcomes(report)
        assert "lets it in" not in report["target"]

    def test_straight_at_a_mail_server(self, around: Surroundings) -> None:
        """Without TLS there is nothing to be said of certificates, which a warning says."""
        with serving(demo_application) as port:
            header = f"X-Remote-User: {ALICE}"
            status, report = around.probe(plain(port, "--header", header))
        assert status == 0
        found = outcomes(report)
        assert found["tls"] == "warning"
        assert found["certificate-request"] == found["no-certificate"] == "skipped"
        assert found["ping"] == found["versions 14.1 base64"] == "ok"
        assert header not in str(report)

    def test_policy_required(self, around: Surroundings) -> None:
        """With a server that serves nobody without its policy, each version has the key."""

        def make() -> web.Application:
            application = demo_application(policy_required=True)
            application.middlewares.append(naming(ALICE))
            return application

        with serving(make) as port:
            status, report = around.probe(plain(port))
        assert status == 0
        assert "has a key" in words_of(report, "provision")

    def test_ping_is_held(self, around: Surroundings) -> None:
        """A Ping of a length that the server takes is held until it is over."""

        def make() -> web.Application:
            application = demo_application(minimum_heartbeat=1)
            application.middlewares.append(naming(ALICE))
            return application

        with serving(make) as port:
            _, report = around.probe(plain(port, "--heartbeat", "1"))
        assert words_of(report, "ping").startswith("held 1 s")

    def test_subjects_on_demand(self, around: Surroundings) -> None:
        """Subjects are told to whoever asks for them, and stand in no JSON."""
        with serving(mail_for(ALICE)) as port:
            _, report = around.probe(plain(port, "--show-subjects"))
        assert words_of(report, "sync").strip() == "1 message of the inbox"

    def test_left_out(self, around: Surroundings) -> None:
        """A step that is left out keeps none after it from being taken."""
        with serving(mail_for(ALICE)) as port:
            skip = [word for one in ("provision", "sync", "versions") for word in ("--skip", one)]
            _, report = around.probe(plain(port, *skip))
        found = outcomes(report)
        assert found["provision"] == found["sync"] == "skipped"
        assert found["versions 14.1 plain"] == "skipped"
        assert found["folder-sync"] == found["ping"] == "ok"


class TestVersions:
    """All versions that both know, each in both forms of the query."""

    def test_each_is_said_to_the_server(self, around: Surroundings) -> None:
        """The version is in the header of the plain form, in the query of the other."""
        seen: list[tuple[str | None, str]] = []

        async def answer(request: web.Request) -> web.Response:
            await request.read()
            if request.method == "OPTIONS":
                return web.Response(headers={**OPTIONS, "MS-ASProtocolVersions": ALL_VERSIONS})
            version = request.headers.get("MS-ASProtocolVersion")
            asked = parse_query(request.raw_path.partition("?")[2].encode())
            named = None if version is None else version.encode()
            asked = with_headers(asked, protocol_version=named, policy_key=None)
            if asked.command == "FolderSync" and asked.user == ALICE:
                seen.append((asked.protocol_version, asked.query_form.value))
            return web.Response(body=encode(FOLDERS), content_type=WBXML)

        def make() -> web.Application:
            application = web.Application()
            application.router.add_route("*", "/{path:.*}", answer)
            return application

        with serving(make) as port:
            skip = [word for one in ("provision", "sync", "ping") for word in ("--skip", one)]
            around.probe(plain(port, *skip))
            forms = ("plain", "base64")
            expected = [
                (version, form)
                for version in ("12.1", "14.0", "14.1", "16.0", "16.1")
                for form in forms
            ]
            assert seen == [("16.1", "plain"), *expected]
            seen.clear()
            around.probe(plain(port, *skip, "--versions", "14.1,12.1"))
            assert [version for version, _ in seen] == ["14.1", "12.1", "12.1", "14.1", "14.1"]

    def test_one_that_fails(self, around: Surroundings) -> None:
        """An announced version that is not served is a warning, as phones take the highest."""
        with serving(scripted({}, ALL_VERSIONS, unserved="12.1")) as port:
            _, report = around.probe(plain(port))
        found = outcomes(report)
        assert found["versions 12.1 plain"] == "warning"
        assert found["versions 16.1 plain"] == found["versions 12.1 base64"] == "ok"

    def test_none_in_common(self, around: Surroundings) -> None:
        """A server that speaks only older versions is of no use to phones."""
        with serving(scripted({}, "2.5")) as port:
            status, report = around.probe(plain(port))
        assert status == 1
        assert "no version in common" in report["cause"]["cause"]


class TestWhoGetsIn:
    """What must not be let in, and is."""

    def test_foreign_certificate(self, around: Surroundings) -> None:
        """A server that takes any certificate lets in whoever makes one."""
        server = around.pki.server
        with accepting_anyone(server.pem, server.key, EAS_OPTIONS) as port:
            status, report = around.probe(around.at(port))
        assert status == 1
        assert "a foreign certificate is let in" in words_of(report, "foreign-certificate")

    def test_revoked_certificate(self, around: Surroundings) -> None:
        """A server that knows no CRL lets in who was revoked."""
        pki = around.pki
        tls = tls_for(str(pki.server.pem), str(pki.server.key), ca=str(pki.root_pem))
        revoked = pki.stored("revoked")
        out = ["--revoked-certificate", str(revoked.pem), "--revoked-key", str(revoked.key)]
        with serving(mail_for(ALICE), tls) as port:
            status, report = around.probe(around.at(port, "alice", *out))
        assert status == 1
        assert report["cause"]["step"] == "revoked-certificate"
        assert "the revoked certificate is let in" in report["cause"]["cause"]

    def test_other_user(self, around: Surroundings) -> None:
        """A server that passes User over is warned of; with a real name, it fails."""
        with serving(mail_for(ALICE)) as port:
            status, report = around.probe(plain(port))
            assert (status, outcomes(report)["other-user"]) == (0, "warning")
            status, report = around.probe(plain(port, "--other-user", BOB))
            assert (status, report["cause"]["step"]) == (1, "other-user")

    def test_password_without_certificate(self, around: Surroundings) -> None:
        """A server that asks for a password where there is no certificate is warned of."""
        server = around.pki.server
        denial = b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n"
        with accepting_anyone(server.pem, server.key, denial) as port:
            _, report = around.probe(around.at(port))
        assert "asks for a password (401)" in words_of(report, "no-certificate")


def failing(command: str, status: int) -> Element:
    """The command is refused as a whole."""
    page = {"FolderSync": "FolderHierarchy", "Sync": "AirSync"}.get(command, command)
    return element(f"{page}:{command}", element(f"{page}:Status", str(status)))


POLICY = ("Provision:Policies", "Provision:Policy")


class TestMailbox:
    """What the mail server's answers mean."""

    @pytest.mark.parametrize(
        ("answers", "at", "words"),
        [
            ({"Provision": failing("Provision", 140)}, "provision", "remote wipe"),
            (
                {
                    "Provision": element(
                        "Provision:Provision",
                        element("Provision:Status", "1"),
                        element("Provision:RemoteWipe"),
                    )
                },
                "provision",
                "remote wipe of this device",
            ),
            (
                {
                    "Provision": element(
                        "Provision:Provision",
                        element("Provision:Status", "1"),
                        element(POLICY[0], element(POLICY[1], element("Provision:Status", "4"))),
                    )
                },
                "provision",
                "Policy Status 4",
            ),
            ({"FolderSync": 449}, "folder-sync", "policy applied first"),
            ({"FolderSync": failing("FolderSync", 177)}, "folder-sync", "many"),
            ({"FolderSync": 500}, "folder-sync", "mail server failed (500)"),
            ({"FolderSync": 403}, "folder-sync", "refuses this user or device"),
            (
                {"Sync": failing("Sync", 111)},
                "sync",
                "the mail server failed and wants a retry later (Sync Status 111)",
            ),
            ({"Sync": 507}, "sync", "mailbox is full"),
            ({"Ping": failing("Ping", 8)}, "ping", "Status 8"),
            ({"Ping": 502}, "ping", "not reach the mail server"),
        ],
    )
    def test_cause(self, answers: Answers, at: str, words: str, around: Surroundings) -> None:
        """The step at which it fails, and the status in words."""
        with serving(scripted(answers)) as port:
            status, report = around.probe(plain(port))
        assert status == 1
        assert report["cause"]["step"] == at
        assert words in report["cause"]["cause"]

    def test_no_provision(self, around: Surroundings) -> None:
        """A server that has no Provision, and does not say it has, is right."""
        with serving(scripted({"Ping": None})) as port:
            _, report = around.probe(plain(port))
        assert outcomes(report)["provision"] == outcomes(report)["sync"] == "ok"

    def test_no_policy(self, around: Surroundings) -> None:
        """SOGo's answer: there is no policy for the device, and no key."""
        answer = element(
            "Provision:Provision",
            element("Provision:Status", "1"),
            element(POLICY[0], element(POLICY[1], element("Provision:Status", "2"))),
        )
        with serving(scripted({"Provision": answer})) as port:
            _, report = around.probe(plain(port))
        assert "no policy for the device" in words_of(report, "provision")

    def test_no_inbox(self, around: Surroundings) -> None:
        """A mailbox without an inbox is none for a phone."""
        empty = element(
            "FolderHierarchy:FolderSync",
            element("FolderHierarchy:Status", "1"),
            element("FolderHierarchy:SyncKey", "1"),
        )
        with serving(scripted({"FolderSync": empty})) as port:
            _, report = around.probe(plain(port))
        assert "no inbox" in report["cause"]["cause"]

    def test_not_wbxml(self, around: Surroundings) -> None:
        """A web page in place of a command's answer is called one."""

        async def answer(request: web.Request) -> web.Response:
            if request.method == "OPTIONS":
                return web.Response(headers=OPTIONS)
            return web.Response(text="<html>sign in</html>", content_type="text/html")

        def make() -> web.Application:
            application = web.Application()
            application.router.add_route("*", "/{path:.*}", answer)
            return application

        with serving(make) as port:
            _, report = around.probe(plain(port))
        assert "answers a command with a web page" in report["cause"]["cause"]

    def test_ping_is_cut(self, around: Surroundings) -> None:
        """A connection that ends under a held Ping is blamed on what stands in between."""

        async def answer(request: web.Request) -> web.Response:
            if b"Cmd=Ping" in request.raw_path.encode():
                assert request.transport is not None
                request.transport.close()
            if request.method == "OPTIONS":
                return web.Response(headers=OPTIONS)
            asked = parse_query(request.raw_path.partition("?")[2].encode())
            if asked.command == "Provision":
                return web.Response(status=501)
            if asked.command == "Sync":
                return web.Response()
            return web.Response(body=encode(FOLDERS), content_type=WBXML)

        def make() -> web.Application:
            application = web.Application()
            application.router.add_route("*", "/autodiscover/{path:.*}", _absent)
            application.router.add_route("*", "/{path:.*}", answer)
            return application

        with serving(make) as port:
            _, report = around.probe(plain(port))
        assert report["cause"]["step"] == "ping"
        assert "was cut off after" in report["cause"]["cause"]
        assert "idle timeout" in report["cause"]["advice"]


async def _absent(_request: web.Request) -> web.Response:
    return web.Response(status=404)


class TestAutodiscover:
    """Where a phone is led that asks the endpoint."""

    def probe(self, around: Surroundings, status: int, body: str) -> dict[str, Any]:
        """A mail server whose Autodiscover answers so."""

        async def answer(_request: web.Request) -> web.Response:
            return web.Response(status=status, text=body)

        def make() -> web.Application:
            application = mail_for(ALICE)()
            application.router.add_route("*", "/autodiscover/{path:.*}", answer)
            return application

        with serving(make) as port:
            _, report = around.probe(plain(port, "--email", ALICE))
        return report

    def test_here(self, around: Surroundings) -> None:
        """To this host is right."""
        body = '{"Protocol":"ActiveSync","Url":"https://127.0.0.1/x"}'
        report = self.probe(around, 200, body)
        assert "leads to https://127.0.0.1/x" in words_of(report, "autodiscover-json")
        assert "no Autodiscover" in words_of(report, "autodiscover-xml")

    @pytest.mark.parametrize(
        ("body", "outcome", "words"),
        [
            ('{"Protocol":"ActiveSync","Url":"https://o.test/x?t=1"}', "failed", "o.test/x\n"),
            ('{"ErrorCode":"InvalidProtocol"}', "warning", "InvalidProtocol"),
            ("nonsense", "warning", "no JSON"),
        ],
    )
    def test_elsewhere(self, body: str, outcome: str, words: str, around: Surroundings) -> None:
        """Elsewhere is a failure; no answer is a warning."""
        report = self.probe(around, 200, body)
        assert outcomes(report)["autodiscover-json"] == outcome
        assert words in words_of(report, "autodiscover-json")

    def test_refused(self, around: Surroundings) -> None:
        """A refusal is a warning, too: phones with a profile do not ask."""
        report = self.probe(around, 403, "")
        assert outcomes(report)["autodiscover-xml"] == "warning"

    def test_no_address(self, around: Surroundings) -> None:
        """Without an address there is nothing to ask."""
        with serving(demo_application) as port:
            _, report = around.probe([f"http://127.0.0.1:{port}"])
        assert report["cause"]["step"] == "sign-in"


def answer_in_pieces(*pieces: bytes) -> Callable[[socket.socket], None]:
    """An endpoint that answers whatever it is asked with these bytes, and hangs up."""

    def talk(connection: socket.socket) -> None:
        connection.recv(1 << 16)
        for piece in pieces:
            connection.sendall(piece)

    return talk


VERSIONS_LINE = b"MS-ASProtocolVersions: 14.1\r\n"


class TestHttp:
    """Answers in every framing, and what is none."""

    @pytest.mark.parametrize(
        "pieces",
        [
            (b"HTTP/1.1 200 OK\r\n" + VERSIONS_LINE + b"\r\nuntil the end",),
            (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n" + VERSIONS_LINE + b"\r\n",),
            (
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n" + VERSIONS_LINE,
                b"\r\n3\r\nab",
                b"c\r\n0\r\n\r\n",
            ),
        ],
    )
    def test_framing(self, pieces: tuple[bytes, ...], around: Surroundings) -> None:
        """An answer is whole by its end, after a 100, and in chunks."""
        with talking(answer_in_pieces(*pieces)) as port:
            _, report = around.probe(plain(port))
        assert "versions: 14.1" in words_of(report, "sign-in")

    @pytest.mark.parametrize(
        ("pieces", "words"),
        [
            ((b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc",), "middle of its answer"),
            ((b"",), "without an answer"),
            ((b"220 mail ESMTP\r\n",), "not what ActiveSync defines: the answer is no HTTP"),
            ((b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 30_000,), "head has more than"),
        ],
    )
    def test_broken(self, pieces: tuple[bytes, ...], words: str, around: Surroundings) -> None:
        """What is no answer says what it is."""
        with talking(answer_in_pieces(*pieces)) as port:
            status, report = around.probe(plain(port))
        assert status == 1
        assert words in report["cause"]["cause"]

    def test_hanging(self, around: Surroundings) -> None:
        """A server that takes the request and says nothing."""

        def talk(connection: socket.socket) -> None:
            while connection.recv(1 << 16):
                pass

        with talking(talk) as port:
            _, report = around.probe(plain(port, "--timeout", "0.3"))
        assert "does not answer within 0.3 s" in report["cause"]["cause"]

    def test_unexpected_status(self, around: Surroundings) -> None:
        """A status without a sentence of its own."""
        for status in (418, 599):
            with serving(answering(status)) as port:
                _, report = around.probe(plain(port))
            assert f"HTTP {status}" in report["cause"]["cause"]
