"""What `profile test` knows of the gateway: its certificate, its mailboxes and its CAs.

What cannot be found out is said in a finding, and the profile is tested without it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cryptography import x509

from gateway.cli.chain import read_certificates
from gateway.cli.findings import Finding, fail, ok, warn
from gateway.cli.profile_input import bare_host, host_problem, is_variable
from gateway.config import Config, load
from gateway.core.address import address_problem
from gateway.core.mailbox import Mailbox
from gateway.core.user_match import user_matches
from gateway.errors import CertificateError, StateError
from gateway.probe.host_names import matches, server_names
from gateway.profiles.reading import shown
from gateway.store.snapshot import Snapshot
from gateway.store.store import open_store, store_exists

NAMES: Final = ("PrincipalName", "RFC822Name")
"""The subject alternative names among the certificate fields of username bindings."""

_UPN: Final = "userPrincipalName"
_ADDRESSES: Final = "proxyAddresses"


@dataclass(frozen=True, slots=True)
class Gateway:
    """A gateway as a profile meets it.

    Attributes:
        config: its configuration.
        now: the time of the test, UTC.
        server: its own certificate and those it sends along; empty where that cannot be read.
        snapshot: what its store says; None where there is none.
        mailboxes: all of them; empty where there is no store.
        unknown: what could not be found out.
    """

    config: Config
    now: datetime
    server: tuple[x509.Certificate, ...]
    snapshot: Snapshot | None
    mailboxes: tuple[Mailbox, ...]
    unknown: tuple[Finding, ...]

    @property
    def name_fields(self) -> tuple[str, ...]:
        """Which names of a certificate may lead to a mailbox: PrincipalName, RFC822Name."""
        return tuple(field for field in NAMES if self._attributes(field))

    @property
    def other_fields(self) -> tuple[str, ...]:
        """Which other fields of a certificate may, by the configuration."""
        fields = (one.field.value for one in self.config.identity.rules.in_use)
        return tuple(dict.fromkeys(field for field in fields if field not in NAMES))

    def has_mailbox(self, field: str, value: str) -> bool | None:
        """Whether a mailbox is found by such a name; None where only a certificate could tell."""
        attributes = self._attributes(field)
        if self.snapshot is None or attributes - {_UPN, _ADDRESSES}:
            return None
        return (_UPN in attributes and self.snapshot.find_by_upn(value) is not None) or (
            _ADDRESSES in attributes and self.snapshot.find_by_address(value) is not None
        )

    def _attributes(self, field: str) -> frozenset[str]:
        bindings = self.config.identity.rules.in_use
        return frozenset(one.attribute.value for one in bindings if one.field.value == field)

    def find(self, address: str) -> Mailbox | None:
        """The mailbox with this UPN or address."""
        if self.snapshot is None:
            return None
        return self.snapshot.find_by_upn(address) or self.snapshot.find_by_address(address)


def load_gateway(config_path: Path | None) -> Gateway:
    """The gateway of a configuration; raises ConfigError."""
    config = load(config_path)
    unknown: list[Finding] = []
    server: tuple[x509.Certificate, ...] = ()
    try:
        server = read_certificates(config.listen.certificate)
    except CertificateError as error:
        unknown.append(warn("listen.certificate", f"hosts are not compared with it: {error}"))
    snapshot: Snapshot | None = None
    mailboxes: tuple[Mailbox, ...] = ()
    try:
        snapshot, mailboxes = _state(config)
    except StateError as error:
        unknown.append(warn("store", f"mailboxes, CAs and CRLs are not compared: {error}"))
    return Gateway(config, datetime.now(UTC), server, snapshot, mailboxes, tuple(unknown))


def _state(config: Config) -> tuple[Snapshot, tuple[Mailbox, ...]]:
    directory = config.state.directory
    if not store_exists(directory, config.store):
        raise StateError(
            f"there is no store in {directory}; name the gateway's configuration with -c"
        )
    with open_store(directory, config.store) as store:
        return store.snapshot(), tuple(store.mailboxes.list())


def check_host(
    subject: str, value: object, gateway: Gateway, *, port_allowed: bool = False
) -> Iterator[Finding]:
    """Whether the host in a profile is a bare name and one of this gateway's."""
    if not isinstance(value, str) or not value:
        yield fail(subject, f"it is {shown(value)}; set it to the gateway's host name")
        return
    problem = host_problem(value)
    if problem is not None and not (port_allowed and problem == "has a port"):
        host = bare_host(value)
        advice = f"write {host}" if host else "write the gateway's host name alone"
        yield fail(subject, f"{shown(value)} {problem}; {advice}")
    host = bare_host(value) if problem else value
    if host is not None and gateway.server:
        yield _our_host(subject, host, gateway)


def _our_host(subject: str, host: str, gateway: Gateway) -> Finding:
    names = server_names(gateway.server[0])
    if any(matches(host, name) for name in names):
        return ok(subject, f"{host} is a name of this gateway's certificate")
    listed = ", ".join(names) or "nothing"
    return fail(
        subject,
        f"{host} is no name of this gateway's certificate, which has {listed}: use one of these,"
        " or the phone refuses the connection",
    )


def check_owner(
    email: tuple[str, object], user: tuple[str, object], gateway: Gateway
) -> Iterator[Finding]:
    """Whether address and User of a profile, each with its key, lead to one mailbox."""
    mailbox = None
    subject, address = email
    if not isinstance(address, str) or not address:
        yield warn(subject, "it is not set, so the phone asks its owner for the address")
    elif is_variable(address):
        yield ok(subject, f"{shown(address)} is filled in by the device management")
    elif problem := address_problem(address):
        yield fail(subject, f"{shown(address)} {problem}")
    elif gateway.snapshot is not None:
        mailbox = gateway.find(address)
        yield _mailbox(subject, address, mailbox)
    yield from _check_user(*user, mailbox, gateway)


def _mailbox(subject: str, address: str, mailbox: Mailbox | None) -> Finding:
    if mailbox is None:
        detail = f"no mailbox has {shown(address)}; correct it, or `eas-gateway user add`"
        return fail(subject, detail)
    if not mailbox.enabled:
        return fail(subject, f"{mailbox.upn} is disabled; `eas-gateway user set --enabled`")
    return ok(subject, f"{shown(address)} is {mailbox.upn}")


def _check_user(
    subject: str, user: object, mailbox: Mailbox | None, gateway: Gateway
) -> Iterator[Finding]:
    if not isinstance(user, str) or not user:
        yield warn(subject, "it is not set, so the phone asks its owner for a user name")
    elif is_variable(user):
        yield ok(subject, f"{shown(user)} is filled in by the device management")
    elif mailbox is not None:
        if user_matches(user, mailbox):
            yield ok(subject, f"{shown(user)} is {mailbox.upn}")
            return
        detail = f"{shown(user)} is not {mailbox.upn}, so its requests are refused; write the UPN"
        yield fail(subject, detail)
    elif gateway.snapshot is not None and "@" in user and gateway.find(user) is None:
        yield fail(subject, f"no mailbox has {shown(user)}; write the owner's UPN")
    elif user != user.strip() or not user.isprintable():
        yield fail(subject, f"{shown(user)} has blanks or control characters round the name")


def check_source(
    subject: str, source: object, gateway: Gateway, lacks: Callable[[Mailbox], bool], what: str
) -> Iterator[Finding]:
    """Whether every mailbox has what a console takes an address or a User from."""
    missing = [mailbox.upn for mailbox in gateway.mailboxes if lacks(mailbox)]
    if missing:
        count = f"{len(missing)} of {len(gateway.mailboxes)} mailboxes"
        yield warn(subject, f"{shown(source)}: {count} have no {what}, such as {missing[0]}")
    elif gateway.mailboxes:
        yield ok(subject, f"{shown(source)} leads to a mailbox for each of them")
