"""A store that was lost under a running gateway is not mistaken for an empty one."""

from collections.abc import Iterator

import pytest

from gateway.cli.main import main
from tests.blackbox.bed import Bed, Running, set_up, until
from tests.real import crl_server


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
        until(lambda: not running.is_ready(), "control has seen that no root is left")
        assert alice.options() == 200
    with bed.phone("bob") as bob:
        assert bob.options() == 200
