"""SIGTERM while phones wait, idle and do not read: all is answered, and the end comes in time."""

import contextlib
import ssl
import time
from collections.abc import Iterator

import pytest

from tests.blackbox import bed as beds
from tests.blackbox import holding
from tests.blackbox.bed import Bed, set_up, until
from tests.blackbox.holding import Holding, ask
from tests.real import crl_server

END_SECONDS = 15.0
"""Less than the time that requests under way have; a Sync counts as held after 5 s."""


@pytest.fixture
def mail() -> Iterator[Holding]:
    """A mail server that answers nobody by itself."""
    with holding.holding() as server:
        yield server


@pytest.fixture
def bed(tmp_path_factory: pytest.TempPathFactory, mail: Holding) -> Iterator[Bed]:
    """A gateway before that mail server."""
    made = beds.new_bed(tmp_path_factory.mktemp("drain"), mail.port)
    with crl_server.serving(made.pki.directory) as url:
        set_up(made, url)
        yield made


def _all(phone: ssl.SSLSocket) -> bytes:
    """What comes until the gateway closes."""
    answer = b""
    while piece := phone.recv(65536):
        answer += piece
    return answer


def test_a_held_ping_and_sync_are_answered_and_all_ends(bed: Bed, mail: Holding) -> None:
    """Ping Status 1, an empty 200, both with Connection: close; nobody is waited for long."""
    with contextlib.ExitStack() as open_phones, bed.running() as running:
        ping, sync = (open_phones.enter_context(ask(bed, name)) for name in ("Ping", "Sync"))
        open_phones.enter_context(ask(bed, ""))  # it neither asks nor reads
        until(lambda: len(mail.requests) == 2, "the mail server holds both")
        began = time.monotonic()
        running.terminate()
        answers = _all(ping), _all(sync)
        assert running.wait() == 0
        assert time.monotonic() - began < END_SECONDS
    for answer, body in zip(
        answers, (bytes.fromhex("03016a00000d45470331000101"), b""), strict=True
    ):
        head, _, rest = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 ")
        assert b"Connection: close" in head
        assert rest == body
