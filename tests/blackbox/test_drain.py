"""SIGTERM while phones wait, idle and do not read: all is answered, and the end comes in time."""

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Iterator

import pytest

from tests.blackbox import bed as beds
from tests.blackbox.bed import HOST, PATH, Bed, set_up, until
from tests.helpers import client_context
from tests.real import crl_server

END_SECONDS = 15.0
"""Less than the time that requests under way have; a Sync counts as held after 5 s."""


class _Holding:
    """A mail server that takes requests and answers none."""

    def __init__(self, listener: socket.socket) -> None:
        self.requests = 0
        self._listener = listener
        self._held: list[socket.socket] = []

    def run(self) -> None:
        """Until the listener is closed."""
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self._held.append(connection)
                connection.recv(65536)
                self.requests += 1

    def close(self) -> None:
        """Let go of all."""
        for one in self._held:
            one.close()


@pytest.fixture
def mail(tmp_path: object) -> Iterator[tuple[int, _Holding]]:
    """Its port, and itself."""
    with socket.create_server((HOST, 0)) as listener:
        holding = _Holding(listener)
        thread = threading.Thread(target=holding.run)
        thread.start()
        yield listener.getsockname()[1], holding
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
        holding.close()


@pytest.fixture
def bed(tmp_path_factory: pytest.TempPathFactory, mail: tuple[int, _Holding]) -> Iterator[Bed]:
    """A gateway before that mail server."""
    made = beds.new_bed(tmp_path_factory.mktemp("drain"), mail[0])
    with crl_server.serving(made.pki.directory) as url:
        set_up(made, url)
        yield made


def _ask(bed: Bed, command: str) -> ssl.SSLSocket:
    """A phone that has asked for `command`, or nothing if that is empty."""
    raw = socket.create_connection((HOST, bed.port), timeout=60)
    phone = client_context(bed.pki, bed.pki.alice).wrap_socket(raw, server_hostname="localhost")
    if command:
        query = f"Cmd={command}&User=alice%40example.test&DeviceId=d1&DeviceType=x"
        head = f"POST {PATH}?{query} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"
        phone.sendall(head.encode())
    return phone


def _all(phone: ssl.SSLSocket) -> bytes:
    """What comes until the gateway closes."""
    answer = b""
    while piece := phone.recv(65536):
        answer += piece
    return answer


def test_a_held_ping_and_sync_are_answered_and_all_ends(
    bed: Bed, mail: tuple[int, _Holding]
) -> None:
    """Ping Status 1, an empty 200, both with Connection: close; nobody is waited for long."""
    with contextlib.ExitStack() as open_phones, bed.running() as running:
        ping, sync = (open_phones.enter_context(_ask(bed, name)) for name in ("Ping", "Sync"))
        open_phones.enter_context(_ask(bed, ""))  # it neither asks nor reads
        until(lambda: mail[1].requests == 2, "the mail server holds both")
        began = time.monotonic()
        running.terminate()
        answers = _all(ping), _all(sync)
        assert running.wait() == 0
        assert time.monotonic() - began < END_SECONDS
    for answer, body in zip(
        answers, (bytes.fromhex("03016a00000d45470331000101"), b""), strict=True
    ):
        head, _, rest = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 ")
        assert b"Connection: close" in head
        assert rest == body
