"""One HTTP exchange of the demo device, with every way that it can fail told apart."""

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp
from yarl import URL

from gateway.errors import CertificateError
from gateway.probe.outcome import (
    ConnectionLost,
    Failure,
    HandshakeRefused,
    NoAnswer,
    NotConnected,
    Refused,
    ServerNotTrusted,
    Unreadable,
)

MAX_ANSWER: Final = 16 << 20
"""Bytes of an answer that are read at most."""

_OK: Final = 200
_ALERT: Final = re.compile(r"ALERT_([A-Z_]+)")
_REFERENCE: Final = re.compile(r"reference\W{1,4}([\w-]{4,64})", re.IGNORECASE)
_MAX_REFUSAL: Final = 4096
_MAX_CAUSES: Final = 8


@dataclass(frozen=True, slots=True)
class Call:
    """One request; `seconds` is how long its whole answer may take."""

    method: str
    url: URL
    headers: Mapping[str, str]
    body: bytes | None
    seconds: float


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer with HTTP status 200."""

    headers: Mapping[str, str]
    body: bytes


def client_context(*, ca: Path, certificate: Path | None, key: Path | None) -> ssl.SSLContext:
    """A TLS context that trusts the CAs in `ca` alone and shows `certificate`, if there is one.

    Raises:
        CertificateError: A file cannot be read, is not PEM, or certificate and key do not match.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_verify_locations(cafile=ca)
    except OSError as error:
        raise CertificateError(f"the CA file {ca} cannot be used: {error}") from error
    if certificate is not None:
        try:
            # The empty password keeps OpenSSL from asking for one on the terminal.
            context.load_cert_chain(certificate, key, password="")
        except OSError as error:
            raise CertificateError(
                f"the certificate {certificate} with the key {key} cannot be used: {error}"
            ) from error
    return context


async def exchange(session: aiohttp.ClientSession, call: Call) -> Answer | Failure:
    """The answer, or why there is none; nothing is tried twice and no redirect is followed."""
    request = session.request(
        call.method,
        call.url,
        headers=call.headers,
        data=call.body,
        timeout=aiohttp.ClientTimeout(total=call.seconds),
        allow_redirects=False,
    )
    try:
        async with request as response:
            if response.status != _OK:
                return await _refused(response)
            content = await _read(response, MAX_ANSWER)
            if content is None:
                return Unreadable(f"the answer has more than {MAX_ANSWER} bytes")
            return Answer(response.headers, content)
    except TimeoutError:
        return NoAnswer(call.seconds)
    except (aiohttp.ClientError, ssl.SSLError) as error:
        return _failure(error)


async def _read(response: aiohttp.ClientResponse, limit: int) -> bytes | None:
    content = bytearray()
    async for chunk in response.content.iter_any():
        content += chunk
        if len(content) > limit:
            return None
    return bytes(content)


async def _refused(response: aiohttp.ClientResponse) -> Refused:
    after = response.headers.get("Retry-After", "")
    content = await response.content.read(_MAX_REFUSAL)
    reference = _REFERENCE.search(content.decode("utf-8", "replace"))
    return Refused(
        status=response.status,
        retry_after=int(after) if re.fullmatch("[0-9]{1,9}", after) else None,
        reference=reference[1] if reference else None,
    )


def _failure(error: Exception) -> Failure:
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return ServerNotTrusted(str(error.certificate_error))
    tls = _tls_error(error)
    if tls is not None:
        alert = _ALERT.search(tls.reason or str(tls))
        return HandshakeRefused(alert[1].lower() if alert else None, str(tls))
    if isinstance(error, aiohttp.ClientConnectorError):
        if isinstance(error.os_error, ConnectionResetError) and error.ssl:
            return HandshakeRefused(None, "the connection was closed during the handshake")
        return NotConnected(str(error))
    return ConnectionLost(str(error) or type(error).__name__)


def _tls_error(error: BaseException) -> ssl.SSLError | None:
    """The TLS error at the bottom of what aiohttp raised, if there is one.

    With TLS 1.3 a server judges the client's certificate after the client has finished its
    handshake, so that its alert comes in place of the first answer.
    """
    # aiohttp's own TLS errors are SSLErrors by type, but only wrap the one that says why.
    seen: BaseException | None = error
    for _ in range(_MAX_CAUSES):
        if seen is None or (isinstance(seen, ssl.SSLError) and not _is_wrapper(seen)):
            return seen
        seen = getattr(seen, "os_error", None) or seen.__cause__
    return None


def _is_wrapper(error: BaseException) -> bool:
    return isinstance(error, aiohttp.ClientError)
