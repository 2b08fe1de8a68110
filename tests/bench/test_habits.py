"""When a simulated device does what."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.habits import Habits, Life

REAL = Habits(pace=1)


def _life(seed: int = 0, habits: Habits = REAL) -> Life:
    return Life(habits, Random(seed))


def test_the_heartbeat_grows_to_its_end_and_shrinks_when_the_network_does_not_bear_it() -> None:
    """From eight minutes to half an hour, a step each Ping that lasts; never below the first."""
    life = _life()
    found = [life.heartbeat]
    for _ in range(6):
        life.ping_lasted()
        found.append(life.heartbeat)
    assert found == [480, 780, 1080, 1380, 1680, 1770, 1770]
    life.ping_broke()
    assert life.heartbeat == 1470
    for _ in range(6):
        life.ping_broke()
    assert life.heartbeat == 480


def test_pace_makes_a_life_short() -> None:
    """A minute a second; a Ping lasts a second at least."""
    assert _life(habits=Habits(pace=60)).heartbeat == 8
    assert _life(habits=Habits(pace=6000)).heartbeat == 1
    assert _life(habits=Habits(pace=60)).lingering == 4


@given(st.integers(0, 10_000), st.integers(0, 1000), st.sampled_from([1.0, 60.0]))
def test_retry_after_is_honoured_at_any_pace(retry_after: int, seed: int, pace: float) -> None:
    """Never earlier, not much later, and for an hour at most."""
    wait = _life(seed, Habits(pace=pace)).wait_after(503, retry_after)
    stated = min(retry_after, 3600)
    assert stated <= wait <= stated + max(1.0, stated * 0.25)


def test_devices_do_not_come_back_at_once() -> None:
    """Retry-After is the same for thousands, and they come over a quarter of it."""
    waits = [_life(seed).wait_after(503, 60) for seed in range(200)]
    assert max(waits) - min(waits) > 10


def test_a_lost_connection_is_made_anew_at_once_and_then_ever_more_slowly() -> None:
    """Twice as long each time, to a quarter of an hour, until a request is served."""
    life = _life()
    waits = [life.wait_after_loss() for _ in range(12)]
    assert waits[0] == 0
    assert 30 <= waits[1] <= 60
    assert 60 <= waits[2] <= 120
    assert all(450 <= wait <= 900 for wait in waits[6:])
    life.answered()
    assert life.wait_after_loss() == 0


@pytest.mark.parametrize(("status", "least"), [(403, 60), (500, 15), (503, 15)])
def test_a_refusal_without_retry_after(status: int, least: float) -> None:
    """A 403 is nothing that passes soon; nobody asks again at once."""
    assert _life().wait_after(status, None) >= least


def test_bursts_and_network_changes() -> None:
    """One to four Syncs; the network changes every half hour on average."""
    life = _life()
    assert {life.syncs() for _ in range(100)} == {1, 2, 3, 4}
    times = [life.until_network_change() for _ in range(2000)]
    assert 1600 < sum(times) / len(times) < 2000
