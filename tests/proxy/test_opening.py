"""Only a peer whose address is among the load balancers' may say who its client is."""

from ipaddress import ip_network

import pytest

from gateway.proxy.opening import is_trusted


@pytest.mark.parametrize("address", ["10.1.2.3", "::ffff:10.1.2.3"])
def test_a_load_balancer_is_trusted(address: str) -> None:
    """On a socket of both families, too."""
    assert is_trusted(address, [ip_network("10.0.0.0/8")])


@pytest.mark.parametrize("address", ["11.1.2.3", "::1", "unknown", ""])
def test_nobody_else_is(address: str) -> None:
    """A peer that was gone before it could be asked has no address."""
    assert not is_trusted(address, [ip_network("10.0.0.0/8")])
