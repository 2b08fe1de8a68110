"""Addresses that no CRL is fetched from."""

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import CrlError
from gateway.revocation.addresses import GuardedResolver, is_refused, require_allowed


@given(st.integers(0, 2**16 - 1))
def test_every_link_local_address_is_refused_in_every_form(low: int) -> None:
    """Plain, IPv4-mapped, and behind NAT64."""
    number = 0xA9FE0000 + low
    for address in (number, 0xFFFF00000000 + number, (0x64FF9B << 96) + number):
        assert is_refused(ip_address(address))


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.1", "192.0.2.1", "::1", "fd12::1"])
def test_other_addresses_are_not(address: str) -> None:
    """A CA's web server may stand in the company's own network, or on the same machine."""
    assert not is_refused(ip_address(address))


def test_a_scope_does_not_hide_an_address() -> None:
    """fe80::1%eth0 is fe80::1."""
    with pytest.raises(CrlError, match="link-local"):
        require_allowed("fe80::1%eth0")


async def test_the_resolver_refuses_what_a_name_leads_to() -> None:
    """The addresses themselves are looked at, after the name was resolved."""
    resolver = GuardedResolver()
    with pytest.raises(CrlError, match=r"169\.254\.1\.1"):
        await resolver.resolve("169.254.1.1", 80)
    found = await resolver.resolve("127.0.0.1", 80)
    await resolver.close()
    assert [one["host"] for one in found] == ["127.0.0.1"]
