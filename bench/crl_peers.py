"""What the same CRL costs others: OpenSSL in a process of its own, and nginx with ssl_crl."""

import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from bench.processes import BenchError, accepts, descendants, free_port, run, running, wait_until
from gateway.pki.authority import CertificateAuthority
from gateway.pki.identity import Identity

_STORE = """\
import json, sys, time
from pathlib import Path
from cryptography import x509
from OpenSSL import crypto
def pss():
    text = Path("/proc/self/smaps_rollup").read_text()
    return int(text.split("Pss:")[1].split()[0])
data = Path(sys.argv[1]).read_bytes()
before, start = pss(), time.perf_counter()
store = crypto.X509Store()
store.add_crl(x509.load_der_x509_crl(data))
seconds = time.perf_counter() - start
print(json.dumps({"seconds": seconds, "mib": (pss() - before) / 1024}))
"""
_NGINX = """\
worker_processes 2;
user {user};
pid {folder}/nginx.pid;
error_log {folder}/nginx-error.log;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {folder}/server.pem;
        ssl_certificate_key {folder}/server.key;
        ssl_client_certificate {folder}/ca.pem;
        ssl_verify_client on;
        ssl_crl {folder}/nginx.crl;
        location / {{ return 200 "in"; }}
    }}
}}
"""
_LONGEST_SECONDS = 60
_LET_IN = b" 200 "


def openssl_store(path: Path) -> Iterator[tuple[str, str]]:
    """OpenSSL's library loads a CRL file into a store, as every process of a server does."""
    command = [sys.executable, "-c", _STORE, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    text = f"{found['seconds']:.2f} s, {found['mib']:.0f} MiB a process"
    yield "OpenSSL: X509_STORE_add_crl", text


def openssl_command(path: Path) -> Iterator[tuple[str, str]]:
    """OpenSSL's command reads a CRL file."""
    command = ["openssl", "crl", "-inform", "DER", "-in", str(path), "-noout"]
    start = time.perf_counter()
    process = subprocess.Popen(command)
    _, _, usage = os.wait4(process.pid, 0)
    process.returncode = 0
    seconds = time.perf_counter() - start
    yield "openssl crl -noout", f"{seconds:.2f} s, {usage.ru_maxrss / 1024:.0f} MiB"


def nginx_reload(
    folder: Path, ca: CertificateAuthority, device: Identity, data: bytes
) -> Iterator[tuple[str, str]]:
    """A reload is the only way that nginx has; measured until it refuses the phone."""
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        yield "nginx with ssl_crl", "not installed"
        return
    port = free_port()
    _write_files(folder, ca, device, port)
    command = [program, "-c", str(folder / "nginx.conf"), "-p", str(folder)]
    log = folder / "nginx.log"
    with running([*command, "-g", "daemon off;"], log=log) as process:
        wait_until(lambda: accepts(port), process, log)
        if not _is_let_in(folder, port):
            raise BenchError(f"nginx refuses the phone before it is revoked; see {log}")
        idle = max(map(_rss_mib, descendants(process.pid)))
        pem = x509.load_der_x509_crl(data).public_bytes(Encoding.PEM)
        (folder / "nginx.crl").write_bytes(pem)
        start = time.perf_counter()
        run([*command, "-s", "reload"], cwd=folder)
        while _is_let_in(folder, port):
            if time.perf_counter() - start > _LONGEST_SECONDS:
                raise BenchError(f"nginx still lets the phone in after {_LONGEST_SECONDS} s")
            time.sleep(0.02)
        seconds = time.perf_counter() - start
        time.sleep(1)  # its old workers end
        each = max(map(_rss_mib, descendants(process.pid)))
    yield "nginx: reload until it refuses new handshakes", f"{seconds:.2f} s"
    yield "  memory of each of its processes (before)", f"{each:.0f} ({idle:.0f}) MiB"


def _write_files(folder: Path, ca: CertificateAuthority, device: Identity, port: int) -> None:
    server = ca.issue_server("127.0.0.1")
    user = "root" if os.getuid() == 0 else "nobody"
    for name, content in (
        ("ca.pem", ca.certificate_pem),
        ("server.pem", server.certificate_pem),
        ("server.key", server.key_pem),
        ("device.pem", device.certificate_pem + device.key_pem),
        ("nginx.crl", ca.sign_crl().public_bytes(Encoding.PEM)),
        ("nginx.conf", _NGINX.format(folder=folder, port=port, user=user).encode()),
    ):
        (folder / name).write_bytes(content)


def _is_let_in(folder: Path, port: int) -> bool:
    """Whether a new handshake and a request with the phone's certificate are answered 200."""
    context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
    context.load_cert_chain(folder / "device.pem")
    with (
        socket.create_connection(("127.0.0.1", port), timeout=_LONGEST_SECONDS) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as secure,
    ):
        secure.sendall(b"GET / HTTP/1.0\r\n\r\n")
        return _LET_IN in secure.recv(64)


def _rss_mib(pid: int) -> float:
    text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    return int(text.split("Rss:")[1].split()[0]) / 1024
