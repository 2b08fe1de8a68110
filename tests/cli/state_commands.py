"""Runs commands on a state folder of its own, with a web server for CRLs beside it."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.cli.main import main
from gateway.pki.authority import CertificateAuthority
from gateway.store.store import Store, open_store


class Commands:
    """`eas-gateway` with a configuration whose state is in `folder`."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.config = folder / "config.toml"
        self.config.write_text('[state]\ndirectory = "state"\n', encoding="utf-8")
        self._capsys = capsys

    def run(self, noun: str, verb: str, *arguments: str, status: int = 0) -> tuple[str, str]:
        """Standard output and standard error of a command that ends with `status`."""
        found = main([noun, verb, *arguments, "-c", str(self.config)])
        out, err = self._capsys.readouterr()
        assert found == status, out + err
        return out, err

    def out(self, noun: str, verb: str, *arguments: str) -> str:
        """Standard output of a command that succeeds and says nothing on standard error."""
        out, err = self.run(noun, verb, *arguments)
        assert err == ""
        return out

    def refusal(self, noun: str, verb: str, *arguments: str) -> str:
        """Standard error of a command that exits with 2 and has no result."""
        out, err = self.run(noun, verb, *arguments, status=2)
        assert out == ""
        return err

    def store(self) -> Store:
        """The store that the commands write; to be closed."""
        return open_store(self.folder / "state")


@contextmanager
def serving(files: dict[str, bytes]) -> Iterator[str]:
    """The URL of a loopback web server for `files` by path; anything else is 404."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = files.get(self.path)
            self.send_response(404 if content is None else 200)
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, *arguments: object) -> None:
            """Tests are quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, args=[0.02])
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def crl_of(authority: CertificateAuthority) -> bytes:
    """An empty CRL of now, DER."""
    return authority.sign_crl().public_bytes(Encoding.DER)
