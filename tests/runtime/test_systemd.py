"""The service manager hears what is true, over a real datagram socket, and passes its sockets."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.errors import ConfigError
from gateway.runtime import systemd
from gateway.runtime.systemd import Notifier
from tests.runtime.test_supervisor import supervised


class Manager:
    """The end of a service manager."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self._socket.settimeout(20)

    def hear(self) -> dict[str, str]:
        """The next message, by its keys."""
        lines = self._socket.recv(4096).decode().splitlines()
        return dict(line.split("=", 1) for line in lines)

    def hear_of(self, key: str) -> dict[str, str]:
        """The next message that has this key."""
        while key not in (message := self.hear()):
            pass
        return message

    def heard_all(self) -> list[dict[str, str]]:
        """What waits now."""
        found = []
        self._socket.setblocking(False)
        while True:
            try:
                found.append(self.hear())
            except BlockingIOError:
                self._socket.settimeout(20)
                return found

    def close(self) -> None:
        """Listen no more."""
        self._socket.close()


@pytest.fixture(params=["file", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    """One that listens in the file system, and one in the abstract name space."""
    name = str(tmp_path / "notify") if request.param == "file" else f"@gateway-test-{os.getpid()}"
    made = Manager(name)
    yield made
    made.close()


def test_every_word_is_a_datagram(manager: Manager) -> None:
    """In the form of sd_notify(3); a line break in a status cannot become another key."""
    notifier = Notifier(manager.address)
    notifier.ready("2 of 2\nWATCHDOG=0")
    notifier.reloading()
    notifier.stopping()
    notifier.alive()
    notifier.status("fine")
    assert manager.hear() == {"READY": "1", "STATUS": "2 of 2 WATCHDOG=0"}
    reloading = manager.hear()
    assert reloading["RELOADING"] == "1"
    assert int(reloading["MONOTONIC_USEC"]) > 0
    assert manager.hear()["STOPPING"] == "1"
    assert manager.hear() == {"WATCHDOG": "1"}
    assert manager.hear() == {"STATUS": "fine"}
    notifier.close()


def test_without_a_manager_nothing_is_said() -> None:
    """Neither without a socket nor with one that nobody listens on."""
    for address in (None, "/nowhere/notify"):
        notifier = Notifier(address)
        notifier.ready("fine")
        notifier.close()


@pytest.mark.parametrize(
    ("environment", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "3000000"}, 3.0),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": str(os.getpid())}, 3.0),
        ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_the_watchdog_is_the_environments(
    environment: dict[str, str], seconds: float | None
) -> None:
    """And no child finds it there."""
    notifier = Notifier.from_environment(environment)
    assert notifier.watchdog_seconds == seconds
    assert environment == {}
    notifier.close()


async def test_ready_comes_when_all_serve_and_a_reload_is_bracketed(manager: Manager) -> None:
    """READY, pings, RELOADING to READY, STOPPING, in this order."""
    environment = {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "400000"}
    async with supervised(environment=environment) as running:
        await running.up()
        assert manager.hear() == {"READY": "1", "STATUS": "2 of 2 workers serve"}
        assert manager.hear() == {"WATCHDOG": "1"}
        running.process.send_signal(signal.SIGHUP)
        assert manager.hear_of("RELOADING")
        assert manager.hear_of("READY")
        took = await running.until(lambda line: line["event"] == "took", 3)
        assert {line["generation"] for line in took} == {2}
        running.process.terminate()
        assert manager.hear_of("STOPPING")
        assert await running.end() == 0


@pytest.mark.parametrize("silent", ["worker", "control"])
async def test_a_gateway_that_does_not_serve_is_never_ready(manager: Manager, silent: str) -> None:
    """The watchdog is not fed either: the manager ends and restarts it."""
    environment = {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "100000"}
    worker, control = ("silent" if silent == name else "steady" for name in ("worker", "control"))
    async with supervised(environment=environment, worker=worker, control=control) as running:
        await running.up()
        running.process.terminate()
        assert await running.end() == 0
    assert [message.get("STOPPING") for message in manager.heard_all()] == ["1"]


async def test_settings_that_a_process_refuses_are_taken_back() -> None:
    """All go by the same ones: the third generation is the first again."""
    async with supervised(control="refusing") as running:
        await running.up()
        running.process.send_signal(signal.SIGHUP)
        wanted = {("worker-1", 2), ("worker-2", 2), ("worker-1", 3), ("worker-2", 3)}
        took = await running.until(lambda line: line["event"] == "took", 4)
        assert {(line["name"], line["generation"]) for line in took} == wanted


async def test_a_refused_configuration_reaches_control_as_such() -> None:
    """No process hears of it, but for the metric."""
    async with supervised(environment={"REFUSE": "listen.port: no"}) as running:
        await running.up()
        running.process.send_signal(signal.SIGHUP)
        [line] = await running.until(
            lambda line: line["event"] == "message" and line["message"].get("succeeded") is False
        )
        assert line["message"]["kind"] == "reload"
        assert not [line for line in running.said if line["event"] == "took"]


_LISTENING = """
import os, sys
os.environ["LISTEN_PID"] = str(os.getpid())
from gateway.errors import ConfigError
from gateway.runtime.systemd import listening_sockets
try:
    found = listening_sockets()
except ConfigError as error:
    sys.exit(str(error))
print({name: one.getsockname()[1] for name, one in found.items()})
assert not [name for name in os.environ if name.startswith("LISTEN_")]
"""


def _listening(names: str, *sockets: socket.socket) -> "subprocess.CompletedProcess[str]":
    moves = " ".join(f"{3 + n}<&{one.fileno()}" for n, one in enumerate(sockets))
    return subprocess.run(
        ["bash", "-c", f'exec {moves}; exec "$@"', "bash", sys.executable, "-c", _LISTENING],
        env=os.environ | {"LISTEN_FDS": str(len(sockets)), "LISTEN_FDNAMES": names},
        pass_fds=[one.fileno() for one in sockets],
        capture_output=True,
        text=True,
        check=False,
    )


def test_sockets_are_found_by_their_names() -> None:
    """As sd_listen_fds(3) passes them."""
    with (
        socket.create_server(("127.0.0.1", 0)) as phones,
        socket.create_server(("127.0.0.1", 0)) as admin,
    ):
        done = _listening("phones:admin", phones, admin)
        ports = {"phones": phones.getsockname()[1], "admin": admin.getsockname()[1]}
    assert done.stdout.strip() == str(ports), done.stderr


def test_a_socket_of_another_name_or_kind_is_refused() -> None:
    """The message says what to write in the unit."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        assert "FileDescriptorName=phones" in _listening("gateway.socket", listening).stderr
    with socket.socket() as idle:
        assert "does not listen" in _listening("phones", idle).stderr


def test_sockets_of_another_process_are_not_ours() -> None:
    """LISTEN_PID tells; the variables are gone all the same."""
    environment = {"LISTEN_PID": "1", "LISTEN_FDS": "2", "LISTEN_FDNAMES": "phones:admin"}
    assert systemd.listening_sockets(environment) == {}
    assert environment == {}


def test_a_name_must_be_one_of_two() -> None:
    """So that a socket is not taken for the other."""
    with socket.socket() as one, pytest.raises(ConfigError, match="FileDescriptorName"):
        systemd._require_listening("http", one)
