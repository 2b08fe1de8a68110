"""What a profile has a phone do: the host, the user and the identity that `probe` takes from it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cryptography import x509

from gateway.cli.findings import Finding, State
from gateway.cli.probe_identity import open_pkcs12, read_password
from gateway.cli.profile_gateway import Gateway
from gateway.cli.profile_input import bare_host, is_variable
from gateway.cli.profile_test import check
from gateway.core.unreadable import UNREADABLE
from gateway.errors import ProfileError
from gateway.probe.step import Problem, Result
from gateway.probe.target import ProbeIdentity
from gateway.probe.words import printable
from gateway.profiles import schema
from gateway.profiles.reading import AppleProfile, Document, GraphProfiles

_EAS: Final = "com.apple.eas.account"
_PKCS12: Final = "com.apple.security.pkcs12"
_ROOTS: Final = ("com.apple.security.root", "com.apple.security.pkcs1")
_GRAPH_HOST: Final = "hostName"


@dataclass(frozen=True, slots=True)
class PhoneSettings:
    """What a phone with the profile would use; what only the console or the owner knows is None.

    `port` is None for the usual one.
    """

    host: str
    port: int | None = None
    user: str | None = None
    email: str | None = None
    identity: ProbeIdentity | None = None
    roots: tuple[x509.Certificate, ...] = ()


def read_settings(document: Document, path: Path, password_file: Path | None) -> PhoneSettings:
    """The settings in a profile; raises ProfileError if it has no host or cannot be opened."""
    if isinstance(document, AppleProfile):
        return _apple(document, path, password_file)
    if isinstance(document, GraphProfiles):
        for one in document.objects:
            if one.get(_GRAPH_HOST):
                return PhoneSettings(_host(one[_GRAPH_HOST], path))
        raise ProfileError(f"{path}: no e-mail profile in it has a {_GRAPH_HOST}")
    values = document.values
    host, port = _with_port(values.get("exchange_host"))
    return PhoneSettings(
        _host(host, path),
        port,
        user=_fixed(values.get("exchange_username")),
        email=_fixed(values.get("email_address")),
    )


def profile_result(document: Document, gateway: Gateway, password: str | None) -> Result:
    """What `profile test` finds about it, as a step."""
    found = [*check(document, gateway, password)]
    problems = tuple(_problem(one) for one in found if one.state is not State.OK)
    fine = sum(one.state is State.OK for one in found)
    return Result((f"{fine} points are as they should be",), problems)


def _problem(finding: Finding) -> Problem:
    cause, _, advice = finding.detail.rpartition("; ")
    subject = printable(finding.subject)
    if not cause:
        cause, advice = finding.detail, "`eas-gateway profile test` looks at every point"
    fatal = finding.state is State.FAIL
    return Problem(f"{subject}: {printable(cause, 400)}", printable(advice, 400), fatal=fatal)


def _apple(profile: AppleProfile, path: Path, password_file: Path | None) -> PhoneSettings:
    payloads = [one for _, one in schema.payloads(profile.values)]
    mail = next((one for one in payloads if one.get("PayloadType") == _EAS), None)
    if mail is None:
        raise ProfileError(f"{path}: it has no payload of the type {_EAS}, so no mailbox")
    return PhoneSettings(
        _host(mail.get("Host"), path),
        user=_fixed(mail.get("UserName")) or _fixed(mail.get("EmailAddress")),
        email=_fixed(mail.get("EmailAddress")),
        identity=_identity(mail, payloads, path, password_file),
        roots=tuple(_roots(payloads)),
    )


def _identity(
    mail: Mapping[str, Any],
    payloads: list[Mapping[str, Any]],
    path: Path,
    password_file: Path | None,
) -> ProbeIdentity | None:
    """The linked PKCS#12, or the one in the mail payload; None for SCEP, ACME and none at all."""
    wanted = str(mail.get("PayloadCertificateUUID")).lower()
    for one in payloads:
        linked = str(one.get("PayloadUUID")).lower() == wanted
        if linked and one.get("PayloadType") == _PKCS12:
            return _opened(one.get("PayloadContent"), one.get("Password"), path, password_file)
    content = mail.get("Certificate")
    if "PayloadCertificateUUID" not in mail and isinstance(content, bytes):
        return _opened(content, mail.get("CertificatePassword"), path, password_file)
    return None


def _opened(
    content: object, held: object, path: Path, password_file: Path | None
) -> ProbeIdentity | None:
    if not isinstance(content, bytes):
        return None
    what = f"the PKCS#12 in {path}"
    password = held if isinstance(held, str) else read_password(password_file, what)
    return open_pkcs12(content, password, str(path))


def _roots(payloads: list[Mapping[str, Any]]) -> list[x509.Certificate]:
    found = []
    for one in payloads:
        content = one.get("PayloadContent")
        if one.get("PayloadType") in _ROOTS and isinstance(content, bytes):
            try:
                found.append(x509.load_der_x509_certificate(content))
            except UNREADABLE:  # the step for the profile tells
                continue
    return found


def _host(value: object, path: Path) -> str:
    host = bare_host(value) if isinstance(value, str) else None
    if host is None:
        raise ProfileError(f"{path}: it names no host that could be probed")
    return host


def _with_port(value: object) -> tuple[object, int | None]:
    if isinstance(value, str):
        host, colon, port = value.rpartition(":")
        if colon and port.isdecimal() and len(port) <= len("65535"):
            return host, int(port)
    return value, None


def _fixed(value: object) -> str | None:
    """A text that no console has yet to fill in."""
    return value if isinstance(value, str) and value and not is_variable(value) else None
