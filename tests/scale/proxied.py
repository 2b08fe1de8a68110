"""Two gateways with one PostgreSQL behind HAProxy, and phones that come through it."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.fleet import Order
from bench.phones import Phones
from tests.blackbox.bed import HOST, Bed, Running
from tests.helpers import Pki
from tests.scale import crls, fleet, haproxy, relay
from tests.scale.fleet import Fleet
from tests.scale.nodes import fill, mail_server, new_node, server_serial
from tests.scale.phones import make_phones
from tests.scale.priority import before_others
from tests.scale.relay import Relay
from tests.store import postgresql_server
from tests.store.postgresql_server import Server

HOLDING = 240
SYNCING = 20
STALENESS_SECONDS = 20
POLL_SECONDS = 1.0
LOOK_SECONDS = 0.2
PHONES_ADDRESS = "127.0.0.2"
_TRUST = f'proxy_protocol = true\nproxy_protocol_from = ["{HOST}/32"]'


@dataclass(frozen=True)
class Pair:
    """Nodes A and B; B's way to PostgreSQL leads through a relay.

    Attributes:
        port: HAProxy's, for phones.
        held: phones that hold Pings; `syncing`: those that sync, whatever they are answered.
    """

    a: Running
    b: Running
    port: int
    postgresql: Server
    relay: Relay
    phones: Phones
    held: Fleet
    syncing: Fleet

    def node_of(self) -> dict[int, Bed]:
        """Where each phone that holds a Ping is, by the server certificate that it was shown."""
        nodes = {server_serial(one.bed): one.bed for one in (self.a, self.b)}
        asked = [one for one in self.held.since(0) if one.kind == "asked"]
        return {one.phone: nodes[int(one.more[0] or 0)] for one in asked}


@contextlib.contextmanager
def running(folder: Path, pki: Pki) -> Iterator[Pair]:
    """All of it."""
    phones = make_phones(
        folder / "phones", pki, HOLDING + SYNCING, lambda n: f"phone{n:05d}@example.test"
    )
    with contextlib.ExitStack() as stack:
        site = stack.enter_context(crls.serving(pki))
        server = stack.enter_context(postgresql_server.running())
        url = server.new_database()
        between = folder / "relay"
        muting = stack.enter_context(relay.relaying(between, server.folder))
        stack.enter_context(before_others())
        mail = stack.enter_context(mail_server(folder))
        urls = (url, url.replace(_quoted(server.folder), _quoted(between)))
        beds = [
            new_node(folder / name, pki, mail, _tables(where), listen=_TRUST)
            for name, where in zip("ab", urls, strict=True)
        ]
        fill(beds[0], site, phones)
        beds[0].cli("user", "add", "alice@example.test")
        a, b = (stack.enter_context(one.running()) for one in beds)
        port = stack.enter_context(haproxy.running(folder, beds))
        held = stack.enter_context(fleet.running([_order(port, phones, pki, HOLDING)]))
        syncing = stack.enter_context(fleet.running([_order(port, phones, pki, SYNCING)]))
        held.until(lambda: len(held.held) == HOLDING, "all phones have asked")
        yield Pair(a, b, port, server, muting, phones, held, syncing)


def _quoted(folder: Path) -> str:
    return str(folder).replace("/", "%2F")


def _tables(url: str) -> str:
    return f"""
[store]
url = "{url}"
poll_seconds = {POLL_SECONDS}

[state]
max_staleness_seconds = {STALENESS_SECONDS}
"""


def _order(port: int, phones: Phones, pki: Pki, count: int) -> Order:
    syncs = count == SYNCING
    return Order(
        port=port,
        phones=str(phones.file),
        trusted=str(pki.root_pem),
        key=str(phones.key),
        first=HOLDING if syncs else 0,
        count=count,
        address=PHONES_ADDRESS,
        syncs_per_second=100 if syncs else 0,
        returns=syncs,
        patient=not syncs,
    )
