"""`[[upstream]]`: the keys of a mail server behind the gateway."""

from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from gateway.config_section import FROM_TOML, FilePath, Seconds, Section
from gateway.core.location import origin


def http_url(value: str) -> str:
    """`value`, which names a host and nothing in it; raises ValueError."""
    form = "write http://HOST[:PORT] or https://HOST[:PORT]"
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError as error:
        raise ValueError(f"{form}: {error}") from error
    if parts.scheme not in {"http", "https"} or not parts.hostname or port == 0:
        raise ValueError(form)
    if not value.isascii() or not value.isprintable() or " " in value:
        raise ValueError(f"{form}, without blanks and in ASCII (xn--...)")
    if parts.path not in {"", "/"} or "?" in value or "#" in value or "@" in value:
        raise ValueError("write no path, query or user here; the path has a key of its own")
    return value


def _location(value: str) -> str:
    if origin(value) is None:
        raise ValueError(
            "write an http or https URL, such as https://mail2.example.com/Microsoft-Server-ActiveSync"
        )
    return value


def _absolute_path(value: str) -> str:
    plain = value.isascii() and value.isprintable() and not set(value) & set(" ?#\\")
    if not value.startswith("/") or not plain:
        raise ValueError("write a path that begins with / and has no query")
    return value


HttpUrl = Annotated[str, AfterValidator(http_url)]
Location = Annotated[str, AfterValidator(_location)]
AbsolutePath = Annotated[str, AfterValidator(_absolute_path)]


class Upstream(Section):
    """`[[upstream]]`: a mail server behind the gateway, of one host or several that are alike."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
    url: HttpUrl
    more_urls: Annotated[tuple[HttpUrl, ...], FROM_TOML] = ()
    default: bool = False
    locations: Annotated[tuple[Location, ...], FROM_TOML] = ()
    path: AbsolutePath = "/Microsoft-Server-ActiveSync"
    autodiscover_path: AbsolutePath = "/autodiscover/autodiscover.xml"
    request_body: Literal["stream", "buffer"] = "stream"
    buffer_limit_bytes: Annotated[int, Field(ge=1024)] = 50 * 1024 * 1024
    keep_alive: bool = True
    connections: Annotated[int, Field(ge=1)] = 8000
    connect_timeout_seconds: Seconds = 5
    response_timeout_seconds: Annotated[float, Field(ge=60, le=86400, allow_inf_nan=False)] = 3900
    health_check_seconds: Annotated[float, Field(ge=1, le=3600, allow_inf_nan=False)] = 10
    ca_file: FilePath | None = None
    credentials: Literal["header", "basic"] = "header"
    header: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9-]*$")] = "X-Remote-User"
    user: Literal["upn", "primary_address", "sam_account_name"] = "upn"
    password_file: FilePath | None = None

    @property
    def hosts(self) -> tuple[str, ...]:
        """The URLs of all its hosts."""
        return (self.url, *self.more_urls)

    @property
    def other_origins(self) -> frozenset[str]:
        """The origins of `locations`."""
        return frozenset(filter(None, map(origin, self.locations)))

    @model_validator(mode="after")
    def _hosts_differ(self) -> Self:
        if len({origin(url) for url in self.hosts}) < len(self.hosts):
            raise ValueError("more_urls names a host that is there already")
        return self

    @model_validator(mode="after")
    def _credentials_fit(self) -> Self:
        if (self.credentials == "basic") != (self.password_file is not None):
            raise ValueError('password_file belongs to credentials = "basic", which needs it')
        return self


def find_problem(upstreams: tuple[Upstream, ...]) -> str | None:
    """What several upstreams contradict each other in, a sentence; None if all is well."""
    names = [one.name for one in upstreams]
    if twice := next((name for name in names if names.count(name) > 1), None):
        return f'two upstreams are called "{twice}"'
    if sum(one.default for one in upstreams) > 1:
        return "default = true is in more than one of them"
    for number, one in enumerate(upstreams):
        for other in upstreams[:number]:
            if common := min(one.other_origins & other.other_origins, default=None):
                return f"locations: {common} is of both {other.name} and {one.name}"
    return None
