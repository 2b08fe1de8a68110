"""What comes on a connection before its TLS session: who the client is, what name it asks for."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from ipaddress import IPv6Address, ip_address

from gateway.proxy.index import Key
from gateway.proxy.services import Network, Services
from gateway.proxy.verdicts import Verdicts
from gateway.tls.client_hello import first_record, server_name
from gateway.tls.listener import Listener
from gateway.tls.proxy_protocol import read_header
from gateway.tls.session import TlsSession


def is_trusted(address: str, networks: Sequence[Network]) -> bool:
    """Whether a peer of this address may say who its client is; one without an address may not."""
    try:
        peer = ip_address(address)
    except ValueError:
        return False
    if isinstance(peer, IPv6Address) and peer.ipv4_mapped is not None:
        peer = peer.ipv4_mapped
    return any(peer in network for network in networks)


class Opening:
    """The first bytes of a connection, kept until it is known what they are.

    Attributes:
        address: of the client; the peer's, unless a PROXY protocol header names another.
        listener: whose contexts the TLS session is one of, from its beginning to the end of its
            handshake, even if another listener takes the place of this one meanwhile.
    """

    __slots__ = ("_data", "_has_header", "address", "listener")

    def __init__(self, address: str, listener: Listener, *, has_header: bool) -> None:
        """`has_header` tells that the connection must begin with a PROXY protocol header."""
        self.address = address
        self.listener = listener
        self._has_header = has_header
        self._data = b""

    def feed(self, data: bytes) -> tuple[TlsSession, bytes] | None:
        """The TLS session that begins, and all that came for it; None while that is not known.

        Raises ProxyProtocolError where the header is none that can be taken.
        """
        self._data += data
        if self._has_header:
            header = read_header(self._data)
            if header is None:
                return None
            self.address = header.address or self.address
            self._has_header = False
            self._data = self._data[header.length :]
        if not first_record(self._data):
            return None
        name = server_name(self._data)
        context = self.listener.context(name)
        bound = name if self.listener.has_tickets(context) else None
        return TlsSession(context, bound), self._data

    def verdicts(
        self, services: Services, tls: TlsSession, file: Callable[[tuple[Key, ...]], None]
    ) -> Verdicts:
        """Who the device is, once the handshake has ended; `file` as in `Verdicts`.

        One without a certificate is nobody, whether its session was resumed or not. A resumed
        session was authenticated before now: when its ticket's listener came to be, at the latest.
        """
        listener, session = self.listener, None
        chain: tuple[bytes, ...] = ()
        now = datetime.fromtimestamp(services.clock(), UTC)
        if tls.resumed and tls.anonymous:
            pass
        elif tls.resumed:
            chain, session = listener.chain(tls.certificate(), now), listener.born
        else:
            chain = listener.verified_chain(tls, now)
        return Verdicts(services, chain, self.address, file=file, session=session)
