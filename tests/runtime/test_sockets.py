"""A socket listens, or the error names the key to change."""

import errno
import socket

import pytest

from gateway.errors import ConfigError
from gateway.runtime import sockets


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_it_listens(address: str) -> None:
    """A client that connects is accepted, over either family."""
    with sockets.listen(address, 0, backlog=5, section="listen") as listener:
        with socket.create_connection(listener.getsockname()[:2], timeout=5):
            accepted, _ = listener.accept()
        accepted.close()


def test_the_any_address_of_ipv6_takes_ipv4() -> None:
    """`::` means every address of the machine."""
    with sockets.listen("::", 0, backlog=5, section="listen") as listener:
        socket.create_connection(("127.0.0.1", listener.getsockname()[1]), timeout=5).close()


def test_a_port_in_use_names_the_key() -> None:
    """A second gateway on one machine is told what to change."""
    with (
        sockets.listen("127.0.0.1", 0, backlog=5, section="admin") as first,
        pytest.raises(ConfigError, match=r"admin\.port.*in use.*change admin\.port"),
    ):
        sockets.listen("127.0.0.1", first.getsockname()[1], backlog=5, section="admin")


def test_an_address_of_another_machine_names_the_key() -> None:
    """192.0.2.0/24 is for documentation; no machine has it."""
    with pytest.raises(ConfigError, match=r"change listen\.address"):
        sockets.listen("192.0.2.1", 0, backlog=5, section="listen")


def test_every_sentence_names_a_key() -> None:
    """A port below 1024 is not refused to a test that root runs; its sentence is checked here."""
    for number in (errno.EADDRINUSE, errno.EACCES, errno.EADDRNOTAVAIL):
        assert "{section}." in sockets._SENTENCES[number]
