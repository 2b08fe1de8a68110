"""What every connection of a worker shares."""

from collections.abc import Callable
from dataclasses import dataclass

from OpenSSL import SSL

from gateway.config import Limits
from gateway.core.headers import RequestHeaderFilter, ResponseHeaderFilter
from gateway.credentials.upstream_user import Credentials
from gateway.proxy.exchange import BodyMode
from gateway.proxy.judge import Judge
from gateway.proxy.observer import Observer
from gateway.proxy.routes import Routes
from gateway.proxy.upstream import UpstreamPool


@dataclass(slots=True)
class Services:
    """The collaborators of one worker's connections.

    Attributes:
        context: the TLS context of new connections; replaced whole when the CAs change.
        body_limit: bytes of one request body that are taken.
    """

    context: SSL.Context
    judge: Judge
    pool: UpstreamPool
    routes: Routes
    request_filter: RequestHeaderFilter
    response_filter: ResponseHeaderFilter
    credentials: Credentials
    observer: Observer
    limits: Limits
    body_mode: BodyMode
    body_limit: int
    handshake_timeout_seconds: float
    response_timeout_seconds: float
    clock: Callable[[], float]  # seconds since the epoch
