"""SIGTERM ends the gateway cleanly, and what it knew it knows when it begins again."""

from tests.blackbox.bed import Bed, set_up, until
from tests.blackbox.processes import is_alive
from tests.real import crl_server


def test_state_and_crls_outlive_a_restart_without_network(unserved: Bed) -> None:
    """A clean end leaves no process.

    Then a revoked user stays out, and alice is let in by the CRL on the disk, its URL being down.
    """
    with crl_server.serving(unserved.pki.directory) as url:
        set_up(unserved, url)
        with unserved.running() as running:
            with unserved.phone("bob") as bob:
                assert bob.options() == 200
                unserved.cli("user", "revoke", "bob@example.test")
                until(lambda: bob.options() == 503, "bob is refused")
            children = running.children
            assert running.end() == 0
            assert (len(children), [*filter(is_alive, children)]) == (2, [])
    with unserved.running(), unserved.phone("alice") as alice, unserved.phone("bob") as bob:
        assert (alice.options(), bob.options()) == (200, 503)
