"""One CRL over HTTP, within its limits.

Says how the bytes come; whether they are a CRL is not its business.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

import aiohttp
from yarl import URL

from gateway.errors import CrlError
from gateway.revocation.addresses import GuardedResolver, require_allowed

Progress = Callable[[str, int, int | None], None]
"""Is told a URL, how many octets have come, and how many will where the server says so."""

_SCHEMES = ("http", "https")
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_REDIRECT_LIMIT = 5
_OK = 200
_NOT_MODIFIED = 304
_CHUNK = 256 * 1024


@dataclass(frozen=True, slots=True)
class Validators:
    """What a server said to ask with next time (RFC 9110 section 8.8), as it said it."""

    etag: str | None = None
    last_modified: str | None = None

    def headers(self) -> dict[str, str]:
        """The conditional request headers (RFC 9110 section 13.1)."""
        asked = {"If-None-Match": self.etag, "If-Modified-Since": self.last_modified}
        return {name: value for name, value in asked.items() if value}


@dataclass(frozen=True, slots=True)
class Fetched:
    """What is at the URL now, and how long it took to come."""

    data: bytes
    validators: Validators
    seconds: float


@dataclass(frozen=True, slots=True)
class NotModified:
    """What is at the URL is what the validators came from."""


@dataclass(frozen=True, slots=True)
class FetchLimits:
    """What one download may cost, and where from: the keys of the configuration say the same."""

    octets: int
    seconds: float
    allow_link_local: bool = False


async def fetch(
    url: str,
    limits: FetchLimits,
    *,
    validators: Validators = Validators(),
    progress: Progress | None = None,
) -> Fetched | NotModified:
    """What `url` answers, read whole within `limits`, the name's resolution included.

    Follows redirects, at most five and none to another scheme. Raises CrlError that names the URL
    and what was wrong.
    """
    started = time.monotonic()
    try:
        async with asyncio.timeout(limits.seconds), _session(limits) as session:
            response = await _follow(session, _parse(url), limits, validators)
            try:
                return await _receive(response, url, limits, (validators, progress, started))
            finally:
                response.close()
    except TimeoutError as error:
        raise CrlError(
            f"{url}: did not arrive within {limits.seconds:g} s "
            "(revocation.download_timeout_seconds)"
        ) from error
    except CrlError as error:
        raise CrlError(f"{url}: {error}") from error
    except (aiohttp.ClientError, ValueError, OSError) as error:
        raise CrlError(f"{url}: cannot be fetched: {error or type(error).__name__}") from error


def _session(limits: FetchLimits) -> aiohttp.ClientSession:
    # The limit counts octets of the CRL itself: nothing may unpack to more of them.
    return aiohttp.ClientSession(
        auto_decompress=False,
        connector=aiohttp.TCPConnector(
            resolver=None if limits.allow_link_local else GuardedResolver()
        ),
        headers={"Accept-Encoding": "identity"},
        timeout=aiohttp.ClientTimeout(total=None),
        cookie_jar=aiohttp.DummyCookieJar(),
    )


def _parse(url: str) -> URL:
    try:
        parsed = URL(url)
    except ValueError as error:
        raise CrlError(f"is no URL: {error}") from error
    if parsed.scheme not in _SCHEMES or not parsed.host:
        raise CrlError("only http:// and https:// URLs of a host can be fetched")
    return parsed


async def _follow(
    session: aiohttp.ClientSession, url: URL, limits: FetchLimits, validators: Validators
) -> aiohttp.ClientResponse:
    for _ in range(_REDIRECT_LIMIT + 1):
        if not limits.allow_link_local:
            require_allowed(url.host or "")
        response = await session.get(url, headers=validators.headers(), allow_redirects=False)
        if response.status not in _REDIRECTS:
            return response
        response.close()
        url = _next_url(url, response.headers.get("Location"))
    raise CrlError(f"redirects more than {_REDIRECT_LIMIT} times")


def _next_url(url: URL, location: str | None) -> URL:
    if not location:
        raise CrlError("redirects without saying where to")
    target = url.join(URL(location))
    if target.scheme != url.scheme:
        raise CrlError(
            f"redirects to {target}, another scheme; if that is right, set it as the CRL's URL"
        )
    return target


async def _receive(
    response: aiohttp.ClientResponse,
    url: str,
    limits: FetchLimits,
    given: tuple[Validators, Progress | None, float],
) -> Fetched | NotModified:
    validators, progress, started = given
    if response.status == _NOT_MODIFIED and validators.headers():
        return NotModified()
    if response.status != _OK:
        raise CrlError(f"answers {response.status} {response.reason or ''}".rstrip())
    encoding = response.headers.get("Content-Encoding", "identity")
    if encoding.lower() != "identity":
        raise CrlError(f"is sent with Content-Encoding {encoding}, which was not asked for")
    total = response.content_length
    if (total or 0) > limits.octets:
        raise CrlError(
            f"is {total} octets long; the limit is {limits.octets} "
            "(revocation.download_limit_bytes)"
        )
    data = bytearray()
    async for chunk in response.content.iter_chunked(_CHUNK):
        data += chunk
        if len(data) > limits.octets:
            raise CrlError(
                f"is longer than the limit of {limits.octets} octets "
                "(revocation.download_limit_bytes)"
            )
        if progress is not None:
            progress(url, len(data), total)
    headers = response.headers
    found = Validators(headers.get("ETag"), headers.get("Last-Modified"))
    return Fetched(bytes(data), found, time.monotonic() - started)
