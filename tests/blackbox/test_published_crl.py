"""A CRL that is published cuts off whom it names, and nobody else."""

import ssl
from collections.abc import Iterator

import pytest

from gateway.pki.folder import PkiFolder
from tests.blackbox import bed as beds
from tests.blackbox import holding
from tests.blackbox.bed import PATIENCE_SECONDS, Bed, set_up, until
from tests.blackbox.holding import Holding, ask
from tests.real import crl_server


@pytest.fixture
def mail() -> Iterator[Holding]:
    """A mail server that holds every Ping."""
    with holding.holding() as server:
        yield server


@pytest.fixture
def bed(tmp_path_factory: pytest.TempPathFactory, mail: Holding) -> Iterator[Bed]:
    """A gateway before that mail server."""
    made = beds.new_bed(tmp_path_factory.mktemp("crl"), mail.port)
    with crl_server.serving(made.pki.directory) as url:
        set_up(made, url)
        yield made


def test_a_held_ping_of_a_revoked_certificate_ends_and_the_others_go_on(
    bed: Bed, mail: Holding
) -> None:
    """Alice gets 403 and the end of her connection; bob gets the answer to the same Ping."""
    with bed.running() as running, ask(bed, "Ping") as alice, ask(bed, "Ping", "bob") as bob:
        until(lambda: len(mail.requests) == 2, "the mail server holds both")
        with PkiFolder.open(bed.pki.directory) as folder:
            folder.revoke(bed.pki.alice.serial_number)
        bed.cli("ca", "refresh")
        refused = b"".join(iter(lambda: alice.recv(65536), b""))
        assert refused.startswith(b"HTTP/1.1 403 ")
        until(
            lambda: (
                [one["reason"] for one in running.events("request.denied")]
                == ["CERTIFICATE_REVOKED"]
            ),
            "the refusal is on record, alone",
        )
        bob.setblocking(False)
        with pytest.raises(ssl.SSLWantReadError):  # neither an answer nor the end
            bob.recv(65536)
        bob.settimeout(PATIENCE_SECONDS)
        mail.answer(b"DeviceId=d-bob&")
        answer = bob.recv(65536)
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert answer.endswith(b"mail!")
        assert len(mail.requests) == 2
