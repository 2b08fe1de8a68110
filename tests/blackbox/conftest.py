"""What the tests with real processes share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.blackbox import bed
from tests.blackbox.bed import Bed, Running
from tests.real import crl_server


@pytest.fixture(scope="session")
def mail_port() -> Iterator[int]:
    """Where a demo mail server listens."""
    with bed.demo_mail_server() as port:
        yield port


@pytest.fixture
def unserved(tmp_path: Path, mail_port: int) -> Bed:
    """A PKI and a configuration; nobody is trusted and no mailbox is known."""
    return bed.new_bed(tmp_path, mail_port)


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory, mail_port: int) -> Iterator[Running]:
    """A gateway that runs and serves alice and bob; tests leave it as they found it."""
    made = bed.new_bed(tmp_path_factory.mktemp("gateway"), mail_port)
    with crl_server.serving(made.pki.directory) as url:
        bed.set_up(made, url)
        with made.running() as running:
            yield running
