"""Phones that ask again and again, and repeat once after a close without any answer byte.

That is what HTTP allows a client to do by itself (RFC 9112 section 9.3.1), and what phones do.
"""

import contextlib
import socket
import ssl
import sys
import threading
import time
from collections.abc import Iterator

from tests.blackbox.bed import HOST, PATH, Bed
from tests.helpers import client_context

PHONES = 4
_SECONDS = 20.0
_PAUSE_SECONDS = 0.01  # leaves processes that start meanwhile some of the CPU
_REQUEST = f"OPTIONS {PATH} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


class Load:
    """What the phones saw.

    Attributes:
        right: answers that were 200 and whole.
        wrong: other answers, and parts of one.
        lost: how often there was no answer at all, even when asked once more.
        repeated: requests that were sent once more.
    """

    def __init__(self, bed: Bed, *, patience: float) -> None:
        self.right = 0
        self.wrong: list[str] = []
        self.lost = 0
        self.repeated = 0
        self._bed = bed
        self._patience = patience
        self._context = client_context(bed.pki, bed.pki.alice)
        self._over = threading.Event()
        self._lock = threading.Lock()

    def run(self) -> None:
        """One phone, until `end`."""
        connection: ssl.SSLSocket | None = None
        while not self._over.is_set():
            connection = self._ask_twice(connection)
            self._over.wait(_PAUSE_SECONDS)
        if connection is not None:
            connection.close()

    def end(self) -> None:
        """The phones stop."""
        self._over.set()

    def show(self, what: str) -> None:
        """The figures, on standard output, which pytest shows with -s or -rP."""
        figures = f"{self.right} right, {self.repeated} repeated"
        sys.stdout.write(f"{what}: {figures}, {self.lost} lost, {len(self.wrong)} wrong\n")

    def _ask_twice(self, connection: ssl.SSLSocket | None) -> ssl.SSLSocket | None:
        """The connection for the next request, if there is one."""
        for repeated in (False, True):
            try:
                connection = connection or self._connect()
                answer = _ask(connection)
            except OSError:
                answer = b""
            if answer.startswith(b"HTTP/1.1 200 "):
                with self._lock:
                    self.right += 1
                if b"connection: close" in answer.lower() and connection is not None:
                    connection.close()
                    connection = None
                return connection
            if connection is not None:
                connection.close()
            connection = None
            if answer or repeated:
                break
            with self._lock:
                self.repeated += 1
        if self._over.is_set():
            return None
        with self._lock:
            if answer:
                self.wrong.append(answer.decode("latin-1"))
            else:
                self.lost += 1
        return None

    def _connect(self) -> ssl.SSLSocket:
        """A connection; a refused one is tried again for `patience` seconds, as nobody listens."""
        deadline = time.monotonic() + self._patience
        while True:
            try:
                raw = socket.create_connection((HOST, self._bed.port), timeout=_SECONDS)
            except ConnectionRefusedError:
                if self._over.is_set() or time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
                continue
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                return self._context.wrap_socket(raw, server_hostname="localhost")
            except OSError:
                raw.close()
                raise


def _ask(connection: ssl.SSLSocket) -> bytes:
    """The answer, or as much of it as came before the end; raises OSError if nothing did."""
    connection.sendall(_REQUEST)
    answer = b""
    try:
        while True:
            piece = connection.recv(65536)
            if not piece:
                return b"cut: " + answer if answer else b""
            answer += piece
            if _is_whole(answer):
                return answer
    except OSError:
        if answer:
            return b"cut: " + answer
        raise


def _is_whole(answer: bytes) -> bool:
    head, end, body = answer.partition(b"\r\n\r\n")
    if not end:
        return False
    length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
    return len(body) >= int(length or b"0")


@contextlib.contextmanager
def load(bed: Bed, *, patience: float = 0.0) -> Iterator[Load]:
    """Phones ask while the block runs; a closed port is tried for `patience` seconds."""
    made = Load(bed, patience=patience)
    threads = [threading.Thread(target=made.run) for _ in range(PHONES)]
    for thread in threads:
        thread.start()
    try:
        yield made
    finally:
        made.end()
        for thread in threads:
            thread.join()
