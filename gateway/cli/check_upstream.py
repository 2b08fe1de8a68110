"""What `check` finds about the mail server: is it there, is it who it should be, does it answer."""

import contextlib
import http.client
import ssl
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

from gateway.cli.findings import Finding, Findings, fail, ok, warn
from gateway.config_upstream import Upstream

_VERSIONS: Final = "MS-ASProtocolVersions"
_LONGEST_TEXT: Final = 200


def check_upstream(upstream: Upstream) -> Findings:
    """Each host: connects, verifies TLS, and asks for OPTIONS (MS-ASHTTP section 2.2.3).

    It does so without a user.
    """
    subject = f"upstream.{upstream.name}"
    if upstream.password_file is not None:
        try:
            upstream.password_file.read_bytes()
        except OSError as error:
            return [fail(subject, f"password_file: {error}")]
    return [_check_host(subject, upstream, url) for url in upstream.hosts]


def _check_host(subject: str, upstream: Upstream, url: str) -> Finding:
    try:
        status, versions = _ask(upstream, url)
    except ssl.SSLError as error:
        return fail(subject, f"{url}: TLS: {error}; set ca_file to the CA that signed it")
    except OSError as error:
        return fail(subject, f"{url} cannot be reached: {error}")
    except http.client.HTTPException as error:
        return fail(subject, f"{url} does not answer in HTTP: {error!r}")
    return _judge(subject, f"{url}{upstream.path}", status, versions)


def _ask(upstream: Upstream, url: str) -> tuple[int, str | None]:
    """The status of the answer to OPTIONS and the versions that it names."""
    with contextlib.closing(_connection(upstream, url)) as connection:
        connection.request("OPTIONS", upstream.path)
        answer = connection.getresponse()
        return answer.status, answer.getheader(_VERSIONS)


def _connection(upstream: Upstream, url: str) -> http.client.HTTPConnection:
    parts = urlsplit(url)
    host, patience = parts.hostname or "", upstream.connect_timeout_seconds
    if parts.scheme == "http":
        return http.client.HTTPConnection(host, parts.port, timeout=patience)
    context = ssl.create_default_context(
        cafile=None if upstream.ca_file is None else str(upstream.ca_file)
    )
    return http.client.HTTPSConnection(host, parts.port, timeout=patience, context=context)


def _judge(subject: str, place: str, status: int, versions: str | None) -> Finding:
    if versions is not None:
        return ok(subject, f"{place} speaks ActiveSync {versions[:_LONGEST_TEXT]}")
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return ok(subject, f"{place} answers, and wants to know the user ({status})")
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return fail(subject, f"{place} answers OPTIONS with {status}")
    return warn(
        subject, f"{place} answers OPTIONS with {status} and no {_VERSIONS}; is it the path?"
    )
