"""Two gateways on one PostgreSQL behind HAProxy: a revocation on one cuts on the other."""

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest

from tests.blackbox.bed import HOST, PATIENCE_SECONDS, Phone, until
from tests.helpers import Pki
from tests.scale import proxied
from tests.scale.figures import Figures, spread
from tests.scale.loaded import check_load
from tests.scale.nodes import command, store_of
from tests.scale.priority import before_others
from tests.scale.proxied import (
    LOOK_SECONDS,
    PHONES_ADDRESS,
    POLL_SECONDS,
    STALENESS_SECONDS,
    SYNCING,
    Pair,
)

_REVOKES = 40
_BY_COMMAND = 5
_STOPPED_SECONDS = 60.0
_BACK_SECONDS = 10.0
_UNTRUSTED = "127.0.0.9"
_CLAIMED = "198.51.100.7"
_BETWEEN_NEW_SECONDS = 0.3
_SETTLE_SECONDS = 3.0  # HAProxy looks once a second


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory, pki: Pki) -> Iterator[Pair]:
    """Two nodes."""
    with proxied.running(tmp_path_factory.mktemp("pair"), pki) as running:
        yield running


def _on_b(pair: Pair, count: int) -> Sequence[int]:
    """Phones on node B that hold a Ping."""
    there = [one for one, node in pair.node_of().items() if node is pair.b.bed]
    found = [one for one in there if one in pair.held.held][:count]
    assert len(found) == count
    return found


def _revoke_on_a(pair: Pair, phone: int) -> float:
    """From the commit on node A to the phone's answer on node B, in seconds."""
    mark = pair.held.mark()
    with store_of(pair.a.bed) as store:
        store.valid_from.revoke(pair.phones.mailboxes[phone])
        committed = time.monotonic()
        pair.held.until(lambda: phone not in pair.held.held, "it is cut", 10)
    [(cut, event)] = pair.held.cut_since(mark).items()
    assert (cut, event.status) == (phone, 503)
    return event.at - committed


def test_a_revoke_on_one_node_cuts_on_the_other(pair: Pair, figures: Figures) -> None:
    """Its phones, and no others, wherever they are."""
    subject = "two nodes"
    by_node = list(pair.node_of().values())
    shares = f"{by_node.count(pair.a.bed)} / {by_node.count(pair.b.bed)}"
    figures.tell(subject, "phones on A / B through HAProxy", shares)
    delays = [_revoke_on_a(pair, phone) for phone in _on_b(pair, _REVOKES)]
    figures.tell(subject, "A to B, median / 99 of 100 / longest", spread(delays))
    figures.at_most(subject, "A to B, longest", max(delays), 1, "s")


def test_a_command_on_one_node_cuts_on_the_other(pair: Pair, figures: Figures) -> None:
    """As an administrator does it; measured from the command's end, so that 0 may be passed."""
    delays = []
    for phone in _on_b(pair, _BY_COMMAND):
        mark = pair.held.mark()
        command(pair.a.bed, "user", "revoke", pair.phones.mailboxes[phone])
        ended = time.monotonic()
        pair.held.until(lambda: phone not in pair.held.held, "it is cut", 10)  # noqa: B023 (called at once)
        delays.append(pair.held.cut_since(mark)[phone].at - ended)
    figures.at_most("two nodes", "`user revoke` on A to B, longest", max(delays), 1, "s")


def test_a_listener_that_is_cut_off_costs_no_time(pair: Pair, figures: Figures) -> None:
    """PostgreSQL ends all connections of both nodes, those that listen too; then the revoke."""
    delays = []
    for phone in _on_b(pair, 5):
        pair.postgresql.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE usename = 'gateway' AND pid <> pg_backend_pid()"
        )
        delays.append(_revoke_on_a(pair, phone))
    figures.at_most("two nodes", "A to B, connections ended before", max(delays), 1, "s")


def test_without_announcements_polling_cuts(pair: Pair, figures: Figures) -> None:
    """LISTEN is accepted and nothing is ever announced to node B, as through a pooler."""
    pair.relay.muted = True
    try:
        delays = [_revoke_on_a(pair, phone) for phone in _on_b(pair, 20)]
    finally:
        pair.relay.muted = False
    subject = "two nodes, B hears nothing"
    assert pair.relay.kept > 0
    figures.tell(subject, "A to B, median / 99 of 100 / longest", spread(delays))
    limit = POLL_SECONDS + LOOK_SECONDS
    figures.at_most(subject, f"A to B, poll_seconds = {POLL_SECONDS:g}", max(delays), limit, "s")


def test_the_audit_trail_has_the_phones_address(pair: Pair, figures: Figures) -> None:
    """HAProxy tells it to both nodes."""

    def written() -> bool:
        with store_of(pair.a.bed) as store:
            found.update(
                str(one.record["client_address"])
                for one in store.audit.list(limit=10_000)
                if str(one.record["device_id"]).startswith("BENCH")
            )
        return bool(found)

    found: set[str] = set()
    until(written, "the audit trail has the phones")
    figures.equal("two nodes", "addresses in the audit trail", found, {PHONES_ADDRESS})


def test_an_address_is_believed_from_load_balancers_alone(pair: Pair, figures: Figures) -> None:
    """Who is not named in proxy_protocol_from is cut, whatever header it sends."""
    header = b"\r\n\r\n\x00\r\nQUIT\n\x21\x11" + struct.pack(
        "!H4s4sHH", 12, socket.inet_aton(_CLAIMED), socket.inet_aton(HOST), 1, 1
    )
    for node in (pair.a, pair.b):
        with socket.create_connection(
            (HOST, node.bed.port), timeout=10, source_address=(_UNTRUSTED, 0)
        ) as connection:
            got = _exchange(connection, header + b"\x16\x03\x01")
        assert got == b""
        until(lambda: bool(node.events("connection.refused")), "it is in the log")  # noqa: B023 (called at once)
        assert {one["client_address"] for one in node.events("connection.refused")} == {_UNTRUSTED}
    figures.tell("two nodes", "PROXY header from elsewhere", "connection cut")


def _exchange(connection: socket.socket, data: bytes) -> bytes:
    try:
        connection.sendall(data)
        return connection.recv(100)
    except ConnectionError:
        return b""


@dataclass(frozen=True)
class _Seen:
    """What a phone that had just connected was answered, and when."""

    at: float
    status: int
    retry_after: str | None


class _Newcomer:
    """Asks on a new connection each time, as a phone that comes out of a tunnel."""

    def __init__(self, pki: Pki, port: int) -> None:
        self.seen: list[_Seen] = []
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._run, args=(pki, port))

    def _run(self, pki: Pki, port: int) -> None:
        while not self.over.wait(_BETWEEN_NEW_SECONDS):
            at = time.monotonic()
            phone = Phone(pki, "alice", port)
            try:
                phone._http.request("OPTIONS", "/Microsoft-Server-ActiveSync")
                with phone._http.getresponse() as answer:
                    self.seen.append(_Seen(at, answer.status, answer.headers["Retry-After"]))
            except OSError:
                self.seen.append(_Seen(at, 0, None))
            finally:
                phone.close()


def test_phones_are_served_while_postgresql_is_away_for_a_while(
    pair: Pair, pki: Pki, figures: Figures
) -> None:
    """Then they are refused for a time, and served again when it is back, by themselves."""
    subject = f"PostgreSQL stopped for {_STOPPED_SECONDS:g} s"
    newcomer, mark = _Newcomer(pki, pair.port), pair.syncing.mark()
    newcomer.thread.start()
    try:
        time.sleep(1)
        stopping = time.monotonic()
        pair.postgresql.stop()
        stopped = time.monotonic()
        time.sleep(max(0.0, stopping + _STOPPED_SECONDS - time.monotonic()))
        starting = time.monotonic()
        pair.postgresql.start()
        back = time.monotonic()
        recovered = pair.syncing.mark()
        pair.syncing.until(lambda: _all_sync(pair, recovered), "all are served again", 30)
        time.sleep(3)
    finally:
        newcomer.over.set()
        newcomer.thread.join(PATIENCE_SECONDS)
    answers = _answers(pair, mark) + newcomer.seen
    # A worker counts from its last look before.
    limit = stopping + STALENESS_SECONDS - LOOK_SECONDS
    early = [one for one in answers if one.at < limit]
    refused = [one for one in answers if stopped + STALENESS_SECONDS + 3 < one.at < starting]
    bad = [one.at for one in answers if one.status != 200]
    figures.equal(subject, f"not 200 before, of {len(early)}", _others(early, 200), 0)
    figures.tell(subject, "first 503 after", f"{min(bad) - stopping:.1f} s")
    figures.equal(subject, f"not 503 after, of {len(refused)}", _others(refused, 503), 0)
    figures.equal(subject, "503 without Retry-After", _others(refused, 503, later=True), 0)
    figures.at_most(subject, "last refusal after it is back", max(bad) - back, _BACK_SECONDS, "s")


def test_nodes_are_restarted_one_after_the_other(pair: Pair, figures: Figures) -> None:
    """HAProxy gives phones to the other one meanwhile; each repeats a request once at most."""
    mark = pair.syncing.mark()
    with contextlib.ExitStack() as stack, before_others():
        for node in (pair.a, pair.b):
            assert node.end() == 0
            again = node.bed.start()
            stack.callback(again.end)
            again.until_ready()
            time.sleep(_SETTLE_SECONDS)
        check_load(pair.syncing.since(mark), figures, "two nodes restarted in turn", gap=2.0)


def _all_sync(pair: Pair, mark: int) -> bool:
    served = {one.phone for one in pair.syncing.since(mark) if one.kind == "sync"}
    return len(served) == SYNCING


def _answers(pair: Pair, mark: int) -> list[_Seen]:
    """What the phones that sync were answered."""
    return [
        _Seen(one.at, 200, None)
        if one.kind == "sync"
        else _Seen(one.at, one.status, None if one.status == 0 else str(one.retry_after))
        for one in pair.syncing.since(mark)
        if one.kind != "asked"
    ]


def _others(answers: Sequence[_Seen], status: int, *, later: bool = False) -> int:
    """How many have another status, or, with `later`, no Retry-After."""
    if later:
        return sum(one.retry_after in {None, "None"} for one in answers)
    return sum(one.status != status for one in answers)
