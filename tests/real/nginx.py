"""Debian's nginx as a TLS server that demands a client certificate, in front of SOGo."""

import contextlib
import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from tests.real.sogo.bed import HOST, IDENTITY_HEADER, Bed
from tests.real.sogo.packages import SYSTEM_PATH, install_missing

PACKAGE = "nginx-light"
READY_SECONDS = 30.0
POLL_SECONDS = 0.05

_CONFIG = """\
daemon off;
user {user};
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen {host}:{port} ssl;
        ssl_protocols {protocols};
        ssl_certificate {pki}/server.pem;
        ssl_certificate_key {pki}/server.key;
        ssl_verify_client {verify};
        ssl_verify_depth 2;
        ssl_client_certificate {folder}/trusted.pem;
        ssl_crl {folder}/crls.pem;
        location = /Microsoft-Server-ActiveSync {{
            proxy_pass http://{host}:{sogo_port}/SOGo/Microsoft-Server-ActiveSync$is_args$args;
            proxy_set_header {header} {mailbox};
            proxy_read_timeout 3600s;
        }}
    }}
}}
"""


@contextlib.contextmanager
def running(
    folder: Path,
    pki: Path,
    bed: Bed,
    mailbox: str,
    *,
    verify: str = "on",
    protocols: str = "TLSv1.2 TLSv1.3",
) -> Iterator[int]:
    """The port of an nginx that takes every certificate of the PKI for that mailbox's.

    `pki` holds certificates and, as PEM, their CAs' CRLs.
    """
    install_missing((PACKAGE,))
    port = _free_port()
    trusted, crls = folder / "trusted.pem", folder / "crls.pem"
    names = ("root", "issuing")
    trusted.write_bytes(b"".join((pki / f"{name}.pem").read_bytes() for name in names))
    crls.write_text("".join(_crl_pem(pki / f"{name}.crl") for name in names))
    values = vars(bed) | {
        "folder": folder,
        "pki": pki,
        "port": port,
        "host": HOST,
        "user": getpass.getuser(),
        "verify": verify,
        "protocols": protocols,
        "header": IDENTITY_HEADER,
        "mailbox": mailbox,
    }
    config = folder / "nginx.conf"
    config.write_text(_CONFIG.format(**values))
    with _process(config, folder, port):
        yield port


@contextlib.contextmanager
def _process(config: Path, folder: Path, port: int) -> Iterator[None]:
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:{SYSTEM_PATH}")
    assert program is not None
    log = folder / "nginx.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [program, "-p", str(folder), "-c", str(config)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        deadline = time.monotonic() + READY_SECONDS
        while not _listens(port):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(POLL_SECONDS)
        yield
    finally:
        process.terminate()
        process.wait(READY_SECONDS)


def _listens(port: int) -> bool:
    try:
        socket.create_connection((HOST, port), timeout=READY_SECONDS).close()
    except ConnectionRefusedError:
        return False
    return True


def _free_port() -> int:
    with socket.create_server((HOST, 0)) as listener:
        return int(listener.getsockname()[1])


def _crl_pem(path: Path) -> str:
    command = ["openssl", "crl", "-inform", "DER", "-in", str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
