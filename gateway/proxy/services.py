"""What every connection of a worker shares."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network

from gateway.config_eas import Eas
from gateway.config_limits import Limits
from gateway.core.device_access import DevicePolicy
from gateway.core.eas_caps import Caps
from gateway.core.headers import RequestHeaderFilter, ResponseHeaderFilter
from gateway.limits.node import NodeLimits
from gateway.proxy.judge import Judge
from gateway.proxy.local import Responder
from gateway.proxy.observer import Observer
from gateway.proxy.outgoing import Buffered
from gateway.proxy.readings import Readings
from gateway.proxy.routes import Routes
from gateway.proxy.upstreams import Upstreams
from gateway.tls.listener import Listener

Network = IPv4Network | IPv6Network

_LOOKED_INTO_BYTES = 64 * 1024 * 1024


def _looked_into() -> Buffered:
    return Buffered(_LOOKED_INTO_BYTES)


@dataclass(slots=True)
class Services:
    """The collaborators of one worker's connections.

    Attributes:
        listener: the TLS contexts of new connections; replaced whole when the CAs change, and when
            its tickets are no longer good.
        proxies: who must say, by the PROXY protocol, who the client is, and nobody else may
            connect; None where clients connect themselves.
        upstreams: the mail servers; replaced whole when the configuration is another one.
        public_url: how phones reach the gateway; empty: by the Host that they ask for.
        eas: how much of ActiveSync is let through.
        caps: the versions and commands of it.
        bounds: who looks into a command for how long it asks to be held.
        node: what devices, mailboxes, certificates and addresses may take of all workers.
        devices: what devices are judged by, beside the rules of the registry.
        puts_off: the worker ends and nobody is there in its place: who waits is to come later, lest
            all phones at once keep the next gateway from its start.
        readings: what was read in requests before.
        looked_into: counts what is held of requests that a responder is to see whole.
    """

    listener: Listener
    judge: Judge
    upstreams: Upstreams
    routes: Routes
    request_filter: RequestHeaderFilter
    response_filter: ResponseHeaderFilter
    observer: Observer
    limits: Limits
    node: NodeLimits
    handshake_timeout_seconds: float
    clock: Callable[[], float]  # seconds since the epoch
    public_url: str = ""
    proxies: Sequence[Network] | None = None
    eas: Eas = field(default_factory=Eas)
    caps: Caps = field(default_factory=Caps)
    bounds: Mapping[str, Responder] = field(default_factory=dict)
    devices: DevicePolicy = field(default_factory=DevicePolicy)
    puts_off: bool = False
    readings: Readings = field(default_factory=Readings)
    looked_into: Buffered = field(default_factory=_looked_into)
