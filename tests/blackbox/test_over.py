"""What a phone waits for ends when it is no longer known that it may."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.store.sqlite import FILE_NAME
from tests.blackbox import bed as beds
from tests.blackbox import holding
from tests.blackbox.bed import Running, set_up, until
from tests.blackbox.holding import Holding, ask
from tests.real import crl_server


@pytest.fixture
def mail() -> Iterator[Holding]:
    """A mail server that answers nobody by itself."""
    with holding.holding() as server:
        yield server


@pytest.fixture
def running(tmp_path: Path, mail: Holding) -> Iterator[Running]:
    """A gateway before that mail server, which goes by what it knows for two seconds."""
    bed = beds.new_bed(tmp_path, mail.port)
    text = bed.config.read_text()
    bed.config.write_text(f"{text}\n[state]\nmax_staleness_seconds = 2\n")
    with crl_server.serving(bed.pki.directory) as url:
        set_up(bed, url)
        with bed.running() as running:
            yield running


def _crl_ends(running: Running) -> None:
    running.bed.sign_crls(timedelta(seconds=3))


def _store_is_away(running: Running) -> None:
    store = running.bed.folder / "state" / FILE_NAME
    store.rename(store.with_name("away"))


def _other_rules(running: Running) -> None:
    text = running.bed.config.read_text()
    running.bed.config.write_text(f'{text}\n[identity]\nusername_bindings = ["SKI"]\n')
    running.reload()


@pytest.mark.parametrize(
    ("change", "status", "reason"),
    [
        (_crl_ends, 503, "REVOCATION_UNKNOWN"),
        (_store_is_away, 503, "STATE_UNAVAILABLE"),
        (_other_rules, 403, "UNKNOWN_MAILBOX"),
    ],
)
def test_a_held_ping_is_answered(
    running: Running, mail: Holding, change: object, status: int, reason: str
) -> None:
    """By its reason, with a time to come back, and called off at the mail server."""
    assert callable(change)
    with ask(running.bed, "Ping") as phone:
        until(lambda: len(mail.requests) == 1, "the mail server holds it")
        change(running)
        answer = phone.recv(65536)
        assert answer.startswith(b"HTTP/1.1 %d " % status)
        assert b"\r\nRetry-After: " in answer
        assert mail.requests[0][1].recv(1) == b""
    until(lambda: bool(running.events("request.denied")), "it is on record")
    assert {one["reason"] for one in running.events("request.denied")} == {reason}
