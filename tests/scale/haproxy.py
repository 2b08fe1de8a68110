"""HAProxy before two gateways, by the configuration that docs/scaling.md shows."""

import contextlib
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench import processes
from tests.blackbox.bed import HOST, Bed, free_ports
from tests.real.sogo.packages import install_missing

_CONFIGURATION = """
defaults
    mode tcp
    option redispatch 1
    timeout connect 5s
    timeout client 70m
    timeout server 70m

frontend phones
    bind {address}:{port}
    use_backend alive if {{ nbsrv(ready) eq 0 }}
    default_backend ready

backend ready
    balance roundrobin
    option httpchk GET /readyz
    default-server check inter 1s fall 2 rise 1 send-proxy-v2
{servers}

backend alive
    balance roundrobin
    option httpchk GET /healthz
    default-server check inter 1s fall 2 rise 1 send-proxy-v2
{servers}
"""


@contextlib.contextmanager
def running(folder: Path, nodes: Sequence[Bed]) -> Iterator[int]:
    """It passes connections on to `nodes` in turn; gives the port for phones."""
    (port,) = free_ports(1)
    servers = [
        f"    server node-{number} {HOST}:{node.port} check port {node.admin_port}"
        for number, node in enumerate(nodes, start=1)
    ]
    file = folder / "haproxy.cfg"
    text = _CONFIGURATION.format(address=HOST, port=port, servers="\n".join(servers))
    file.write_text(text, encoding="ascii")
    log = folder / "haproxy.log"
    with processes.running([_program(), "-db", "-f", str(file)], log=log) as process:
        processes.wait_until(lambda: processes.accepts(port), process, log)
        yield port


def _program() -> str:
    found = shutil.which("haproxy", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
    if found is None:
        raise FileNotFoundError("haproxy is not installed: use `make test-scale`")
    return found


if __name__ == "__main__":  # `make test-scale`: HAProxy is there
    try:
        _program()
    except FileNotFoundError:
        install_missing(("haproxy",))
