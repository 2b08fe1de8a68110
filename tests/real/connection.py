"""One TLS connection with a client certificate that never reconnects by itself."""

import http.client
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tests.real.sogo.bed import HOST

TIMEOUT_SECONDS = 30.0
PATH = "/Microsoft-Server-ActiveSync"


@dataclass(frozen=True)
class Answer:
    """What came back; header names are in lower case."""

    status: int
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Connection:
    """A connection of which every request is known to be sent on it and on no other."""

    stream: ssl.SSLSocket

    @classmethod
    def open(cls, pki: Path, name: str, port: int) -> Self:
        """Connect to the gateway with the certificate `name`.pem."""
        context = ssl.create_default_context(cafile=pki / "root.pem")
        context.load_cert_chain(pki / f"{name}.pem", pki / f"{name}.key")
        plain = socket.create_connection((HOST, port), timeout=TIMEOUT_SECONDS)
        return cls(context.wrap_socket(plain, server_hostname="localhost"))

    def options(self) -> Answer:
        """Send OPTIONS and read the whole answer."""
        self.stream.sendall(f"OPTIONS {PATH} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        response = http.client.HTTPResponse(self.stream, method="OPTIONS")
        try:
            response.begin()
            response.read()
        finally:
            response.close()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, headers)

    def is_ended(self) -> bool:
        """Whether the gateway closes the connection instead of sending more."""
        return self.stream.recv(1) == b""

    def close(self) -> None:
        """The connection is closed on this side."""
        self.stream.close()
