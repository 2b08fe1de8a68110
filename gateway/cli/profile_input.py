"""What an administrator gives `profile`: hosts, addresses, certificates, keys and secrets."""

import re
from ipaddress import ip_address
from pathlib import Path

import click
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import load_der_private_key, load_pem_private_key

from gateway.cli.chain import read_certificates
from gateway.core.address import address_problem
from gateway.core.unreadable import UNREADABLE
from gateway.errors import ProfileError
from gateway.limited_file import read_limited

_LABEL = r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(\.{_LABEL})*\Z")
_LARGEST_SECRET = 64 * 1024

File = click.Path(dir_okay=False, path_type=Path)


def host_problem(text: str) -> str | None:
    """Why `text` is not a bare host name or address, as a clause; None if it is one."""
    if "://" in text or "/" in text:
        return "is a URL or has a path, and the phone adds those itself"
    if "@" in text:
        return "is an address or names a user"
    if _is_address(text) or _HOST.match(text):
        return None
    if not text.isascii():
        return "is not ASCII: write the xn-- form"
    host, colon, port = text.rpartition(":")
    if colon and port.isdigit() and (_HOST.match(host) or _is_address(host.strip("[]"))):
        return "has a port"
    return "is no host name"


def bare_host(text: str) -> str | None:
    """The host name that `text` most likely means; None if that cannot be told."""
    rest = text.strip().rpartition("://")[2].partition("/")[0].rpartition("@")[2]
    host = rest.partition(":")[0]
    return host if _HOST.match(host) else None


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


class Host(click.ParamType[str]):
    """A bare host name, or HOST:PORT where that is allowed."""

    name = "HOST"

    def __init__(self, *, with_port: bool = False) -> None:
        self._with_port = with_port

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The host as written; a usage error if it is none."""
        problem = host_problem(value)
        if problem is not None and not (self._with_port and problem == "has a port"):
            host = bare_host(value)
            hint = f"; write {host}" if host else ""
            self.fail(f"{value!r} {problem}{hint}", param, ctx)
        return value


class Mail(click.ParamType[str]):
    """A mail address, or a variable that the console fills in."""

    name = "ADDRESS"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The address as written; a usage error if it is neither."""
        problem = None if is_variable(value) else address_problem(value)
        if problem is not None:
            self.fail(f"{value!r} {problem}", param, ctx)
        return value


def is_variable(text: str) -> bool:
    """Whether a device management fills `text` in: {{mail}}, %EmailAddress%, $mail or ${mail}."""
    return bool(re.search(r"\{\{.+\}\}|%[A-Za-z_.]+%|\$\{?[A-Za-z_.]+", text))


def read_secret(path: Path, option: str) -> str:
    """The text in a secret's file without blanks around it; raises ProfileError."""
    content = _read(path, option)
    try:
        secret = content.decode().strip()
    except UnicodeDecodeError as error:
        raise ProfileError(f"{option}: {path} is not UTF-8: {error}") from error
    if not secret:
        raise ProfileError(f"{option}: {path} is empty")
    return secret


def read_pkcs12(path: Path) -> bytes:
    """The bytes of a PKCS#12 file; raises ProfileError."""
    return _read(path, "--p12")


def read_key(path: Path, option: str) -> PrivateKeyTypes:
    """The unencrypted private key in a PEM or DER file; raises ProfileError."""
    content = _read(path, option)
    load = load_pem_private_key if b"-----BEGIN" in content else load_der_private_key
    try:
        return load(content, None)
    except UNREADABLE as error:
        raise ProfileError(f"{option}: {path} holds no unencrypted private key: {error}") from error


def read_authorities(paths: tuple[Path, ...]) -> list[x509.Certificate]:
    """Every certificate in the files; raises CertificateError."""
    return [one for path in paths for one in read_certificates(path)]


def _read(path: Path, option: str) -> bytes:
    try:
        return read_limited(path, _LARGEST_SECRET, ProfileError)
    except ProfileError as error:
        raise ProfileError(f"{option}: {error}") from error
