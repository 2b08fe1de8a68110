"""kill -9 of any process under load: nothing acknowledged is lost, service comes back.

Phones repeat once after a close without an answer byte; no request may then go without a right one.
"""

import contextlib
import os
import signal
import socket
from collections.abc import Iterator

import pytest

from tests.blackbox.bed import HOST, PATIENCE_SECONDS, Bed, Running, set_up, until
from tests.blackbox.load import Load, load
from tests.blackbox.processes import is_alive
from tests.real import crl_server


@pytest.fixture
def bed(unserved: Bed) -> Iterator[Bed]:
    """Two workers can run by this."""
    text = unserved.config.read_text().replace("workers = 1", "workers = 2")
    unserved.config.write_text(text)
    with crl_server.serving(unserved.pki.directory) as url:
        set_up(unserved, url)
        yield unserved


def _more(phones: Load) -> None:
    """The phones get further answers."""
    seen = phones.right
    until(lambda: phones.right > seen + 100, "phones are served")


@pytest.mark.parametrize("name", ["worker-1", "control"])
def test_a_killed_process_costs_nobody_an_answer(bed: Bed, name: str) -> None:
    """It is replaced and counted, and a revoke that was acknowledged meanwhile holds."""
    with bed.running() as running, load(bed) as phones, bed.phone("bob") as bob:
        _more(phones)
        assert bob.options() == 200
        bed.cli("user", "revoke", "bob@example.test")
        running.kill_and_await_next(name)
        _more(phones)
        until(lambda: _restarts(running, name) == 1, "the restart is in the metrics")
    phones.show(name)
    assert (phones.wrong, phones.lost) == ([], 0)
    with bed.running(), bed.phone("bob") as bob:
        assert bob.options() == 503


def _restarts(running: Running, name: str) -> float | None:
    return running.metric("process_restarts_total", name)


def test_a_killed_supervisor_is_followed_by_the_next(bed: Bed) -> None:
    """Its processes end by themselves within a second, and the port is free for the next one.

    The test starts that one in systemd's stead.
    """
    with bed.started() as running:
        running.until_ready()
        children = running.children
        with load(bed, patience=PATIENCE_SECONDS) as phones, bed.phone("bob") as bob:
            _more(phones)
            assert bob.options() == 200
            bed.cli("user", "revoke", "bob@example.test")
            running.kill()
            with bed.running():
                _more(phones)
    phones.show("supervisor")
    assert phones.wrong == []
    until(lambda: not any(map(is_alive, children)), "its processes have ended")
    with bed.running(), bed.phone("bob") as bob, bed.phone("alice") as alice:
        assert (bob.options(), alice.options()) == (503, 200)


def test_a_stopped_worker_does_not_outlive_the_supervisor_for_long(bed: Bed) -> None:
    """What hangs ends, too, once it can run again, and does not wait for its phones."""
    with bed.started() as running:
        running.until_ready()
        worker = running.child("worker-1")
        os.kill(worker, signal.SIGSTOP)
        running.kill()
        os.kill(worker, signal.SIGCONT)
        until(lambda: not any(map(is_alive, running.children)), "all have ended")
    with socket.create_server((HOST, bed.port)):
        pass


@contextlib.contextmanager
def _sockets(bed: Bed) -> Iterator[tuple[int, int]]:
    """The sockets of systemd."""
    with (
        socket.create_server((HOST, bed.port), backlog=1024) as phones,
        socket.create_server((HOST, bed.admin_port)) as admin,
    ):
        yield phones.fileno(), admin.fileno()


def test_a_restart_loses_no_request_when_the_sockets_are_systemds(bed: Bed) -> None:
    """They stay open all the while: phones wait for the next gateway, none is turned away."""
    with _sockets(bed) as sockets, load(bed) as phones:
        for _ in range(2):
            with bed.started(sockets) as running:
                running.until_ready()
                _more(phones)
                assert running.end() == 0
        with bed.started(sockets) as running:
            _more(phones)
            phones.end()
            assert running.end() == 0
    phones.show("restart")
    assert (phones.wrong, phones.lost) == ([], 0)


def test_two_gateways_may_overlap_on_one_socket(bed: Bed) -> None:
    """The next one serves before the last one ends: no phone waits."""
    with _sockets(bed) as sockets, bed.started(sockets) as first:
        first.until_ready()
        with load(bed) as phones:
            _more(phones)
            with bed.started(sockets) as second:
                until(lambda: len(second.events("worker.started")) == 2, "the next one serves")
                assert first.end() == 0
                _more(phones)
                phones.end()
                assert second.end() == 0
    phones.show("overlap")
    assert (phones.wrong, phones.lost) == ([], 0)
