"""Which addresses a CRL is never fetched from: those where a cloud tells a machine its secrets."""

import socket
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

from aiohttp import ThreadedResolver
from aiohttp.abc import AbstractResolver, ResolveResult

from gateway.errors import CrlError

Address = IPv4Address | IPv6Address

_REFUSED: Final = tuple(
    map(
        ip_network,
        (
            "169.254.0.0/16",  # link-local (RFC 3927), and the metadata service of most clouds
            "fe80::/10",  # link-local (RFC 4291 section 2.5.6)
            "fd00:ec2::/32",  # Amazon's services for its machines
            "fd20:ce::254/128",  # Google's metadata service
            "100.100.100.200/32",  # Alibaba's metadata service
            "192.0.0.192/32",  # Oracle's metadata service
            "168.63.129.16/32",  # Azure's services for its machines
        ),
    )
)
_NAT64: Final = ip_network("64:ff9b::/96")


def require_allowed(host: str) -> None:
    """Raise CrlError if `host` is an address that is refused; a name is none."""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return
    if is_refused(address):
        raise CrlError(
            f"is at {host}, a link-local or metadata address; "
            "if that is right, set revocation.allow_link_local"
        )


def is_refused(address: Address) -> bool:
    """Whether `address`, or the IPv4 address that it stands for, is refused."""
    real: Address = address
    if isinstance(address, IPv6Address):
        real = address.ipv4_mapped or address.sixtofour or address
        if address in _NAT64:
            real = IPv4Address(int(address) & 0xFFFFFFFF)
    return any(one in network for one in {address, real} for network in _REFUSED)


class GuardedResolver(AbstractResolver):
    """Resolves names as the system does, and raises CrlError if an address is refused."""

    def __init__(self) -> None:
        self._system = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of `host`; the connection is made to one of these, not to a later look."""
        found = await self._system.resolve(host, port, family)
        for one in found:
            require_allowed(one["host"])
        return found

    async def close(self) -> None:
        """Let go of the system's resolver."""
        await self._system.close()
