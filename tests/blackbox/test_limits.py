"""Limits and Pings of one device whose connections are at two workers."""

import contextlib
import os
import signal
import ssl
from collections.abc import Iterator

import pytest

from tests.blackbox import bed as beds
from tests.blackbox import holding
from tests.blackbox.bed import Bed, Running, set_up, until
from tests.blackbox.holding import Holding, ask
from tests.real import crl_server

_LIMITS = """
[limits]
concurrent_requests_device = 1
"""


@pytest.fixture
def mail() -> Iterator[Holding]:
    """A mail server that answers nobody by itself."""
    with holding.holding() as server:
        yield server


@pytest.fixture
def bed(tmp_path_factory: pytest.TempPathFactory, mail: Holding) -> Iterator[Bed]:
    """A gateway of two workers before that mail server."""
    made = beds.new_bed(tmp_path_factory.mktemp("limits"), mail.port)
    text = made.config.read_text().replace("workers = 1", "workers = 2")
    made.config.write_text(text + _LIMITS)
    with crl_server.serving(made.pki.directory) as url:
        set_up(made, url)
        yield made


@contextlib.contextmanager
def _only(running: Running, name: str) -> Iterator[None]:
    """Meanwhile the other worker takes no connection."""
    other = running.child({"worker-1": "worker-2", "worker-2": "worker-1"}[name])
    os.kill(other, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(other, signal.SIGCONT)


def _ask(running: Running, mail: Holding, command: str, worker: str) -> ssl.SSLSocket:
    """A phone whose request the mail server holds, by way of that worker."""
    before = len(mail.requests)
    with _only(running, worker):
        phone = ask(running.bed, command)
        until(lambda: len(mail.requests) == before + 1, f"{worker} passes {command} on")
    return phone


def _all(phone: ssl.SSLSocket) -> bytes:
    """What comes until the gateway closes."""
    answer = b""
    while piece := phone.recv(65536):
        answer += piece
    return answer


def _is_over(answer: bytes) -> bool:
    """Whether it says that the time of a Ping is over, with nothing new."""
    status_1 = bytes.fromhex("03016a00000d45470331000101")
    return answer.startswith(b"HTTP/1.1 200 ") and answer.endswith(status_1)


def test_a_new_ping_ends_the_old_one_at_the_other_worker(bed: Bed, mail: Holding) -> None:
    """It is answered with Status 1, and the new one is not refused for its sake."""
    with bed.running() as running, contextlib.ExitStack() as phones:
        old = phones.enter_context(_ask(running, mail, "Ping", "worker-1"))
        new = phones.enter_context(_ask(running, mail, "Ping", "worker-2"))
        assert _is_over(_all(old))
        until(lambda: running.metric("pings_ended_total") == 1, "it is counted")
        phones.enter_context(_ask(running, mail, "Ping", "worker-1"))
        assert _is_over(_all(new))
        until(lambda: running.metric("pings_ended_total") == 2, "it is counted, too")
        until(lambda: running.metric("held_requests", "1") == 1, "the newest one is held")


def test_a_device_has_one_limit_at_both_workers_until_one_is_killed(
    bed: Bed, mail: Holding
) -> None:
    """One request too many is refused wherever it comes, also by the limit of a reload.

    What a killed worker had under way counts no more.
    """
    with bed.running() as running, contextlib.ExitStack() as phones:
        phones.enter_context(_ask(running, mail, "Sync", "worker-1"))
        with _only(running, "worker-2"):
            refused = phones.enter_context(ask(bed, "Sync")).recv(65536)
        assert refused.startswith(b"HTTP/1.1 503 ")
        assert b"Retry-After: 10\r\n" in refused
        bed.config.write_text(bed.config.read_text().replace("device = 1", "device = 2"))
        running.reload()
        until(lambda: bool(running.events("reload.done")), "the other limit is in use")
        phones.enter_context(_ask(running, mail, "Sync", "worker-2"))
        with _only(running, "worker-2"):
            refused = phones.enter_context(ask(bed, "Sync")).recv(65536)
        assert refused.startswith(b"HTTP/1.1 503 ")
        running.kill_and_await_next("worker-1")
        phones.enter_context(_ask(running, mail, "Sync", "worker-2"))
        reasons = [line["reason"] for line in running.events("request.denied")]
        assert reasons == ["TOO_MANY_REQUESTS"] * 2
