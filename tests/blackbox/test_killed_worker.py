"""A worker that dies is started again."""

from tests.blackbox.bed import Running


def test_phones_are_served_after_a_worker_is_killed(gateway: Running) -> None:
    """A new worker takes its place and answers the next connection."""
    with gateway.bed.phone() as phone:
        assert phone.options() == 200
    gateway.kill_and_await_next("worker-1")
    with gateway.bed.phone() as phone:
        assert phone.options() == 200
