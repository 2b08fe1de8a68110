"""A store that was lost under a running gateway is not mistaken for an empty one."""

import time
from collections.abc import Iterator

import pytest

from gateway.cli.main import main
from tests.blackbox.bed import POLL_SECONDS, Bed, Running, set_up, until
from tests.real import crl_server

_LOOKS = 20  # in one second, in which workers look at the store five times


@pytest.fixture
def running(unserved: Bed) -> Iterator[Running]:
    """A gateway with a store of its own."""
    with crl_server.serving(unserved.pki.directory) as url:
        set_up(unserved, url)
        with unserved.running() as running:
            yield running


def test_phones_are_served_from_memory(running: Running) -> None:
    """A command that reads makes no store, and one that a mailbox began is not followed."""
    bed = running.bed
    state = bed.folder / "state"
    with bed.phone("alice") as alice:
        assert alice.options() == 200
        for file in state.glob("store.db*"):
            file.unlink()
        until(lambda: bool(running.events("store.unavailable")), "the look fails")
        assert running.events("store.unavailable")[0]["level"] == "error"
        assert main(("user", "list", "-c", str(bed.config))) == 2
        assert not list(state.glob("store.db*"))
        bed.cli("user", "add", "new@example.test")
        for _ in range(_LOOKS):
            assert alice.options() == 200
            assert running.is_ready()  # a load balancer is to go on sending phones
            time.sleep(POLL_SECONDS)
    with bed.phone("bob") as bob:
        assert bob.options() == 200
