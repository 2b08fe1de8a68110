"""What a worker makes of the configuration: built whole, then put in place of what was there."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Self

from gateway.config import Config, Listen
from gateway.config_eas import Eas
from gateway.core.authority import Authority
from gateway.core.decision import Session
from gateway.core.headers import RequestHeaderFilter, ResponseHeaderFilter
from gateway.credentials.upstream_user import identity_headers
from gateway.proxy.autodiscover import autodiscover_rules
from gateway.proxy.heartbeat import bounds
from gateway.proxy.judge import Rules
from gateway.proxy.routes import PathRule, Routes
from gateway.proxy.self_check import SELF_CHECK
from gateway.proxy.services import Services
from gateway.proxy.upstreams import Changed, Upstreams, build_upstreams
from gateway.tasks import Tasks
from gateway.tls.context import ServerIdentity
from gateway.tls.listener import Listener


@dataclass(frozen=True, slots=True)
class Parts:
    """All that one version of the configuration makes; nothing of it runs yet."""

    config: Config
    identity: ServerIdentity
    upstreams: Upstreams
    rules: Rules

    @classmethod
    def build(cls, config: Config, tasks: Tasks, changed: Changed) -> Self:
        """Everything, or GatewayError that names the key or file; blocks while files are read.

        The pools spawn their connections in `tasks`; `changed` is told by name of an upstream of
        which host went down or came up.
        """
        return cls(
            config=config,
            identity=ServerIdentity(config.listen.certificate, config.listen.private_key),
            upstreams=build_upstreams(config, tasks, changed),
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
            client_certificate=tls.client_certificate,
        )

    def services(self) -> Mapping[str, Any]:
        """The fields of `Services` that follow from the configuration alone."""
        listen = self.config.listen
        return {
            "upstreams": self.upstreams,
            "routes": Routes(self._path_rules()),
            "eas": self.config.eas,
            "caps": self.config.eas.caps,
            "bounds": bounds(self.config.eas),
            "devices": self.config.devices.policy,
            "request_filter": RequestHeaderFilter(identity_headers(*self.config.upstream)),
            "response_filter": ResponseHeaderFilter(),
            "limits": self.config.limits,
            "handshake_timeout_seconds": self.config.tls.handshake_timeout_seconds,
            "public_url": self.config.gateway.public_url,
            "proxies": listen.proxy_protocol_from if listen.proxy_protocol else None,
        }

    def _path_rules(self) -> tuple[PathRule, ...]:
        own = path_rules(self.config.listen, self.config.eas)
        return (*autodiscover_rules(self.config.gateway, self.upstreams), *own)

    def replace_in(self, services: Services) -> None:
        """From now on `services` are those of this configuration; the judge is the caller's."""
        for name, value in self.services().items():
            setattr(services, name, value)
        services.node.configure(self.config.limits)


def path_rules(listen: Listen, eas: Eas) -> tuple[PathRule, ...]:
    """The paths beside ActiveSync's that are served."""
    own = (SELF_CHECK,) if listen.self_check else ()
    opened = (PathRule(path, None, command=path, below=True) for path in eas.allowed_paths)
    return (*own, *opened)
