"""What cannot be looked at is no reason to let in whom an administrator has shut out."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.cli.main import main
from gateway.revocation.index import SUFFIX
from gateway.store.sqlite import FILE_NAME
from tests.blackbox.bed import Bed, Running, set_up, until
from tests.real import crl_server


def _serving(bed: Bed, staleness: str) -> Iterator[Running]:
    bed.config.write_text(f"{bed.config.read_text()}\n[state]\n{staleness}\n")
    with crl_server.serving(bed.pki.directory) as url:
        set_up(bed, url)
        with bed.running() as running:
            yield running


@pytest.fixture
def patient(unserved: Bed) -> Iterator[Running]:
    """A gateway that serves from memory for longer than a test lasts."""
    yield from _serving(unserved, "max_staleness_seconds = 600")


@pytest.fixture
def impatient(unserved: Bed) -> Iterator[Running]:
    """A gateway that serves from memory for a second."""
    yield from _serving(unserved, "max_staleness_seconds = 1")


def _shadow(folder: Path) -> Path:
    """A file takes the place of `folder`; returns where that is now."""
    away = folder.with_name("away")
    folder.rename(away)
    folder.write_bytes(b"")
    return away


def _put_back(folder: Path, away: Path) -> None:
    folder.unlink()
    away.rename(folder)


def test_a_revocation_does_not_wait_for_the_crls(patient: Running) -> None:
    """While the CRLs' folder is a file, and when it is back, who was revoked is out, alone."""
    bed = patient.bed
    folder = bed.folder / "state" / "crl"
    with bed.phone("alice") as alice, bed.phone("bob") as bob:
        assert (alice.options(), bob.options()) == (200, 200)
        away = _shadow(folder)
        until(lambda: bool(patient.events("store.unavailable")), "the look fails")
        assert patient.is_ready()
        words = ("user", "revoke", "bob@example.test", "-c", str(bed.config))
        assert main(words) != 0  # it says that no new CRLs could be fetched
        until(lambda: bob.options() == 503, "bob is refused")
        assert alice.options() == 200
        _put_back(folder, away)
        bed.cli("user", "revoke", "alice@example.test")
        until(lambda: alice.options() == 503, "changes are followed")
        assert bob.options() == 503
    assert patient.events("task.failed") == []
    assert len(patient.children) == 2


@pytest.mark.parametrize("what", ["crl", FILE_NAME])
def test_all_are_put_off_when_too_little_was_known_for_too_long(
    impatient: Running, what: str
) -> None:
    """After `state.max_staleness_seconds` everybody gets 503, until the state can be read again."""
    bed = impatient.bed
    path = bed.folder / "state" / what
    with bed.phone() as phone:
        assert phone.options() == 200
        away = _shadow(path)
        until(lambda: phone.options() == 503, "it is refused")
        until(lambda: not impatient.is_ready(), "load balancers are told")
        _put_back(path, away)
        until(lambda: phone.options() == 200, "it is let in again")
        until(impatient.is_ready, "load balancers are told")
        assert phone.connections == 1
    assert impatient.events("task.failed") == []
    assert len(impatient.children) == 2


def test_all_are_put_off_while_a_look_hangs(impatient: Running) -> None:
    """A look that does not come back brings no news either, and no error."""
    bed = impatient.bed
    index = next((bed.folder / "state" / "crl").glob(f"*{SUFFIX}"))
    pipe, kept, new = bed.folder / "pipe", index.with_name("kept"), index.with_name("new")
    kept.hardlink_to(index)
    os.mkfifo(pipe)
    new.hardlink_to(pipe)
    new.replace(index)  # who opens it for reading waits until somebody writes
    with bed.phone() as phone:
        until(lambda: phone.options() == 503, "it is refused")
        until(lambda: _denials(impatient) == {"STATE_UNAVAILABLE"}, "the reason is on record")
        kept.replace(index)
        os.close(os.open(pipe, os.O_RDWR))
        until(lambda: phone.options() == 200, "it is let in again")
    assert impatient.events("store.unavailable") == []


def _denials(running: Running) -> set[str]:
    return {one["reason"] for one in running.events("request.denied")}
