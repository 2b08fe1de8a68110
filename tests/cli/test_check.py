"""`check` names every problem with what to change, in one pass."""

import asyncio
import json
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gateway.cli.check_listener import check_certificate, check_descriptors, check_ports
from gateway.cli.check_store import check_store, clock
from gateway.cli.check_upstream import check_upstream
from gateway.cli.findings import Finding, State
from gateway.cli.main import main
from gateway.config import Admin, Config, Listen
from gateway.config import State as StateTable
from gateway.config_limits import Limits
from gateway.config_upstream import Upstream
from gateway.core.authority import Authority, AuthorityType
from gateway.core.mailbox import Mailbox
from gateway.pki.folder import read_certificates
from gateway.revocation.engine import RevocationEngine
from gateway.runtime import sockets
from gateway.store.sqlite import FILE_NAME
from gateway.store.store import open_store
from tests.helpers import Pki, server_context

_OPTIONS = {"MS-ASProtocolVersions": "14.1,16.1"}
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def _speaks_activesync(_request: web.Request) -> web.Response:
    return web.Response(headers=_OPTIONS)


@dataclass
class Site:
    """A working gateway's configuration, whose parts a test spoils."""

    config: Config
    pki: Pki
    base_url: str

    @property
    def directory(self) -> Path:
        """Where the store is."""
        return self.config.state.directory

    def add(self, pem: Path, kind: AuthorityType, crl: str | None) -> Authority:
        """The CA of `pem` is a record."""
        der = read_certificates(pem)[0].public_bytes(Encoding.DER)
        record = Authority.from_der(der, authority_type=kind, crl_distribution_point=crl)
        with open_store(self.directory) as store:
            store.authorities.add(record)
        return record

    async def refresh(self, authority: Authority) -> None:
        """Fetch its CRL."""
        engine = RevocationEngine(self.config.state.crl_directory, self.config.revocation)
        await engine.refresh(authority)

    def write(self, path: Path) -> Path:
        """The configuration as a file."""
        listen, [upstream] = self.config.listen, self.config.upstream
        path.write_text(
            f"""
            [listen]
            address = "127.0.0.1"
            port = {listen.port}
            certificate = "{listen.certificate}"
            private_key = "{listen.private_key}"
            [admin]
            port = {self.config.admin.port}
            [state]
            directory = "{self.directory}"
            [limits]
            connections = 100
            [[upstream]]
            name = "{upstream.name}"
            url = "{upstream.url}"
            """,
            encoding="utf-8",
        )
        return path


@pytest.fixture
async def site(tmp_path: Path, pki: Pki) -> AsyncIterator[Site]:
    """Everything is as it should be, apart from the store, which is empty."""

    async def crl(_request: web.Request) -> web.Response:
        return web.Response(body=pki.root.sign_crl().public_bytes(Encoding.DER))

    application = web.Application()
    application.router.add_get("/root.crl", crl)
    application.router.add_route("OPTIONS", "/Microsoft-Server-ActiveSync", _speaks_activesync)
    async with TestServer(application) as server:
        base_url = str(server.make_url("")).rstrip("/")
        config = Config(
            listen=Listen(
                address="127.0.0.1",
                port=_free_port(),
                certificate=pki.server.pem,
                private_key=pki.server.key,
            ),
            admin=Admin(port=_free_port()),
            state=StateTable(directory=tmp_path / "state"),
            limits=Limits(connections=100),
            upstream=(Upstream(name="mail", url=base_url),),
        )
        yield Site(config, pki, base_url)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    return port


def _states(findings: object) -> dict[str, State]:
    assert isinstance(findings, list)
    return {finding.subject: finding.state for finding in findings}


def _only(findings: object, subject: str) -> Finding:
    assert isinstance(findings, list)
    [found] = [finding for finding in findings if finding.subject == subject]
    assert isinstance(found, Finding)
    return found


async def _fill(site: Site) -> Authority:
    root = site.add(site.pki.root_pem, AuthorityType.ROOT, f"{site.base_url}/root.crl")
    await site.refresh(root)
    with open_store(site.directory) as store:
        store.mailboxes.add(Mailbox(upn="alice@example.test"))
    return root


class TestCommand:
    """The command line."""

    async def test_all_is_well(
        self, site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Status 0, and a line for each thing that was looked at."""
        root = await _fill(site)
        path = str(site.write(tmp_path / "config.toml"))
        assert await asyncio.to_thread(main, ["check", "-c", path]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert [line for line in lines if not line.startswith("ok    ")] == []
        subjects = [line.removeprefix("ok    ").partition(": ")[0] for line in lines]
        assert subjects == [
            "listen.certificate",
            "state.directory",
            "clock",
            "mailboxes",
            "authorities",
            f"authority.{root.id}.base",
            "upstream.mail",
            "listen.port",
            "admin.port",
            "limits.connections",
        ]

    async def test_a_problem_is_status_1_and_hides_no_other(
        self, site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """All problems of an empty gateway, as JSON."""
        path = str(site.write(tmp_path / "config.toml"))
        with sockets.listen("127.0.0.1", site.config.admin.port, backlog=1, section="admin"):
            assert await asyncio.to_thread(main, ["check", "--json", "-c", path]) == 1
        findings = json.loads(capsys.readouterr().out)
        failed = {one["subject"] for one in findings if one["state"] == "fail"}
        assert failed == {"state.directory", "admin.port"}
        assert {one["subject"] for one in findings} > failed
        assert not site.directory.exists()

    def test_an_unusable_configuration_is_status_2(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """The key that is wrong is named."""
        path = tmp_path / "config.toml"
        path.write_text("[listen]\nprot = 443\n", encoding="utf-8")
        assert main(["check", "-c", str(path)]) == 2
        assert "listen.prot" in capsys.readouterr().err

    def test_no_upstream_is_a_problem(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """A gateway to nowhere."""
        path = tmp_path / "config.toml"
        path.write_text("[listen]\nport = 0\n[admin]\nport = 0\n", encoding="utf-8")
        assert main(["check", "-c", str(path)]) == 1
        assert "fail  upstream: " in capsys.readouterr().out


class TestCertificate:
    """The server certificate and its key."""

    def test_a_file_that_is_not_there_is_named(self, site: Site) -> None:
        """The first thing that a new administrator meets."""
        listen = site.config.listen.model_copy(update={"certificate": Path("/nowhere.pem")})
        [finding] = _certificate(site.config, listen)
        assert (finding.state, finding.subject) == (State.FAIL, "listen.certificate")
        assert "/nowhere.pem" in finding.detail

    def test_another_key_is_found(self, site: Site) -> None:
        """A renewed certificate with the old key."""
        update = {"private_key": site.pki.alice.key}
        [finding] = _certificate(site.config, site.config.listen.model_copy(update=update))
        assert finding.state is State.FAIL
        assert "is not the key" in finding.detail

    @pytest.mark.parametrize(
        ("days", "state", "word"),
        [
            (-10, State.FAIL, "only from"),
            (1, State.OK, "valid until"),
            (80, State.WARN, "renew"),
            (101, State.FAIL, "expired"),
        ],
    )
    def test_its_validity_is_judged(
        self, site: Site, tmp_path: Path, days: int, state: State, word: str
    ) -> None:
        """A certificate of 100 days, looked at on different days."""
        listen = _issue(tmp_path)
        now = datetime.now(UTC) + timedelta(days=days)
        [finding] = check_certificate(site.config.model_copy(update={"listen": listen}), now)
        assert finding.state is state
        assert word in finding.detail

    def test_what_phones_refuse_is_found(self, site: Site, tmp_path: Path) -> None:
        """No subject alternative name, and an extended key usage for clients."""
        listen = _issue(tmp_path, san=False, usage=ExtendedKeyUsageOID.CLIENT_AUTH)
        failed = [f.detail for f in _certificate(site.config, listen) if f.state is State.FAIL]
        assert len(failed) == 2
        assert "serverAuth" in failed[0]
        assert "subject alternative name" in failed[1]

    def test_a_key_that_others_can_read_is_a_warning(self, site: Site, tmp_path: Path) -> None:
        """It works, and should not."""
        listen = _issue(tmp_path)
        listen.private_key.chmod(0o644)
        finding = _only(list(_certificate(site.config, listen)), "listen.private_key")
        assert finding.state is State.WARN
        assert "chmod 600" in finding.detail


def _certificate(config: Config, listen: Listen) -> list[Finding]:
    return list(check_certificate(config.model_copy(update={"listen": listen}), datetime.now(UTC)))


def _issue(
    directory: Path,
    *,
    san: bool = True,
    usage: x509.ObjectIdentifier = ExtendedKeyUsageOID.SERVER_AUTH,
) -> Listen:
    """A self-signed server certificate of 100 days."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail.example.test")])
    builder = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=100))
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    )
    if san:
        names = x509.SubjectAlternativeName([x509.DNSName("mail.example.test")])
        builder = builder.add_extension(names, critical=False)
    certificate, key_path = directory / "own.pem", directory / "own.key"
    certificate.write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM))
    key_path.touch(0o600)
    key_path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return Listen(certificate=certificate, private_key=key_path)


class TestStore:
    """The store, its CAs and their CRLs."""

    def test_an_empty_store_lacks_a_root_and_mailboxes(self, site: Site) -> None:
        """One is a problem, the other is a gateway that nobody can use yet."""
        open_store(site.directory).close()
        states = _states(list(check_store(site.config, datetime.now(UTC))))
        assert states == {
            "state.directory": State.OK,
            "clock": State.OK,
            "mailboxes": State.WARN,
            "authorities": State.FAIL,
        }

    def test_a_damaged_store_is_found(self, site: Site) -> None:
        """Nothing more can be said of it."""
        open_store(site.directory).close()
        (site.directory / FILE_NAME).write_bytes(b"not a database at all" * 400)
        [finding] = check_store(site.config, datetime.now(UTC))
        assert finding.state is State.FAIL
        assert str(site.directory / FILE_NAME) in finding.detail

    def test_a_ca_without_a_crl_is_found(self, site: Site) -> None:
        """Whatever it issued is refused."""
        root = site.add(site.pki.root_pem, AuthorityType.ROOT, None)
        finding = _only(list(check_store(site.config, datetime.now(UTC))), f"authority.{root.id}")
        assert finding.state is State.WARN
        assert f"ca set {root.id}" in finding.detail

    async def test_a_crl_that_never_came_is_found(self, site: Site) -> None:
        """With the reason why it did not."""
        root = site.add(site.pki.root_pem, AuthorityType.ROOT, f"{site.base_url}/nothing.crl")
        subject = f"authority.{root.id}.base"
        never = _only(list(check_store(site.config, datetime.now(UTC))), subject)
        assert (never.state, "never asked" in never.detail) == (State.FAIL, True)
        assert not site.config.state.crl_directory.exists()
        await site.refresh(root)
        failed = _only(list(check_store(site.config, datetime.now(UTC))), subject)
        assert (failed.state, "404" in failed.detail) == (State.FAIL, True)

    async def test_a_crl_that_is_kept_while_fetches_fail_is_a_warning(self, site: Site) -> None:
        """It decides until its nextUpdate; there is time to repair."""
        root = await _fill(site)
        await site.refresh(replace(root, crl_distribution_point=f"{site.base_url}/gone.crl"))
        finding = _only(
            list(check_store(site.config, datetime.now(UTC))), f"authority.{root.id}.base"
        )
        assert finding.state is State.WARN
        assert "good until" in finding.detail

    @pytest.mark.parametrize(
        ("hours", "state", "word"),
        [
            (1, State.OK, "0 entries, good until"),
            (30 * 24 - 1, State.WARN, "expires soon"),
            (30 * 24 + 1, State.FAIL, "the CRL expired"),
        ],
    )
    async def test_the_age_of_a_crl_is_judged(
        self, site: Site, hours: int, state: State, word: str
    ) -> None:
        """A CRL of thirty days, looked at on different days."""
        root = await _fill(site)
        now = datetime.now(UTC) + timedelta(hours=hours)
        finding = _only(list(check_store(site.config, now)), f"authority.{root.id}.base")
        assert finding.state is state
        assert word in finding.detail

    async def test_a_ca_that_expired_is_found(self, site: Site) -> None:
        """No chain ends at it any longer."""
        root = await _fill(site)
        now = root.not_after + timedelta(days=1)
        finding = _only(list(check_store(site.config, now)), f"authority.{root.id}")
        assert finding.state is State.FAIL

    @pytest.mark.parametrize(
        ("seconds", "state"),
        [(1, State.OK), (-1, State.OK), (1.001, State.FAIL), (-30, State.FAIL)],
    )
    def test_a_clock_that_is_off_is_found(self, seconds: float, state: State) -> None:
        """Token-valid-from is stamped by the store's clock and compared with this one's."""
        finding = clock(timedelta(seconds=seconds))
        assert finding.state is state
        assert ("NTP" in finding.detail) == (state is State.FAIL)


class TestUpstream:
    """The mail server."""

    @pytest.mark.parametrize(
        ("status", "headers", "state"),
        [
            (200, _OPTIONS, State.OK),
            (401, {}, State.OK),
            (403, {}, State.OK),
            (404, {}, State.WARN),
            (302, {"Location": "/owa"}, State.WARN),
            (200, {}, State.WARN),
            (500, {}, State.FAIL),
            (503, {}, State.FAIL),
        ],
    )
    async def test_its_answer_is_judged(
        self, status: int, headers: dict[str, str], state: State
    ) -> None:
        """401 is the answer of a server that wants to know the user, which `check` is none."""

        async def answer(_request: web.Request) -> web.Response:
            return web.Response(status=status, headers=headers)

        async with _mail_server(answer) as server:
            url = str(server.make_url("")).rstrip("/")
            [finding] = await asyncio.to_thread(check_upstream, Upstream(name="mail", url=url))
        assert (finding.subject, finding.state) == ("upstream.mail", state)

    async def test_tls_is_verified(self, pki: Pki) -> None:
        """A server of an unknown CA is refused, and accepted with ca_file."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(pki.server.pem, pki.server.key)
        async with _mail_server(_speaks_activesync, context) as server:
            unknown = Upstream(name="mail", url=f"https://localhost:{server.port}")
            known = unknown.model_copy(update={"ca_file": pki.root_pem})
            [refused] = await asyncio.to_thread(check_upstream, unknown)
            [accepted] = await asyncio.to_thread(check_upstream, known)
        assert (refused.state, "ca_file" in refused.detail) == (State.FAIL, True)
        assert accepted.state is State.OK

    def test_a_server_that_is_not_there_is_found(self) -> None:
        """Nobody listens."""
        url = f"http://127.0.0.1:{_free_port()}"
        [finding] = check_upstream(Upstream(name="mail", url=url))
        assert finding.state is State.FAIL
        assert url in finding.detail

    async def test_each_host_is_looked_at(self) -> None:
        """One that is there does not hide one that is not."""
        gone = f"http://127.0.0.1:{_free_port()}"
        async with _mail_server(_speaks_activesync) as server:
            url = str(server.make_url("")).rstrip("/")
            upstream = Upstream(name="mail", url=url, more_urls=(gone,))
            findings = await asyncio.to_thread(check_upstream, upstream)
        assert [(one.state, one.subject) for one in findings] == [
            (State.OK, "upstream.mail"),
            (State.FAIL, "upstream.mail"),
        ]
        assert gone in findings[1].detail

    def test_a_server_that_speaks_no_http_is_found(self) -> None:
        """The port of another service."""
        with _greeting(b"220 mail.example.test ESMTP\r\n") as port:
            [finding] = check_upstream(Upstream(name="mail", url=f"http://127.0.0.1:{port}"))
        assert finding.state is State.FAIL
        assert "HTTP" in finding.detail

    def test_a_password_that_cannot_be_read_is_found(self) -> None:
        """Before anything is sent."""
        upstream = Upstream(
            name="mail",
            url="http://127.0.0.1:1",
            credentials="basic",
            password_file=Path("/nowhere/password"),
        )
        [finding] = check_upstream(upstream)
        assert (finding.state, "/nowhere/password" in finding.detail) == (State.FAIL, True)


@asynccontextmanager
async def _mail_server(
    handler: Handler, context: ssl.SSLContext | None = None
) -> AsyncIterator[TestServer]:
    application = web.Application()
    application.router.add_route("OPTIONS", "/Microsoft-Server-ActiveSync", handler)
    server = TestServer(application)
    await server.start_server(ssl=context)
    try:
        yield server
    finally:
        await server.close()


@contextmanager
def _greeting(data: bytes) -> Iterator[int]:
    """A server that greets one client and waits for it to go."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def greet() -> None:
            connection, _ = listener.accept()
            with connection, suppress(ConnectionResetError):
                connection.sendall(data)
                while connection.recv(4096):
                    pass

        thread = threading.Thread(target=greet)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(10)


class TestPorts:
    """The ports and the descriptors."""

    def test_another_program_on_a_port_is_found(self, site: Site) -> None:
        """Which is not our gateway, as it shows no certificate."""
        with _greeting(b"220 mail.example.test ESMTP\r\n") as port:
            listen = site.config.listen.model_copy(update={"port": port})
            config = site.config.model_copy(update={"listen": listen})
            finding = _only(list(check_ports(config)), "listen.port")
        assert (finding.state, "in use" in finding.detail) == (State.FAIL, True)

    async def test_our_own_gateway_on_its_ports_is_fine(self, site: Site) -> None:
        """`check` is for a running gateway, too: it shows our certificate and says it lives."""

        async def healthz(_request: web.Request) -> web.Response:
            return web.json_response({"alive": True})

        application = web.Application()
        application.router.add_get("/healthz", healthz)
        context = server_context(site.pki)
        async with (
            TestServer(application, host="127.0.0.1") as admin,
            await asyncio.start_server(
                lambda _reader, writer: writer.close(), "127.0.0.1", 0, ssl=context
            ) as listener,
        ):
            update = {
                "listen": site.config.listen.model_copy(
                    update={"port": listener.sockets[0].getsockname()[1]}
                ),
                "admin": site.config.admin.model_copy(update={"port": admin.port}),
            }
            config = site.config.model_copy(update=update)
            findings = await asyncio.to_thread(check_ports, config)
        assert _states(list(findings)) == {"listen.port": State.OK, "admin.port": State.OK}
        assert all("this gateway listens" in finding.detail for finding in findings)

    def test_too_few_descriptors_are_a_warning(self) -> None:
        """More phones are allowed than the system lets in."""
        [finding] = check_descriptors(Config(limits=Limits(connections=10**9)))
        assert finding.state is State.WARN
        assert "LimitNOFILE" in finding.detail
