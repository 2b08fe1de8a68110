"""A control process that dies is started again, and no phone notices."""

from tests.blackbox.bed import Running, until


def test_operations_are_answered_after_control_is_killed(gateway: Running) -> None:
    """A phone is served on the connection that it has, and then the gateway is ready again."""
    with gateway.bed.phone() as phone:
        assert phone.options() == 200
        gateway.kill_and_await_next("control")
        assert phone.options() == 200
        assert phone.connections == 1
    until(gateway.is_ready, "the gateway is ready again")
