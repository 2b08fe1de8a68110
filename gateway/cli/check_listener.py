"""What `check` finds about the listener: its certificate, its ports and how much it may hold."""

import contextlib
import http.client
import json
import resource
import socket
import ssl
from collections.abc import Iterable
from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from gateway.cli.findings import Finding, Findings, fail, ok, warn
from gateway.config import Config, Listen
from gateway.errors import CertificateError, ConfigError
from gateway.runtime import sockets
from gateway.tls.context import ServerIdentity

_RENEW_BEFORE: Final = timedelta(days=30)
_READABLE_BY_OTHERS: Final = 0o077
_PATIENCE_SECONDS: Final = 3
_DESCRIPTORS_BESIDE_PHONES: Final = 256


def check_certificate(config: Config, now: datetime) -> Findings:
    """The server certificate as phones will judge it, and its key."""
    listen = config.listen
    try:
        leaf = ServerIdentity(listen.certificate, listen.private_key).chain[0]
    except CertificateError as error:
        return [fail("listen.certificate", str(error))]
    findings = [_validity(listen.certificate, leaf, now)]
    findings += _purpose(listen.certificate, leaf)
    if listen.private_key.stat().st_mode & _READABLE_BY_OTHERS:
        detail = f"{listen.private_key} is readable by others; chmod 600 it"
        findings.append(warn("listen.private_key", detail))
    return findings


def _validity(path: Path, leaf: x509.Certificate, now: datetime) -> Finding:
    begins, ends = leaf.not_valid_before_utc, leaf.not_valid_after_utc
    if now > ends:
        return fail("listen.certificate", f"{path} expired at {ends.isoformat()}; renew it")
    if now < begins:
        return fail("listen.certificate", f"{path} is valid only from {begins.isoformat()}")
    if ends - now < _RENEW_BEFORE:
        return warn("listen.certificate", f"{path} expires at {ends.isoformat()}; renew it")
    return ok("listen.certificate", f"{path} fits its key and is valid until {ends.isoformat()}")


def _purpose(path: Path, leaf: x509.Certificate) -> Iterable[Finding]:
    """RFC 5280 section 4.2.1.12 and RFC 6125 section 6.4.4: what phones look for."""
    extensions = {extension.oid: extension.value for extension in leaf.extensions}
    usage = extensions.get(x509.ExtendedKeyUsage.oid)
    if isinstance(usage, x509.ExtendedKeyUsage) and ExtendedKeyUsageOID.SERVER_AUTH not in usage:
        detail = f"{path} may not be used by a server: its extended key usage lacks serverAuth"
        yield fail("listen.certificate", detail)
    if x509.SubjectAlternativeName.oid not in extensions:
        detail = f"{path} has no subject alternative name; phones do not read the common name"
        yield fail("listen.certificate", detail)


def check_ports(config: Config) -> Findings:
    """Both ports are free, or it is our own gateway that listens there."""
    return [
        _port("listen", config.listen.address, config.listen.port, ours=_is_our_listener(config)),
        _port("admin", config.admin.address, config.admin.port, ours=_is_our_admin(config)),
    ]


def _port(section: str, address: str, port: int, *, ours: bool) -> Finding:
    if ours:
        return ok(f"{section}.port", f"this gateway listens on {address} port {port}")
    try:
        sockets.listen(address, port, backlog=1, section=section).close()
    except ConfigError as error:
        return fail(f"{section}.port", str(error))
    return ok(f"{section}.port", f"{address} port {port} is free")


def _is_our_listener(config: Config) -> bool:
    """Whether who listens there shows our certificate (before it would ask for the client's)."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # the certificate is compared with ours, not trusted
    try:
        own = x509.load_pem_x509_certificate(config.listen.certificate.read_bytes())
        with (
            socket.create_connection(_reach(config.listen), _PATIENCE_SECONDS) as plain,
            context.wrap_socket(plain) as secured,
        ):
            return secured.getpeercert(binary_form=True) == own.public_bytes(Encoding.DER)
    except (OSError, ValueError):
        return False


def _reach(listen: Listen) -> tuple[str, int]:
    """Where a client on this machine connects to."""
    address = ip_address(listen.address)
    if not address.is_unspecified:
        return listen.address, listen.port
    return ("127.0.0.1" if address.version == 4 else "::1"), listen.port  # noqa: PLR2004 (IPv4)


def _is_our_admin(config: Config) -> bool:
    admin = config.admin
    connection = http.client.HTTPConnection(admin.address, admin.port, timeout=_PATIENCE_SECONDS)
    try:
        with contextlib.closing(connection):
            connection.request("GET", "/healthz")
            return bool(json.load(connection.getresponse()) == {"alive": True})
    except (OSError, ValueError, http.client.HTTPException):
        return False


def check_descriptors(config: Config) -> Findings:
    """A phone in a held Ping costs two descriptors of its worker: its own and the upstream's."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = 2 * config.limits.connections + _DESCRIPTORS_BESIDE_PHONES
    if most != resource.RLIM_INFINITY and most < needed:
        detail = f"limits.connections needs {needed} descriptors, and the limit is {most}"
        return [warn("limits.connections", f"{detail}; raise LimitNOFILE or lower it")]
    return [ok("limits.connections", f"the descriptors that it needs ({needed}) are to be had")]
