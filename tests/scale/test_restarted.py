"""SIGHUP and restarts under load: no request is without a right answer, asked twice at most."""

import time
from collections.abc import Iterator

import pytest

from tests.blackbox.bed import HOST, until
from tests.helpers import Pki
from tests.scale import loaded
from tests.scale.figures import Figures
from tests.scale.loaded import HOLDING, Loaded, check_load

_TIMES = 3
_BETWEEN_SECONDS = 2.0
_BACK_SECONDS = 2.0


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, pki: Pki) -> Iterator[Loaded]:
    """A gateway under load."""
    with loaded.running(tmp_path_factory.mktemp("restarted"), pki) as running:
        yield running


def _pings(served: Loaded, mark: int) -> dict[str, int]:
    """How the requests ended that were held, and how many came back."""
    events = served.held.since(mark)
    return {
        "answered 200": sum(one.status == 200 for one in events),
        "else answered": sum(one.kind == "answer" and one.status != 200 for one in events),
        "not answered": sum(one.kind in {"closed", "lost"} for one in events),
    }


def test_a_reload_is_noticed_by_nobody(served: Loaded, figures: Figures) -> None:
    """A new certificate and other limits each time: connections stay, Pings stay held."""
    subject = f"SIGHUP, {_TIMES} times"
    mark, held = served.syncing.mark(), served.held.mark()
    for times in range(1, _TIMES + 1):
        identity = served.bed.pki.issuing.issue_server("localhost", HOST)
        (served.bed.folder / "server.pem").write_bytes(identity.certificate_pem)
        (served.bed.folder / "server.key").write_bytes(identity.key_pem)
        done = len(served.now.events("reload.done"))
        served.now.reload()
        until(lambda: len(served.now.events("reload.done")) > done, "it is reloaded")  # noqa: B023 (called at once)
        assert times <= len(served.now.events("reload.done"))
        time.sleep(_BETWEEN_SECONDS)
    events = served.syncing.since(mark)
    check_load(events, figures, subject, gap=_BACK_SECONDS)
    figures.equal(subject, "connections closed", sum(one.kind == "closed" for one in events), 0)
    figures.equal(subject, "held Pings that ended", len(served.held.since(held)), 0)


def test_a_restart_on_kept_sockets_loses_no_request(served: Loaded, figures: Figures) -> None:
    """One gateway ends, then the next one begins; connections wait in the sockets."""
    subject = f"restart, {_TIMES} times"
    mark, held = served.syncing.mark(), served.held.mark()
    for _ in range(_TIMES):
        assert served.now.end() == 0
        served.start().until_ready()
        served.held.until(lambda: len(served.held.held) == HOLDING, "all Pings are held again")
        time.sleep(_BETWEEN_SECONDS)
    check_load(served.syncing.since(mark), figures, subject, gap=None)
    figures.tell(subject, "held Pings", _pings(served, held))
    figures.equal(subject, "held Pings refused", _pings(served, held)["else answered"], 0)


def test_two_gateways_overlap_and_no_phone_waits(served: Loaded, figures: Figures) -> None:
    """The next one begins before the last one ends, on the same sockets."""
    subject = f"rolling restart, {_TIMES} times"
    mark, held = served.syncing.mark(), served.held.mark()
    for _ in range(_TIMES):
        before = served.now
        served.start()
        until(lambda: len(served.now.events("worker.started")) == 2, "the next one serves")
        assert before.end() == 0
        served.held.until(lambda: len(served.held.held) == HOLDING, "all Pings are held again")
        time.sleep(_BETWEEN_SECONDS)
    check_load(served.syncing.since(mark), figures, subject, gap=_BACK_SECONDS)
    figures.tell(subject, "held Pings", _pings(served, held))
    figures.equal(subject, "held Pings refused", _pings(served, held)["else answered"], 0)
