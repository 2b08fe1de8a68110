"""A web server for the CRLs of the two CAs, which knows when it has given out a new one."""

import contextlib
import hashlib
import threading
import time
from collections.abc import Iterator, Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.pki.crl import Revocation
from tests.blackbox.bed import HOST
from tests.helpers import Pki

ROOT, ISSUING, DELTA = "root.crl", "issuing.crl", "delta.crl"


class CrlSite:
    """The CRLs of a PKI and where they are.

    Attributes:
        url: they are below it, as `ROOT`, `ISSUING` and `DELTA`.
    """

    def __init__(self, pki: Pki) -> None:
        self.url = ""
        self._pki = pki
        self._number = 0
        self._base = 0
        self._content: dict[str, bytes] = {}
        self._given: dict[str, float] = {}
        self._lock = threading.Lock()
        self.publish(())

    def publish(self, serial_numbers: Sequence[int], *, delta: Sequence[int] = ()) -> None:
        """CRLs of now: the issuing CA's lists `serial_numbers`, and its delta `delta`."""
        self._number += 1
        self._base = self._number
        self._put(ROOT, self._pki.root.sign_crl(number=self._number))
        self._put(ISSUING, self._pki.issuing.sign_crl(_entries(serial_numbers), number=self._base))
        self.publish_delta(delta)

    def publish_delta(self, serial_numbers: Sequence[int]) -> None:
        """A delta CRL of now alone, to the complete one of the last `publish`."""
        self._number += 1
        self._put(
            DELTA,
            self._pki.issuing.sign_crl(
                _entries(serial_numbers), number=self._number, base_number=self._base
            ),
        )

    def fetched(self, name: str) -> float:
        """When somebody first had the whole of the CRL of now; monotonic seconds."""
        with self._lock:
            return self._given[name]

    def get(self, name: str) -> bytes | None:
        """The CRL of now."""
        with self._lock:
            return self._content.get(name)

    def gave(self, name: str, content: bytes) -> None:
        """Somebody has had all of it."""
        now = time.monotonic()
        with self._lock:
            if content is self._content.get(name):
                self._given.setdefault(name, now)

    def _put(self, name: str, crl: x509.CertificateRevocationList) -> None:
        with self._lock:
            self._content[name] = crl.public_bytes(Encoding.DER)
            self._given.pop(name, None)


def _entries(serial_numbers: Sequence[int]) -> list[Revocation]:
    return [Revocation(serial_number=one) for one in serial_numbers]


@contextlib.contextmanager
def serving(pki: Pki) -> Iterator[CrlSite]:
    """Both CAs' CRLs, empty at first, on a port of loopback."""
    site = CrlSite(pki)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.removeprefix("/")
            content = site.get(name)
            if content is None:
                self.send_error(HTTPStatus.NOT_FOUND)
                return
            tag = f'"{hashlib.sha256(content).hexdigest()}"'
            same = self.headers["If-None-Match"] == tag
            self.send_response(HTTPStatus.NOT_MODIFIED if same else HTTPStatus.OK)
            self.send_header("ETag", tag)
            if not same:
                self.send_header("Content-Type", "application/pkix-crl")
                self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if not same:
                self.wfile.write(content)
                self.wfile.flush()
                site.gave(name, content)

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            """Stay silent."""

    with ThreadingHTTPServer((HOST, 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, name="crl-site")
        thread.start()
        try:
            site.url = f"http://{HOST}:{server.server_port}"
            yield site
        finally:
            server.shutdown()
            thread.join()
