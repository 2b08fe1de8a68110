"""What a probe is aimed at, and as whom it goes."""

from dataclasses import dataclass, field
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

DEFAULT_PATH: Final = "/Microsoft-Server-ActiveSync"
VERSIONS: Final = ("12.1", "14.0", "14.1", "16.0", "16.1")
"""The protocol versions that a probe speaks, oldest first."""


@dataclass(frozen=True, slots=True)
class ProbeIdentity:
    """A certificate with its key, and the CA certificates that are sent along."""

    certificate: x509.Certificate
    key: PrivateKeyTypes = field(repr=False)
    chain: tuple[x509.Certificate, ...] = ()


@dataclass(frozen=True, slots=True)
class Trust:
    """Whose server certificates are believed: these CAs, and those of the system if so said."""

    authorities: tuple[x509.Certificate, ...] = ()
    system: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """An endpoint and the device that goes there.

    Attributes:
        label: how reports name it.
        host: a name or an address, as the server's certificate must have it.
        connect_to: host and port to connect to in place of the target's own.
        tls: https; without it, plain HTTP.
        user: the `User` of the query; None leaves it out.
        email: the address for Autodiscover.
        headers: further request header fields; never shown.
    """

    label: str
    host: str
    port: int
    path: str = DEFAULT_PATH
    tls: bool = True
    connect_to: tuple[str, int] | None = None
    user: str | None = None
    email: str | None = None
    identity: ProbeIdentity | None = None
    trust: Trust = Trust()
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    @property
    def authority(self) -> str:
        """What the Host field says (RFC 9110 section 7.2)."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        usual = 443 if self.tls else 80
        return host if self.port == usual else f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        return f"{'https' if self.tls else 'http'}://{self.authority}"

    @property
    def url(self) -> str:
        """The whole address."""
        return f"{self.origin}{self.path}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How far a probe goes.

    Attributes:
        device_id: the DeviceId; the same each time, as servers remember each that they see.
        versions: those to be tried, of the ones that the server has.
        heartbeat: of the Ping, seconds.
        timeout: for a connection, a handshake or an answer, seconds.
        other_user: whose name is sent to see that it is refused; None for one made up.
        revoked: a certificate that must be refused.
        show_subjects: tell the subjects of messages.
        leave_out: names of steps that are not taken.
    """

    device_id: str
    versions: tuple[str, ...] = VERSIONS
    heartbeat: int = 5
    timeout: float = 20.0
    other_user: str | None = None
    revoked: ProbeIdentity | None = None
    show_subjects: bool = False
    leave_out: frozenset[str] = frozenset()
