"""From the options of `probe` to what is probed."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypedDict
from urllib.parse import SplitResult, urlsplit

import click

from gateway.cli.probe_identity import from_files, from_pkcs12
from gateway.cli.probe_profile import PhoneSettings, profile_result, read_settings
from gateway.cli.profile_gateway import Gateway, load_gateway
from gateway.cli.profile_input import host_problem, read_authorities, read_secret
from gateway.config import Config
from gateway.core.certificate import ClientCertificate
from gateway.errors import CertificateError
from gateway.probe.identity import facts_of
from gateway.probe.step import Result
from gateway.probe.target import DEFAULT_PATH, Plan, ProbeIdentity, Target, Trust
from gateway.probe.words import place
from gateway.profiles.reading import read_file

_ID_LENGTH: Final = 16
_HTTPS, _HTTP = 443, 80
_TARGET: Final = "TARGET"
_DEVICE_ID: Final = re.compile("[A-Za-z0-9]{1,32}")


class TargetOptions(TypedDict):
    """The options that say what is probed, and how far."""

    certificate: Path | None
    key: Path | None
    p12: Path | None
    p12_password_file: Path | None
    user: str | None
    email: str | None
    ca: tuple[Path, ...]
    connect_to: str | None
    header: tuple[str, ...]
    device_id: str | None
    versions: tuple[str, ...]
    heartbeat: int
    timeout: float
    other_user: str | None
    revoked_certificate: Path | None
    revoked_key: Path | None
    show_subjects: bool
    skip: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Prepared:
    """What to probe; `profile` is what was found in the profile, if there was one."""

    target: Target
    plan: Plan
    profile: Result | None


def prepare(target: str, options: TargetOptions, config_path: Path | None) -> Prepared:
    """The target and the plan; a usage error, or a GatewayError if a file cannot be used."""
    if options["p12"] is not None and options["certificate"] is not None:
        raise click.UsageError("give --p12, or --certificate and --key, not both")
    given = from_files(options["certificate"], options["key"], "")
    if options["p12"] is not None:
        given = from_pkcs12(options["p12"], options["p12_password_file"])
    if "://" in target:
        aimed, profile = _from_url(target, given, options), None
    else:
        aimed, profile = _from_profile(Path(target), given, options, config_path)
    return Prepared(aimed, _plan(aimed, options), profile)


def _from_url(text: str, identity: ProbeIdentity | None, options: TargetOptions) -> Target:
    parts, port = _split(text)
    tls = parts.scheme == "https"
    path = parts.path if parts.path.strip("/") else DEFAULT_PATH
    if identity is None and tls:
        raise click.UsageError("say which certificate is shown: --certificate and --key, or --p12")
    return _target(
        PhoneSettings(parts.hostname or "", port or (_HTTPS if tls else _HTTP), identity=identity),
        options,
        label=place(text),
        path=path,
        tls=tls,
    )


def _split(text: str) -> tuple[SplitResult, int | None]:
    form = f"{_TARGET}: write https://HOST[:PORT][/PATH], or name a profile's file"
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise click.UsageError(f"{form}: {error}") from error
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise click.UsageError(form)
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise click.UsageError(f"{form}, without user, query and fragment")
    problem = host_problem(parts.hostname)
    if problem is not None:
        raise click.UsageError(f"{form}; {parts.hostname!r} {problem}")
    if not parts.path.isascii() or not parts.path.isprintable() or " " in parts.path:
        raise click.UsageError(f"{form}; the path in ASCII, without blanks")
    return parts, port


def _from_profile(
    path: Path, given: ProbeIdentity | None, options: TargetOptions, config_path: Path | None
) -> tuple[Target, Result]:
    if not path.exists():
        raise click.UsageError(
            f"{_TARGET}: there is no file {path}; a server is written https://{path}"
        )
    document = read_file(path)
    settings = read_settings(document, path, options["p12_password_file"])
    if given is not None or settings.identity is None:
        settings = PhoneSettings(
            settings.host, settings.port, settings.user, settings.email, given, settings.roots
        )
    password = options["p12_password_file"]
    secret = None if password is None else read_secret(password, "--p12-password-file")
    gateway = _no_gateway() if config_path is None else load_gateway(config_path)
    result = profile_result(document, gateway, secret)
    label = f"{path.name} (https://{settings.host})"
    return _target(settings, options, label=label, path=DEFAULT_PATH, tls=True), result


def _no_gateway() -> Gateway:
    """Nothing is known of a gateway, so that the form alone is tested."""
    return Gateway(Config(), datetime.now(UTC), (), None, (), ())


def _target(
    settings: PhoneSettings, options: TargetOptions, *, label: str, path: str, tls: bool
) -> Target:
    user, email = _owner(settings, options)
    authorities = read_authorities(options["ca"])
    return Target(
        label=label,
        host=settings.host,
        port=settings.port or _HTTPS,
        path=path,
        tls=tls,
        connect_to=_connect_to(options["connect_to"], settings.port or _HTTPS),
        user=user,
        email=email,
        identity=settings.identity,
        trust=Trust((*authorities, *settings.roots), system=not authorities),
        headers=tuple(_header(one) for one in options["header"]),
    )


def _owner(settings: PhoneSettings, options: TargetOptions) -> tuple[str | None, str | None]:
    """User and address: by the options, else by the profile, else by the certificate."""
    user = options["user"] or settings.user
    email = options["email"] or settings.email
    facts = None if settings.identity is None else _facts(settings.identity)
    if facts is not None:
        names = [one.value for one in (*facts.principal_names,)]
        addresses = [one.value for one in (*facts.rfc822_names,)]
        user = user or next(iter([*names, *addresses]), None)
        email = email or next(iter([*addresses, *names]), None)
    return user, email or (user if user and "@" in user else None)


def _facts(identity: ProbeIdentity) -> ClientCertificate | None:
    try:
        return facts_of(identity)
    except CertificateError:  # the step for the certificate tells
        return None


def _connect_to(text: str | None, port: int) -> tuple[str, int] | None:
    if text is None:
        return None
    if host_problem(text.strip("[]")) is None:  # also an IPv6 address, colons and all
        return text.strip("[]"), port
    host, _, digits = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    good = digits.isascii() and digits.isdecimal() and 0 < int(digits[:6]) < 1 << 16
    if not good or host_problem(host) is not None:
        raise click.UsageError("--connect-to: write HOST, HOST:PORT, ADDRESS or [ADDRESS]:PORT")
    return host, int(digits)


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    good = name.replace("-", "").isalnum() and name.isascii() and value.isprintable()
    if not colon or not good:
        raise click.UsageError("--header: write NAME: VALUE")
    return name, value.strip()


def _plan(target: Target, options: TargetOptions) -> Plan:
    given = options["device_id"]
    if given is not None and not _DEVICE_ID.fullmatch(given):
        raise click.UsageError("--device-id: write up to 32 letters and digits")
    revoked = from_files(options["revoked_certificate"], options["revoked_key"], "revoked-")
    return Plan(
        device_id=given or _device_id((target.host, target.user or "")),
        versions=tuple(sorted(options["versions"], key=float)),
        heartbeat=options["heartbeat"],
        timeout=options["timeout"],
        other_user=options["other_user"],
        revoked=revoked,
        show_subjects=options["show_subjects"],
        leave_out=frozenset(options["skip"]),
    )


def _device_id(names: Sequence[str]) -> str:
    """The same for the same host and user: servers remember every device that they have seen."""
    digest = hashlib.sha256("\0".join(names).encode()).hexdigest()
    return f"probe{digest[:_ID_LENGTH]}"
