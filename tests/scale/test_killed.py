"""kill -9 of each process under load: nothing acknowledged is lost, and service is soon back.

The load: 2,000 phones that hold Pings, of which those of the killed process come back at once, 200
Syncs and 20 revokes a second. The phones that come back share the CPUs with the gateway here, so
that more of them would measure themselves.
"""

import os
import signal
import time
from collections.abc import Iterator

import pytest

from tests.blackbox.processes import is_alive
from tests.helpers import Pki
from tests.scale import loaded
from tests.scale.figures import Figures
from tests.scale.loaded import HOLDING, Loaded, check_load, revoking
from tests.scale.nodes import store_of

_TIMES = 3
_BACK_SECONDS = 2.0
_BETWEEN_SECONDS = 3.0


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, pki: Pki) -> Iterator[Loaded]:
    """A gateway under load."""
    with loaded.running(tmp_path_factory.mktemp("killed"), pki) as running:
        yield running


def _kill_child(served: Loaded, name: str) -> None:
    os.kill(served.now.child(name), signal.SIGKILL)


def _kill_supervisor(served: Loaded, _name: str) -> None:
    """The test starts the next one in systemd's stead, which waits for nothing."""
    children = served.now.children
    served.now.kill()
    served.start()
    time.sleep(_BETWEEN_SECONDS)
    assert not any(map(is_alive, children))


@pytest.mark.parametrize("name", ["worker-1", "control", "supervisor"])
def test_a_killed_process_costs_nobody_an_answer(
    served: Loaded, figures: Figures, name: str
) -> None:
    """While mailboxes are revoked all the time, it is killed again and again."""
    subject = f"kill -9 of {name}, {_TIMES} times"
    kill = _kill_supervisor if name == "supervisor" else _kill_child
    first, mark = served.revoked, served.syncing.mark()
    with revoking(served) as acknowledged:
        for _ in range(_TIMES):
            time.sleep(_BETWEEN_SECONDS)
            kill(served, name)
        time.sleep(_BETWEEN_SECONDS)
    check_load(served.syncing.since(mark), figures, subject, gap=_BACK_SECONDS)
    served.held.until(lambda: len(served.held.held) == HOLDING, "all Pings are held again")
    with store_of(served.bed) as store:
        stored = store.valid_from.all()
    lost = [one for one in acknowledged if _mailbox(served, one) not in stored]
    figures.equal(subject, f"lost of {len(acknowledged)} acknowledged revokes", len(lost), 0)
    refused = served.refused(first, len(acknowledged))
    figures.equal(subject, "phones let in after it", len(acknowledged) - refused, 0)


def _mailbox(served: Loaded, number: int) -> str:
    return served.phones.mailboxes[HOLDING + loaded.SYNCING + number]
