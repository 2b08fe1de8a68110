"""Phones that wait for an answer, and a mail server that gives it when a test says so."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator

from tests.blackbox.bed import HOST, PATH, PATIENCE_SECONDS, Bed
from tests.helpers import client_context

_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nmail!"


class Holding:
    """A mail server that takes one request a connection, and answers none by itself.

    Attributes:
        port: where it listens.
        requests: what it was asked; each with the connection that waits for the answer.
    """

    def __init__(self, listener: socket.socket) -> None:
        self.port = int(listener.getsockname()[1])
        self.requests: list[tuple[bytes, socket.socket]] = []
        self._listener = listener

    def run(self) -> None:
        """Until the listener is closed."""
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.requests.append((connection.recv(65536), connection))

    def answer(self, words: bytes) -> None:
        """The one request that has these words gets a whole answer."""
        (connection,) = (one for request, one in self.requests if words in request)
        connection.sendall(_ANSWER)

    def close(self) -> None:
        """Let go of all."""
        for _, connection in self.requests:
            connection.close()


@contextlib.contextmanager
def holding() -> Iterator[Holding]:
    """Such a server, which runs."""
    with socket.create_server((HOST, 0)) as listener:
        server = Holding(listener)
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            yield server
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
            server.close()


def ask(bed: Bed, command: str, name: str = "alice") -> ssl.SSLSocket:
    """A phone that has asked for `command`, or nothing if that is empty."""
    raw = socket.create_connection((HOST, bed.port), timeout=PATIENCE_SECONDS)
    context = client_context(bed.pki, bed.pki.stored(name))
    phone = context.wrap_socket(raw, server_hostname="localhost")
    if command:
        query = f"Cmd={command}&User={name}%40example.test&DeviceId=d-{name}&DeviceType=x"
        head = f"POST {PATH}?{query} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"
        phone.sendall(head.encode())
    return phone
