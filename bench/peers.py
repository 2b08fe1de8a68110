"""How each server of the comparison is started: one worker, the same PKI, CRLs and upstream.

TLS 1.2 and 1.3, client certificate required, no session cache, a log line per request and session
tickets as each has them by default (no client comes back with one). Whatever is not said here is
the server's own default.
"""

import contextlib
import getpass
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bench import processes
from bench.pki import Pki, ServerIdentity, mailbox_of
from bench.processes import BenchError

_CONNECTIONS = 8192
_HELD_SECONDS = 3600


@dataclass(frozen=True)
class Surroundings:
    """What every server is given."""

    directory: Path
    pki: Pki
    identity: ServerIdentity
    upstream_port: int
    crl_port: int
    cpu: int | None
    tickets: bool = True


@dataclass(frozen=True)
class Server:
    """A running server: where it listens, the process that serves, and all others that it runs."""

    name: str
    port: int
    worker: int
    others: tuple[int, ...]


type_of_start = Callable[[Surroundings], contextlib.AbstractContextManager[Server]]

_NGINX = """\
daemon off;
user {user};
master_process on;
worker_processes 1;
worker_rlimit_nofile {connections};
pid {directory}/nginx.pid;
error_log {directory}/error.log;
events {{ worker_connections {connections}; }}
http {{
    access_log {directory}/access.log combined;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    upstream mail {{
        server 127.0.0.1:{upstream};
        keepalive 64;
        keepalive_requests 1000000000;
    }}
    server {{
        listen 127.0.0.1:{port} ssl backlog=4096;
        ssl_protocols TLSv1.2 TLSv1.3;
        ssl_certificate {chain};
        ssl_certificate_key {key};
        ssl_verify_client on;
        ssl_verify_depth 2;
        ssl_client_certificate {trusted};
        ssl_crl {crls};
        ssl_session_cache off;
        ssl_session_tickets {on_or_off};
        keepalive_requests 1000000000;
        location / {{
            proxy_pass http://mail;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header X-Remote-User $ssl_client_s_dn;
            proxy_read_timeout {held}s;
        }}
    }}
}}
"""

_HAPROXY = """\
global
    nbthread 1
    maxconn {connections}
    tune.ssl.cachesize 0
    ssl-default-bind-options ssl-min-ver TLSv1.2
    log stdout format raw local0
defaults
    mode http
    log global
    option httplog
    timeout connect 5s
    timeout client {held}s
    timeout server {held}s
frontend phones
    bind 127.0.0.1:{port} backlog 4096 ssl crt {combined} verify required ca-file {trusted} \
crl-file {crls} alpn http/1.1{no_tickets}
    http-request set-header X-Remote-User %[ssl_c_s_dn]
    default_backend mail
backend mail
    http-reuse always
    server mail 127.0.0.1:{upstream} maxconn {connections} pool-max-conn -1
"""

_GATEWAY = """\
[listen]
address = "127.0.0.1"
port = {port}
certificate = "{chain}"
private_key = "{key}"
workers = 1

[tls]
ticket_lifetime_seconds = {lifetime}

[state]
directory = "state"

[admin]
address = "127.0.0.1"
port = {admin}

[[upstream]]
name = "bench"
url = "http://127.0.0.1:{upstream}"
path = "/Microsoft-Server-ActiveSync"
credentials = "header"
header = "X-Remote-User"
"""


@contextlib.contextmanager
def nginx(given: Surroundings) -> Iterator[Server]:
    """A running nginx: a master and one worker."""
    program = _program("nginx")
    port, config, log = processes.free_port(), given.directory / "nginx.conf", _log(given)
    config.write_text(_fill(_NGINX, given, port=port))
    command = [program, "-p", str(given.directory), "-c", str(config)]
    with processes.running(command, log=log) as master:
        processes.wait_until(lambda: processes.accepts(port), master, log)
        (worker,) = processes.descendants(master.pid)
        yield _server(given, "nginx", port, worker, (master.pid,))


@contextlib.contextmanager
def haproxy(given: Surroundings) -> Iterator[Server]:
    """A running HAProxy: one process with one thread."""
    program = _program("haproxy")
    port, config, log = processes.free_port(), given.directory / "haproxy.cfg", _log(given)
    config.write_text(_fill(_HAPROXY, given, port=port))
    with processes.running([program, "-db", "-f", str(config)], log=log) as process:
        processes.wait_until(lambda: processes.accepts(port), process, log)
        yield _server(given, "haproxy", port, process.pid)


def _workers(log: Path) -> list[int]:
    """The ids of the workers' processes, as the supervisor has logged them: a fork has no name."""
    lines = (json.loads(line) for line in log.read_text().splitlines() if line.startswith("{"))
    return [
        line["child"]
        for line in lines
        if line["event"] == "process.started" and line["name"].startswith("worker")
    ]


@contextlib.contextmanager
def gateway(given: Surroundings) -> Iterator[Server]:
    """A running gateway with its defaults: supervisor, control process and one worker."""
    port, admin, log = processes.free_port(), processes.free_port(), _log(given)
    (given.directory / "config.toml").write_text(_fill(_GATEWAY, given, port=port, admin=admin))
    _fill_store(given)
    with processes.running(
        [*_eas_gateway(), "serve", "-c", "config.toml"], log=log, cwd=given.directory
    ) as supervisor:
        ready = f"http://127.0.0.1:{admin}/readyz"
        processes.wait_until(lambda: processes.answers(ready), supervisor, log)
        family = processes.descendants(supervisor.pid)
        workers = _workers(log)
        if len(workers) != 1:
            raise BenchError(
                f"one worker of the gateway was expected, {len(workers)} found; see {log}"
            )
        others = (supervisor.pid, *(pid for pid in family if pid not in workers))
        yield _server(given, "gateway", port, workers[0], others)


PEERS: dict[str, type_of_start] = {"nginx": nginx, "haproxy": haproxy, "gateway": gateway}


def _fill_store(given: Surroundings) -> None:
    crls = f"http://127.0.0.1:{given.crl_port}"
    authorities = [
        ("root", given.pki.root, given.pki.root_crl),
        ("intermediate", given.pki.issuing, given.pki.issuing_crl),
    ]
    for kind, certificate, crl in authorities:
        command = ["ca", "add", "-c", "config.toml", "--type", kind]
        command += ["--cert", str(certificate), "--crl", f"{crls}/{crl.name}"]
        processes.run([*_eas_gateway(), *command], cwd=given.directory)
    count = len(list(given.pki.devices.iterdir()))
    names = (f"{mailbox_of(number)}\n" for number in range(count))
    (given.directory / "mailboxes.csv").write_text("userPrincipalName\n" + "".join(names))
    command = ["user", "import", "mailboxes.csv", "-c", "config.toml"]
    processes.run([*_eas_gateway(), *command], cwd=given.directory)


def _eas_gateway() -> list[str]:
    return [str(Path(sys.executable).with_name("eas-gateway"))]


def _server(
    given: Surroundings, name: str, port: int, worker: int, others: tuple[int, ...] = ()
) -> Server:
    processes.move(worker, given.cpu)
    return Server(name=name, port=port, worker=worker, others=others)


def _fill(template: str, given: Surroundings, *, port: int, admin: int = 0) -> str:
    return template.format(
        directory=given.directory,
        connections=_CONNECTIONS,
        held=_HELD_SECONDS,
        user=getpass.getuser(),
        port=port,
        admin=admin,
        upstream=given.upstream_port,
        trusted=given.pki.trusted,
        crls=given.pki.crls,
        chain=given.identity.chain,
        key=given.identity.key,
        combined=given.identity.combined,
        on_or_off="on" if given.tickets else "off",
        no_tickets="" if given.tickets else " no-tls-tickets",
        lifetime=3600 if given.tickets else 0,
    )


def _program(name: str) -> str:
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if found is None:
        raise BenchError(
            f"{name} is not installed: run `make bench` as root, or leave it out with --only"
        )
    return found


def _log(given: Surroundings) -> Path:
    return given.directory / "output.log"
