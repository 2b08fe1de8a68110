"""A process that keeps dying is started less and less often."""

from gateway.runtime.backoff import LONGEST_SECONDS, STABLE_SECONDS, Backoff


def test_the_first_restart_is_immediate_and_the_wait_then_doubles() -> None:
    """One crash costs no time; a crash loop costs little."""
    backoff = Backoff()
    assert [backoff.delay(0.1) for _ in range(8)] == [0, 1, 2, 4, 8, 16, 30, 30]


def test_a_process_that_was_well_starts_at_once_again() -> None:
    """A death after a long life is a first death."""
    backoff = Backoff()
    for _ in range(9):
        backoff.delay(STABLE_SECONDS - 1)
    assert backoff.delay(STABLE_SECONDS - 1) == LONGEST_SECONDS
    assert backoff.delay(STABLE_SECONDS) == 0
    assert backoff.delay(0.1) == 1
