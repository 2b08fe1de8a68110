"""What an administrator gives `ca`: certificate files and CRL URLs."""

from pathlib import Path
from urllib.parse import urlsplit

import click
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.cli.chain import FILE_LIMIT
from gateway.errors import CertificateError
from gateway.limited_file import read_limited

_PEM_MARK = b"-----BEGIN"


def is_http_url(value: str) -> bool:
    """Whether it is an http or https URL with a host (Entra takes no LDAP and no file)."""
    try:
        parts = urlsplit(value)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    return bool(usable) and value.isascii() and value.isprintable() and " " not in value


def crl_url_problem(value: str) -> str | None:
    """Why no CRL is fetched from there, without the password that may be in it; None if it is."""
    if "@" in value.partition("://")[2].partition("/")[0]:
        return "leave USER:PASSWORD@ out of the URL of a CRL: it is stored, logged and printed"
    if not is_http_url(value):
        return f"{value!r} is not a URL of the form http://HOST/PATH or https://"
    return None


class HttpUrl(click.ParamType[str]):
    """A URL that a CRL can be fetched from."""

    name = "URL"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The URL as it was written; a usage error if it is none."""
        problem = crl_url_problem(value)
        if problem is not None:
            self.fail(problem, param, ctx)
        return value


def read_one_certificate(path: Path) -> bytes:
    """The DER of the only certificate in a DER or PEM file; raises CertificateError."""
    content = read_limited(path, FILE_LIMIT, CertificateError)
    try:
        return one_certificate(content)
    except CertificateError as error:
        raise CertificateError(f"{path}: {error}") from error


def one_certificate(content: bytes) -> bytes:
    """The DER of the only certificate in `content`, DER or PEM; raises CertificateError."""
    try:
        if _PEM_MARK not in content:
            return x509.load_der_x509_certificate(content).public_bytes(Encoding.DER)
        found = x509.load_pem_x509_certificates(content)
    except ValueError as error:
        raise CertificateError(f"is no certificate in DER or PEM: {error}") from error
    if len(found) != 1:
        raise CertificateError(f"holds {len(found)} certificates; give each CA a file of its own")
    return found[0].public_bytes(Encoding.DER)
