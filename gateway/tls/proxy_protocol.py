"""The PROXY protocol, version 2: who the client of a load balancer is, said before TLS begins.

Reads the header alone (HAProxy's proxy-protocol.txt, section 2.2); is not told who may send it.
"""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from gateway.errors import GatewayError

_SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
_VERSION_1 = b"PROXY "
_FIXED = 16  # signature, version and command, family and transport, length
_LOCAL, _PROXY = 0x20, 0x21  # version 2 with the command
_UNSPECIFIED, _TCP4, _TCP6 = 0x00, 0x11, 0x21
_ADDRESSES = {_TCP4: (IPv4Address, 4, 12), _TCP6: (IPv6Address, 16, 36)}
_LONGEST = 4096
"""Octets behind the fixed part: addresses and TLVs. Load balancers send some hundreds at most."""


class ProxyProtocolError(GatewayError):
    """What a load balancer sent is no PROXY protocol header that can be taken."""


@dataclass(frozen=True, slots=True)
class ProxyHeader:
    """One header.

    Attributes:
        length: how many octets it has; TLS begins behind them.
        address: of the client; None where the load balancer speaks for itself (LOCAL, as in its
            health checks) or does not say.
    """

    length: int
    address: str | None


def read_header(data: bytes) -> ProxyHeader | None:
    """The header that `data` begins with; None while it is incomplete.

    Raises ProxyProtocolError as soon as it can be none.
    """
    if not data.startswith(_SIGNATURE[: len(data)]):
        if data.startswith(_VERSION_1):
            raise ProxyProtocolError(
                "the load balancer speaks version 1 of the PROXY protocol; have it send version 2"
            )
        if not _VERSION_1.startswith(data):
            raise ProxyProtocolError(
                "the connection does not begin with a PROXY protocol header; have the load"
                " balancer send version 2, or set listen.proxy_protocol = false"
            )
        return None
    if len(data) < _FIXED:
        return None
    command, family, length = data[12], data[13], int.from_bytes(data[14:_FIXED])
    if command not in (_LOCAL, _PROXY):
        raise ProxyProtocolError(f"the PROXY protocol header has the command {command:#04x}")
    if length > _LONGEST:
        raise ProxyProtocolError(f"the PROXY protocol header has {length} octets of addresses")
    if len(data) < _FIXED + length:
        return None
    content = data[_FIXED : _FIXED + length]
    return ProxyHeader(_FIXED + length, None if command == _LOCAL else _source(family, content))


def _source(family: int, content: bytes) -> str | None:
    if family == _UNSPECIFIED:
        return None
    if family not in _ADDRESSES:
        raise ProxyProtocolError(f"the PROXY protocol header has the address family {family:#04x}")
    kind, size, whole = _ADDRESSES[family]
    if len(content) < whole:
        raise ProxyProtocolError("the PROXY protocol header is too short for its addresses")
    return str(kind(content[:size]))
