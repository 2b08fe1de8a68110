"""config.toml: every key, its type and its default; all problems are found in one pass."""

import tomllib
from collections.abc import Callable, Mapping
from enum import Enum
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    Field,
    PlainValidator,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails

from gateway.config_devices import Devices
from gateway.config_eas import Eas
from gateway.config_identity import Identity
from gateway.config_limits import Limits
from gateway.config_section import FOLDER, FROM_TOML, FilePath, Seconds, Section
from gateway.config_upstream import Upstream, find_problem, http_url
from gateway.core.decision import Reauthentication
from gateway.errors import ConfigError

DEFAULT_PATH = Path("config.toml")


def _address(text: str) -> str:
    try:
        ip_address(text)
    except ValueError as error:
        raise ValueError("write an IPv4 or IPv6 address, such as 0.0.0.0 or ::") from error
    return text


def _network(value: object) -> IPv4Network | IPv6Network:
    if isinstance(value, IPv4Network | IPv6Network):
        return value
    try:
        return ip_network(str(value))
    except ValueError as error:
        raise ValueError(f"write a network, such as 10.0.0.0/8 or fd00::/8: {error}") from error


def _public_url(value: str) -> str:
    """Without the slash at the end; empty stands for the Host that a phone asks for."""
    if value and not http_url(value).startswith("https://"):
        raise ValueError("write https://HOST[:PORT], as phones reach the gateway")
    return value.removesuffix("/")


Address = Annotated[str, AfterValidator(_address)]
Network = Annotated[IPv4Network | IPv6Network, PlainValidator(_network)]
Port = Annotated[int, Field(ge=0, le=65535)]


class Listen(Section):
    """`[listen]`: where phones connect."""

    address: Address = "0.0.0.0"
    port: Port = 443
    certificate: FilePath = Path("certs/server.pem")
    private_key: FilePath = Path("certs/server.key")
    workers: Annotated[int, Field(ge=0, le=256)] = 0
    backlog: Annotated[int, Field(ge=1, le=65535)] = 1024
    proxy_protocol: bool = False
    proxy_protocol_from: Annotated[tuple[Network, ...], FROM_TOML] = ()
    self_check: bool = True

    @model_validator(mode="after")
    def _somebody_is_trusted(self) -> Self:
        if self.proxy_protocol and not self.proxy_protocol_from:
            raise ValueError(
                "proxy_protocol needs proxy_protocol_from, the load balancers' networks"
            )
        return self


class Tls(Section):
    """`[tls]`: the protocol towards phones."""

    minimum_version: Literal["1.2", "1.3"] = "1.2"
    client_certificate: Literal["require", "request"] = "require"
    handshake_timeout_seconds: Seconds = 20
    ticket_lifetime_seconds: Annotated[float, Field(ge=0, le=86400, allow_inf_nan=False)] = 3600


class State(Section):
    """`[state]`: where the gateway keeps what it must not lose."""

    directory: FilePath = Path("state")
    max_staleness_seconds: Seconds = 300

    @property
    def crl_directory(self) -> Path:
        """Where accepted CRLs and their indexes are kept."""
        return self.directory / "crl"


class StoreLocation(Section):
    """`[store]`: where CAs, mailboxes, revocations and audit records are."""

    url: str = "sqlite"
    password_file: FilePath | None = None
    poll_seconds: Annotated[float, Field(ge=0.1, le=60, allow_inf_nan=False)] = 1

    @field_validator("url")
    @classmethod
    def _known_database(cls, value: str) -> str:
        if value != "sqlite" and not value.startswith(("postgresql://", "postgres://")):
            raise ValueError('write "sqlite", or postgresql://USER@HOST/DATABASE')
        return value

    @model_validator(mode="after")
    def _password_has_a_use(self) -> Self:
        if self.password_file is not None and self.url == "sqlite":
            raise ValueError("password_file belongs to a postgresql:// url")
        return self


class Revocation(Section):
    """`[revocation]`: how CRLs are fetched and when a sign-in counts as new."""

    crl_refresh_seconds: Annotated[float, Field(ge=10, le=86400, allow_inf_nan=False)] = 300
    download_limit_bytes: Annotated[int, Field(ge=1024)] = 20 * 1024 * 1024
    download_timeout_seconds: Seconds = 10
    clock_skew_seconds: Annotated[float, Field(ge=0, le=600, allow_inf_nan=False)] = 60
    require_crl_validation: bool = True
    allow_link_local: bool = False
    reauthentication: Annotated[Reauthentication, FROM_TOML] = Reauthentication.FRESH_CRL


class Admin(Section):
    """`[admin]`: the listener for operations."""

    address: Address = "127.0.0.1"
    port: Port = 9090


class LogFormat(Enum):
    """How log lines are written."""

    JSON = "json"
    CONSOLE = "console"


class Log(Section):
    """`[log]`: what goes to standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Annotated[LogFormat, FROM_TOML] = LogFormat.JSON


class Gateway(Section):
    """`[gateway]`: what phones are told of the gateway itself."""

    public_url: Annotated[str, AfterValidator(_public_url)] = ""
    autodiscover: Literal["answer", "rewrite", "off"] = "answer"


class Config(Section):
    """The whole file."""

    listen: Listen = Listen()
    tls: Tls = Tls()
    state: State = State()
    store: StoreLocation = StoreLocation()
    identity: Identity = Identity()
    revocation: Revocation = Revocation()
    eas: Eas = Eas()
    devices: Devices = Devices()
    limits: Limits = Limits()
    admin: Admin = Admin()
    log: Log = Log()
    gateway: Gateway = Gateway()
    upstream: Annotated[tuple[Upstream, ...], FROM_TOML] = ()

    @field_validator("upstream")
    @classmethod
    def _upstreams_differ(cls, value: tuple[Upstream, ...]) -> tuple[Upstream, ...]:
        if problem := find_problem(value):
            raise ValueError(problem)
        return value


def load(path: Path | None) -> Config:
    """The configuration in `path`, or in ./config.toml if there is one, or the defaults.

    Relative paths, those of the defaults too, are relative to the folder of the file. Raises
    ConfigError with every problem, one a line, each with its key.
    """
    if path is None:
        if not DEFAULT_PATH.exists():
            return Config()
        path = DEFAULT_PATH
    try:
        text = path.read_text(encoding="utf-8-sig")  # Notepad begins a file with a BOM
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8, which TOML has to be: {error}") from error
    return parse(text, folder=path.parent, name=str(path))


def parse(text: str, *, folder: Path, name: str) -> Config:
    """The configuration in TOML `text`; `name` stands in the errors. Raises ConfigError."""
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{name}: not TOML: {error}") from error
    # A default is made here rather than in the class, where `folder` is not known.
    absent: dict[str, object] = {key: {} for key in Config.model_fields if key != "upstream"}
    try:
        return Config.model_validate(absent | values, context={FOLDER: folder})
    except ValidationError as error:
        problems = [f"{name}: {_key(p['loc'])}: {_words(p)}" for p in error.errors()]
        raise ConfigError("\n".join(problems)) from error


def _key(location: tuple[int | str, ...]) -> str:
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text or "(the whole file)"


def _words(problem: ErrorDetails) -> str:
    """What is wrong, in words for somebody who writes TOML; pydantic's where there are none."""
    words = _WORDS.get(problem["type"])
    return problem["msg"] if words is None else words(problem.get("ctx", {}))


_WORDS: Mapping[str, Callable[[Mapping[str, Any]], str]] = MappingProxyType(
    {
        "extra_forbidden": lambda _: "unknown key",
        "missing": lambda _: "this key has to be there",
        "model_type": lambda _: "write a table of keys",
        "tuple_type": lambda _: "write an array",
        "string_type": lambda _: 'write a text, in "quotes"',
        "path_type": lambda _: 'write a path, in "quotes"',
        "int_type": lambda _: "write a whole number, without quotes",
        "float_type": lambda _: "write a number, without quotes",
        "finite_number": lambda _: "write a finite number",
        "bool_type": lambda _: "write true or false, without quotes",
        "enum": lambda context: f"write {context['expected']}",
        "literal_error": lambda context: f"write {context['expected']}",
        "greater_than": lambda context: f"must be more than {context['gt']:.15g}",
        "greater_than_equal": lambda context: f"must be at least {context['ge']:.15g}",
        "less_than_equal": lambda context: f"must be at most {context['le']:.15g}",
        "string_pattern_mismatch": lambda context: f"does not match {context['pattern']}",
        "value_error": lambda context: str(context["error"]),
    }
)
