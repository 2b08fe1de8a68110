"""`serve` says what it lacks before it listens, and else runs until it is told to end."""

import asyncio
import json
import signal
import socket
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import aiohttp
import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.cli.main import main
from gateway.cli.serve import configuration_file
from gateway.config import Config, Listen
from gateway.config import State as StateTable
from gateway.config_upstream import Upstream
from gateway.core.authority import Authority, AuthorityType
from gateway.pki.folder import read_certificates
from gateway.runtime import sockets
from gateway.store.store import open_store
from tests.helpers import Pki

_SECONDS = 30


@pytest.fixture
def config(tmp_path: Path, pki: Pki) -> Config:
    """All that a gateway needs, in `tmp_path`."""
    state = StateTable(directory=tmp_path / "state")
    der = read_certificates(pki.root_pem)[0].public_bytes(Encoding.DER)
    with open_store(state.directory) as store:
        store.authorities.add(
            Authority.from_der(der, authority_type=AuthorityType.ROOT, crl_distribution_point=None)
        )
    return Config(
        listen=Listen(certificate=pki.server.pem, private_key=pki.server.key),
        state=state,
        upstream=(Upstream(name="mail", url="http://127.0.0.1:9"),),
    )


def _file(path: Path, config: Config, *, listen: int = 0, admin: int = 0) -> str:
    path.write_text(
        f"""
        [listen]
        address = "127.0.0.1"
        port = {listen}
        workers = 2
        certificate = "{config.listen.certificate}"
        private_key = "{config.listen.private_key}"
        [admin]
        port = {admin}
        [state]
        directory = "{config.state.directory}"
        [[upstream]]
        name = "mail"
        url = "http://127.0.0.1:9"
        """,
        encoding="utf-8",
    )
    return str(path)


@pytest.mark.parametrize("table", ["listen", "admin"])
def test_a_port_in_use_is_status_2(
    config: Config, tmp_path: Path, table: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The message names the key, and nothing was started."""
    with sockets.listen("127.0.0.1", 0, backlog=1, section=table) as taken:
        port = taken.getsockname()[1]
        ports = {"listen": port} if table == "listen" else {"admin": port}
        assert main(["serve", "-c", _file(tmp_path / "config.toml", config, **ports)]) == 2
    assert f"change {table}.port" in capsys.readouterr().err


def test_what_is_lacking_is_status_2_before_it_listens(
    config: Config, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The port is not even tried: it is taken, and the message is about the certificate alone."""
    listen = config.listen.model_copy(update={"certificate": tmp_path / "none.pem"})
    with sockets.listen("127.0.0.1", 0, backlog=1, section="listen") as taken:
        lacking = config.model_copy(update={"listen": listen})
        path = _file(tmp_path / "config.toml", lacking, listen=taken.getsockname()[1])
        assert main(["serve", "-c", path]) == 2
    assert capsys.readouterr().err == (
        f"eas-gateway: listen.certificate: {tmp_path / 'none.pem'}: cannot be read: "
        "No such file or directory\n"
    )


def test_the_configuration_is_where_it_was_when_the_gateway_began(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """./config.toml if there is one, and every path absolute, wherever the process goes."""
    monkeypatch.chdir(tmp_path)
    assert configuration_file(None) is None
    assert configuration_file(Path("other.toml")) == tmp_path / "other.toml"
    (tmp_path / "config.toml").touch()
    assert configuration_file(None) == tmp_path / "config.toml"
    assert configuration_file(Path("other.toml")) == tmp_path / "other.toml"


def test_without_an_option_it_reads_the_file_of_its_folder(
    config: Config,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A mistake in ./config.toml is named."""
    monkeypatch.chdir(tmp_path)
    _file(tmp_path / "config.toml", config, listen=70_000)
    assert main(["serve"]) == 2
    assert "listen.port" in capsys.readouterr().err


async def test_it_serves_until_sigterm(config: Config, tmp_path: Path) -> None:
    """Workers report, the gateway is ready, and the end is clean."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        admin = free.getsockname()[1]
    path = _file(tmp_path / "config.toml", config, admin=admin)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", "serve", "-c", path, stderr=PIPE
    )
    try:
        assert process.stderr is not None
        async with asyncio.timeout(_SECONDS):
            line = b"{}"
            while json.loads(line).get("event") != "control.started":
                line = await process.stderr.readline()
                assert line, "it ended"
            await _ready(admin)
            process.send_signal(signal.SIGTERM)
            rest = await process.stderr.read()
            assert await process.wait() == 0
        events = [json.loads(one)["event"] for one in rest.splitlines()]
        assert events[-1] == "supervisor.ended"
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _ready(port: int) -> None:
    async with aiohttp.ClientSession() as session:
        while True:
            async with session.get(f"http://127.0.0.1:{port}/readyz") as answer:
                if answer.status == 200:
                    return
            await asyncio.sleep(0.1)
