"""What a worker makes of the configuration: built whole, then put in place of what was there."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Self

from gateway.config import Config, Upstream
from gateway.core.authority import Authority
from gateway.core.decision import Session
from gateway.core.headers import RequestHeaderFilter, ResponseHeaderFilter
from gateway.credentials.upstream_user import Credentials, credentials, identity_headers
from gateway.errors import ConfigError
from gateway.proxy.exchange import Buffered
from gateway.proxy.judge import Rules
from gateway.proxy.routes import Routes
from gateway.proxy.self_check import SELF_CHECK
from gateway.proxy.services import Services
from gateway.proxy.upstream import UpstreamPool
from gateway.tasks import Tasks
from gateway.tls.context import ServerIdentity
from gateway.tls.listener import Listener


@dataclass(frozen=True, slots=True)
class Parts:
    """All that one version of the configuration makes; nothing of it runs yet."""

    config: Config
    identity: ServerIdentity
    upstream: Upstream
    pool: UpstreamPool
    credentials: Credentials
    rules: Rules

    @classmethod
    def build(cls, config: Config, tasks: Tasks) -> Self:
        """Everything, or GatewayError that names the key or file; blocks while files are read.

        The pool spawns its connections in `tasks`.
        """
        upstream = only_upstream(config)
        return cls(
            config=config,
            identity=ServerIdentity(config.listen.certificate, config.listen.private_key),
            upstream=upstream,
            pool=UpstreamPool(upstream, tasks),
            credentials=credentials(upstream),
            rules=Rules(config.identity.rules, config.revocation.reauthentication),
        )

    def listener(self, authorities: Iterable[Authority], born: Session) -> Listener:
        """The TLS contexts of new connections while these are trusted; `born` is now."""
        tls = self.config.tls
        return Listener(
            self.identity,
            tuple(authorities),
            minimum_version=tls.minimum_version,
            born=born,
            ticket_lifetime=timedelta(seconds=tls.ticket_lifetime_seconds),
        )

    def services(self) -> Mapping[str, Any]:
        """The fields of `Services` that follow from the configuration alone."""
        limits, upstream, listen = self.config.limits, self.upstream, self.config.listen
        buffered = upstream.request_body == "buffer"
        largest = upstream.buffer_limit_bytes
        return {
            "pool": self.pool,
            "routes": Routes(upstream, (SELF_CHECK,) if listen.self_check else ()),
            "request_filter": RequestHeaderFilter(identity_headers(upstream)),
            "response_filter": ResponseHeaderFilter(),
            "credentials": self.credentials,
            "limits": limits,
            "buffered": Buffered(limits.buffered_bytes) if buffered else None,
            "body_limit": min(limits.body_bytes, largest) if buffered else limits.body_bytes,
            "handshake_timeout_seconds": self.config.tls.handshake_timeout_seconds,
            "response_timeout_seconds": upstream.response_timeout_seconds,
            "proxies": listen.proxy_protocol_from if listen.proxy_protocol else None,
        }

    def replace_in(self, services: Services) -> None:
        """From now on `services` are those of this configuration; the judge is the caller's."""
        for name, value in self.services().items():
            setattr(services, name, value)


def only_upstream(config: Config) -> Upstream:
    """The upstream that every mailbox is served by; raises ConfigError if there is none."""
    if not config.upstream:
        raise ConfigError("upstream: name the mail server in an [[upstream]] table")
    return config.upstream[0]
