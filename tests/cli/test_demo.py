"""The parts of the demo: its folder, its ports, its processes and what it prints."""

import asyncio
import os
import signal
import socket
import time
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.cli.demo import Demo
from gateway.cli.demo_command import run_command
from gateway.cli.demo_folder import HOST, PEOPLE, DemoFolder, Ports, fresh_folder, upn
from gateway.cli.demo_network import CRLS, choose_ports, publishing, until_listening, until_ready
from gateway.cli.demo_processes import Processes
from gateway.cli.demo_report import Result, Step, describe, invitation, take
from gateway.cli.demo_story import command_step
from gateway.cli.main import main
from gateway.config import load
from gateway.directory.csv_source import read_csv
from gateway.errors import ConfigError
from gateway.probe.outcome import (
    ConnectionLost,
    HandshakeRefused,
    NoAnswer,
    Refused,
    Unreadable,
)
from gateway.revocation.fetch import Fetched, FetchLimits, fetch

PORTS = Ports(phones=1, admin=2, mail=3)
ENDLESS = "import time; print('up', flush=True); time.sleep(600)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {ENDLESS}"

Output = pytest.CaptureFixture[str]


class TestFolder:
    """The folder of a demo."""

    def test_is_made_with_all_that_a_demo_needs(self, tmp_path: Path) -> None:
        """The configuration loads, everybody has a mailbox and a certificate."""
        with fresh_folder(tmp_path / "a" / "demo") as folder:
            folder.make(PORTS)
            config = load(folder.config)
        assert (config.listen.port, config.admin.port) == (1, 2)
        assert config.upstream[0].url == f"http://{HOST}:3"
        assert config.listen.certificate.exists()
        mailboxes = read_csv(folder.mailboxes).mailboxes
        assert {one.upn for one in mailboxes} == {upn(person) for person in PEOPLE}
        assert all((folder.pki / f"{person}.key").exists() for person in PEOPLE)

    def test_is_empty_again_at_the_next_run(self, tmp_path: Path) -> None:
        """Nothing of the run before is left, folders and links included."""
        with fresh_folder(tmp_path) as folder:
            folder.make(PORTS)
            folder.log("link").symlink_to(tmp_path.parent)
        with fresh_folder(tmp_path) as folder:
            assert [one for one in tmp_path.iterdir() if not one.name.startswith(".")] == []
        assert tmp_path.parent.exists()

    def test_holds_one_demo_at_a_time(self, tmp_path: Path) -> None:
        """A second demo is told, and takes nothing away."""
        with fresh_folder(tmp_path) as folder:
            folder.make(PORTS)
            with pytest.raises(ConfigError, match="another demo runs in"), fresh_folder(tmp_path):
                pass
            assert folder.config.exists()

    def test_of_somebody_else_is_left_alone(self, tmp_path: Path) -> None:
        """A folder with files that no demo made is refused."""
        (tmp_path / "letter").write_text("Dear Alice")
        with (
            pytest.raises(ConfigError, match="files that are not a demo's"),
            fresh_folder(tmp_path),
        ):
            pass
        assert (tmp_path / "letter").read_text() == "Dear Alice"

    def test_that_cannot_be_made_is_named(self, tmp_path: Path) -> None:
        """A file in its place is a sentence with --state."""
        (tmp_path / "file").touch()
        wrong = tmp_path / "file" / "demo"
        refused = pytest.raises(ConfigError, match=f"--state: {wrong} cannot be used")
        with refused, fresh_folder(wrong):
            pass


class TestNetwork:
    """Ports, CRLs and waiting."""

    def test_the_wanted_port_is_taken(self) -> None:
        """The port of --port is for phones; the others differ from it."""
        with socket.create_server((HOST, 0)) as held:
            wanted = held.getsockname()[1]
        ports = choose_ports(wanted)
        assert ports.phones == wanted
        assert len({ports.phones, ports.admin, ports.mail}) == 3

    def test_a_port_in_use_is_refused(self) -> None:
        """The sentence names --port."""
        with socket.create_server((HOST, 0)) as held:
            port = held.getsockname()[1]
            with pytest.raises(ConfigError, match=f"--port: {port} on {HOST} is in use"):
                choose_ports(port)

    def test_any_port_will_do_without_a_wish(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where the usual port is in use, another is taken."""
        with socket.create_server((HOST, 0)) as held:
            port = held.getsockname()[1]
            monkeypatch.setattr("gateway.cli.demo_network.USUAL_PORT", port)
            assert choose_ports(None).phones not in {0, port}

    async def test_crls_are_published_and_nothing_else(self, tmp_path: Path) -> None:
        """Both CRLs can be fetched, a private key cannot."""
        for name in (*CRLS, "root.key"):
            (tmp_path / name).write_bytes(name.encode())
        async with publishing(tmp_path) as url:
            for name in CRLS:
                answer = await fetch(f"{url}/{name}", FetchLimits(1000, 10))
                assert isinstance(answer, Fetched)
                assert answer.data == name.encode()
            reader, writer = await asyncio.open_connection(*url.removeprefix("http://").split(":"))
            writer.write(b"GET /root.key HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert (await reader.read()).startswith(b"HTTP/1.1 404 ")
            writer.close()
            await writer.wait_closed()

    async def test_a_process_that_ends_is_not_waited_for(self) -> None:
        """Its status is in the sentence, for both ways of waiting."""
        ports = choose_ports(None)
        for waiting in (until_listening, until_ready):
            with pytest.raises(ConfigError, match="the process ended with 7"):
                await waiting(ports.admin, lambda: 7)


class TestProcesses:
    """Processes never outlive the demo."""

    async def test_end_when_the_context_does(self, tmp_path: Path) -> None:
        """They are asked to end, also when the demo fails, and what they print is in the log."""
        log = tmp_path / "log"
        found: list[int] = []

        async def fail() -> None:
            async with Processes() as processes:
                await processes.start("one", "-c", ENDLESS, log=log)
                await asyncio.to_thread(_await_writing, log)
                found.append(_only_child())
                raise ConfigError("a step failed")

        with pytest.raises(ConfigError, match="a step failed"):
            await fail()
        (pid,) = found
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)

    async def test_say_how_they_ended(self, tmp_path: Path) -> None:
        """Each by its name: a signal is negative, as for any child."""
        async with Processes() as processes:
            await processes.start("one", "-c", ENDLESS, log=tmp_path / "one")
            await processes.start("two", "-c", "raise SystemExit(3)", log=tmp_path / "two")
            assert await processes.first_end() == "the two has ended with 3"
            assert processes.status("one") is None
            assert await processes.end() == {"two": 3, "one": -signal.SIGTERM}

    async def test_are_killed_if_they_must(self, tmp_path: Path) -> None:
        """One that does not hear SIGTERM ends, too."""
        async with Processes() as processes:
            await processes.start("deaf", "-c", STUBBORN, log=tmp_path / "log")
            await asyncio.to_thread(_await_writing, tmp_path / "log")
            ending = asyncio.gather(processes.end(), asyncio.to_thread(processes.kill))
            assert (await ending)[0] == {"deaf": -signal.SIGKILL}

    async def test_a_log_that_cannot_be_written_is_named(self, tmp_path: Path) -> None:
        """Nothing is started then."""
        async with Processes() as processes:
            with pytest.raises(ConfigError, match="the one cannot be started"):
                await processes.start("one", "-c", ENDLESS, log=tmp_path / "none" / "log")
            assert await processes.end() == {}


class TestReport:
    """What is printed."""

    @pytest.mark.parametrize("ok", [True, False])
    async def test_a_step_is_a_line(self, capsys: Output, ok: bool) -> None:  # noqa: FBT001 (pytest's)
        """It begins with the outcome and says what happened."""

        async def act() -> Result:
            return Result(ok=ok, detail="it is noon")

        assert await take(Step("looks at the clock", act)) is ok
        line = capsys.readouterr().out
        assert line.startswith("ok  " if ok else "FAIL")
        assert line.endswith(" s  looks at the clock: it is noon\n")

    async def test_a_step_that_cannot_be_taken_has_failed(self, capsys: Output) -> None:
        """The error's sentence is what happened."""

        async def act() -> Result:
            raise ConfigError("there is no clock")

        assert await take(Step("looks at the clock", act)) is False
        assert capsys.readouterr().out.endswith("looks at the clock: there is no clock\n")

    @pytest.mark.parametrize(
        ("outcome", "words"),
        [
            (Refused(403), "refused with HTTP 403"),
            (Refused(503, 60, "ABC"), "refused with HTTP 503, try again in 60 s (reference ABC)"),
            (HandshakeRefused("unknown_ca", "x"), "refused in the TLS handshake: unknown_ca"),
            (HandshakeRefused(None, "reset"), "refused in the TLS handshake: reset"),
            (NoAnswer(10.0), "no answer within 10 s"),
            (ConnectionLost("reset"), "no connection: reset"),
            (Unreadable("empty"), "an answer that cannot be read: empty"),
        ],
    )
    def test_outcomes_are_described(self, outcome: object, words: str) -> None:
        """Each failure of a device has its own words."""
        assert describe(outcome) == words

    def test_the_invitation_names_real_files(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Its commands can be copied: paths as seen from here, the ports, a revoke command."""
        monkeypatch.chdir(tmp_path)
        text = invitation(DemoFolder(Path("demo")), PORTS)
        assert "curl -i --cacert demo/pki/root.pem --cert demo/pki/alice.pem" in text
        assert "https://127.0.0.1:1/Microsoft-Server-ActiveSync" in text
        assert "eas-gateway user revoke alice@example.test -c demo/config.toml" in text
        assert "http://127.0.0.1:2/metrics" in text


class TestCommand:
    """Commands of the administrator, and the demo's own."""

    async def test_a_command_is_a_step(self, tmp_path: Path) -> None:
        """Its line is the one asked for, and a failure has its status and its sentence."""
        directory = str(tmp_path / "pki")
        made = await command_step("pki", "init", "--directory", directory).action()
        assert made.ok
        assert made.detail.startswith(f"PKI made in {directory}")
        wrong = await command_step("pki", "crl", "--directory", str(tmp_path)).action()
        assert not wrong.ok
        assert wrong.detail.startswith("exit 2: eas-gateway: no PKI in")

    async def test_output_is_kept_and_not_printed(self, capsys: Output) -> None:
        """Both streams are in the lines."""
        done = await run_command("pki", "nonsense")
        assert done.status == 2
        assert any("No such command 'nonsense'" in line for line in done.lines)
        assert capsys.readouterr() == ("", "")

    async def test_a_step_that_fails_is_status_1(self, tmp_path: Path, capsys: Output) -> None:
        """A gateway that cannot start ends the demo, and with it the mail server."""
        with socket.create_server((HOST, 0)) as held, fresh_folder(tmp_path) as folder:
            ports = replace(choose_ports(None), phones=held.getsockname()[1])
            assert await Demo(folder, ports).run(once=True) == 1
            assert "listen.port" in folder.log("gateway").read_text()
        lines = capsys.readouterr().out.splitlines()
        failed = [line for line in lines if line.startswith("FAIL")]
        assert failed[0].endswith(": the process ended with 2; its log says why")
        assert f"See the logs in {tmp_path}." in lines
        assert not any("alice" in line for line in lines)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((HOST, ports.mail), timeout=10)

    async def test_it_stays_up_until_it_is_interrupted(
        self, tmp_path: Path, capsys: Output
    ) -> None:
        """Ctrl-C is no failure; the invitation was printed before."""
        demo = Demo(DemoFolder(tmp_path), PORTS)
        await demo._processes.start("one", "-c", ENDLESS, log=tmp_path / "log")
        staying = asyncio.gather(demo._stay())
        await asyncio.sleep(0)
        (task,) = asyncio.all_tasks() - {asyncio.current_task()}
        task.cancel()
        await staying
        assert demo._failed == 0
        assert (await demo._end()).detail == f"one with {-signal.SIGTERM}"
        assert "Try it from another terminal" in capsys.readouterr().out

    async def test_a_process_that_ends_meanwhile_is_a_failure(
        self, tmp_path: Path, capsys: Output
    ) -> None:
        """It is named, with its status."""
        demo = Demo(DemoFolder(tmp_path), PORTS)
        await demo._processes.start("one", "-c", "raise SystemExit(3)", log=tmp_path / "log")
        await demo._stay()
        assert demo._failed == 1
        assert "the one has ended with 3" in capsys.readouterr().out

    def test_wrong_options_are_usage(self, tmp_path: Path, capsys: Output) -> None:
        """A port in use ends with 2 and makes nothing but the folder."""
        with socket.create_server((HOST, 0)) as held:
            port = str(held.getsockname()[1])
            assert main(["demo", "--once", "--state", str(tmp_path / "d"), "--port", port]) == 2
        assert "--port" in capsys.readouterr().err
        assert not (tmp_path / "d" / "pki").exists()


def _await_writing(log: Path) -> None:
    """Another process writes there, so that looking again is all there is."""
    deadline = time.monotonic() + 30
    while not log.read_text().startswith("up"):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _only_child() -> int:
    """The one process that this process has started and that still runs `ENDLESS`."""
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    found = [int(pid) for pid in children if ENDLESS in Path(f"/proc/{pid}/cmdline").read_text()]
    (pid,) = found
    return pid
