"""When a worker has too much to do, and when it is over."""

import pytest

from gateway.config_limits import Limits
from gateway.limits.shedding import CALM_SECONDS, Load, Shedding

CALM = Load(lag=0.0, connections=0, handshakes=0)
LIMITS = Limits(connections=100, shed_loop_lag_seconds=1, shed_handshakes=10)


def _shedding(said: list[tuple[str, str]], learned: float = 0.0) -> Shedding:
    return Shedding(lambda *words: said.append(words), learned=learned)


@pytest.mark.parametrize(
    ("load", "cause"),
    [
        (CALM, ""),
        (Load(0.99, 89, 9), ""),
        (Load(1.0, 0, 0), "shed_loop_lag_seconds"),
        (Load(0.0, 90, 0), "limits.connections"),
        (Load(0.0, 0, 10), "shed_handshakes"),
    ],
)
def test_causes(load: Load, cause: str) -> None:
    """Each limit by itself; the line names the key."""
    said: list[tuple[str, str]] = []
    shedding = _shedding(said)
    shedding.look(load, LIMITS, 1.0)
    assert shedding.on is bool(cause)
    assert [event for event, _ in said] == (["overload.began"] if cause else [])
    assert all(cause in detail for _, detail in said)


def test_one_line_at_its_begin_and_one_at_its_end() -> None:
    """It ends when there was no cause for some seconds in a row."""
    said: list[tuple[str, str]] = []
    shedding = _shedding(said)
    busy = Load(2.0, 0, 0)
    for at, load in ((0.0, busy), (1.0, busy), (4.0, CALM), (5.0, busy), (9.0, CALM)):
        shedding.look(load, LIMITS, at)
        assert shedding.on
    shedding.look(CALM, LIMITS, 5.0 + CALM_SECONDS)
    assert not shedding.on
    shedding.look(CALM, LIMITS, 20.0)
    assert [event for event, _ in said] == ["overload.began", "overload.ended"]


def test_a_worker_that_has_just_begun_refuses_nobody() -> None:
    """All phones are unknown to it."""
    shedding = _shedding([], learned=300.0)
    shedding.look(Load(5.0, 100, 100), LIMITS, 299.0)
    assert not shedding.on
    shedding.look(Load(5.0, 100, 100), LIMITS, 300.0)
    assert shedding.on


def test_limits_that_are_off() -> None:
    """0 turns a cause off."""
    shedding = _shedding([])
    off = Limits(connections=100, shed_loop_lag_seconds=0, shed_handshakes=0)
    shedding.look(Load(50.0, 89, 100_000), off, 1.0)
    assert not shedding.on
