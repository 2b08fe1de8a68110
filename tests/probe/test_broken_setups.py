"""Broken set-ups, each a real endpoint or file: the probe names the cause and no consequence."""

import plistlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from gateway.pki.authority import CertificateAuthority
from gateway.pki.crl import extension, now
from gateway.pki.identity import Identity, rsa_key
from gateway.pki.names import host_names
from tests.probe.broken import ALICE, BOB, Surroundings
from tests.probe.endpoints import (
    answering,
    closed_port,
    greeting,
    mail_for,
    serving,
    silent,
    tls_for,
)

DAY = timedelta(days=1)
_MAIL = "com.apple.eas.account"

Make = Callable[[Surroundings], AbstractContextManager[list[str]]]


@dataclass(frozen=True)
class Broken:
    """A set-up, and what the probe has to say: at which step, in words that must all be there."""

    name: str
    make: Make
    step: str
    words: tuple[str, ...]


def device(name: str, *words: str) -> Make:
    """The gateway, reached with that certificate."""

    @contextmanager
    def make(around: Surroundings) -> Iterator[list[str]]:
        yield around.at_gateway(name, *words)

    return make


def told(name: str) -> Make:
    """The same, on the gateway's machine."""

    @contextmanager
    def make(around: Surroundings) -> Iterator[list[str]]:
        yield around.at_gateway(name, "-c", str(around.gateway.config))

    return make


@contextmanager
def mail_server_is_down(around: Surroundings) -> Iterator[list[str]]:
    """Behind the gateway nothing listens."""
    yield around.at(around.lonely.port, "alice", "-c", str(around.lonely.config))


@contextmanager
def mail_server_wants_a_password(around: Surroundings) -> Iterator[list[str]]:
    """Behind the gateway a server does not take the gateway's credentials."""
    make = answering(401, headers={"WWW-Authenticate": "Basic"})
    with serving(make, port=around.mail_port):
        yield around.at(around.lonely.port, "alice", "-c", str(around.lonely.config))


def server(make: Callable[[], Any], *words: str, ask: bool = True, demanded: bool = True) -> Make:
    """A TLS server with the right certificate, which asks for the device's or does not."""

    @contextmanager
    def made(around: Surroundings) -> Iterator[list[str]]:
        pki = around.pki
        ca = str(pki.root_pem) if ask else None
        tls = tls_for(str(pki.server.pem), str(pki.server.key), ca=ca, demanded=demanded)
        with serving(make, tls) as port:
            yield around.at(port, "alice", *words)

    return made


def certified(issue: Callable[[Surroundings], Identity], *, leaf_alone: bool = False) -> Make:
    """A TLS server with another certificate."""

    @contextmanager
    def made(around: Surroundings) -> Iterator[list[str]]:
        identity = issue(around)
        if leaf_alone:
            identity = Identity(identity.certificate, identity.key)
        pem, key = around.identity("server", identity)
        tls = tls_for(str(pem), str(key), ca=str(around.pki.root_pem))
        with serving(mail_for(ALICE), tls) as port:
            yield around.at(port)

    return made


def port_of(make: Callable[[], AbstractContextManager[int]], *words: str) -> Make:
    """A port where something else is."""

    @contextmanager
    def made(around: Surroundings) -> Iterator[list[str]]:
        with make() as port:
            yield around.at(port, "alice", *words)

    return made


@contextmanager
def unknown_name(around: Surroundings) -> Iterator[list[str]]:
    """RFC 6761: no name below `invalid` exists."""
    yield ["https://mail.invalid", *around.shown("alice"), *around.trusting]


@contextmanager
def another_name(around: Surroundings) -> Iterator[list[str]]:
    """The name in DNS leads to a server whose certificate has others."""
    there = ["--connect-to", f"127.0.0.1:{around.gateway.port}"]
    yield ["https://mail.example.test", *around.shown("alice"), *around.trusting, *there]


@contextmanager
def foreign_server(around: Surroundings) -> Iterator[list[str]]:
    """The device knows another root than the server's."""
    foreign = str(around.pki.directory / "foreign-root.pem")
    url = f"https://localhost:{around.gateway.port}"
    yield [url, *around.shown("alice"), "--ca", foreign]


@contextmanager
def weak_key(around: Surroundings) -> Iterator[list[str]]:
    """The device has a key of 1024 bits."""
    weak = around.pki.issuing.issue_device(upn=ALICE, key=rsa_key(1024))
    pem, key = around.identity("weak", weak)
    url = f"https://localhost:{around.gateway.port}"
    yield [url, "--certificate", str(pem), "--key", str(key), *around.trusting]


@contextmanager
def server_clock_wrong(around: Surroundings) -> Iterator[list[str]]:
    """The server lives three years ahead, when the certificate is valid that is not yet here."""
    ahead = format_datetime(datetime.now(UTC) + 1200 * DAY, usegmt=True)
    tls = tls_for(str(around.pki.server.pem), str(around.pki.server.key))
    with serving(answering(200, headers={"Date": ahead}), tls) as port:
        yield around.at(port, "not-yet-valid")


def profile(change: Callable[[dict[str, Any]], None] | None = None, *words: str) -> Make:
    """A profile that was made right, and then changed by hand."""

    @contextmanager
    def made(around: Surroundings) -> Iterator[list[str]]:
        path = around.profile(*words)
        if change is not None:
            _rewrite(path, change)
        there = f"127.0.0.1:{around.gateway.port}"
        shown = around.shown("alice") if change is unlinked else []
        yield [str(path), "--connect-to", there, *around.trusting, *shown]

    return made


def _rewrite(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    values = plistlib.loads(path.read_bytes())
    (mail,) = [one for one in values["PayloadContent"] if one["PayloadType"] == _MAIL]
    change(mail)
    path.write_bytes(plistlib.dumps(values))


def without_tls(mail: dict[str, Any]) -> None:
    """The phone would speak plain HTTP."""
    mail["SSL"] = False


def unlinked(mail: dict[str, Any]) -> None:
    """The phone would show no certificate."""
    del mail["PayloadCertificateUUID"]


def with_scheme(mail: dict[str, Any]) -> None:
    """The phone would look for a host of that name."""
    mail["Host"] = "https://localhost"


_SIGN_IN = "sign-in"
_HTML = "<!DOCTYPE html><html><body>Welcome</body></html>"

SETUPS = (
    # The device's certificate, at the gateway.
    Broken("CA unknown", device("foreign"), _SIGN_IN, ("not among the CAs", "CN=Foreign root")),
    Broken("CA unknown, told", told("foreign"), _SIGN_IN, ("UNTRUSTED_CHAIN", "ca add")),
    Broken("expired", device("expired"), "certificate", ("certificate expired at",)),
    Broken("not yet valid", device("not-yet-valid"), "certificate", ("is valid only from",)),
    Broken("no SAN", device("no-san"), _SIGN_IN, ("neither a UPN nor a mail address",)),
    Broken("wrong EKU", device("wrong-eku"), "certificate", ("lacks clientAuth",)),
    Broken("weak key", weak_key, "certificate", ("key is weak", "1024 bits")),
    Broken("revoked", device("revoked"), _SIGN_IN, ("403", "revoked or blocked", "audit list")),
    Broken("revoked, told", told("revoked"), _SIGN_IN, ("CERTIFICATE_REVOKED",)),
    Broken("CRL ended", device("stale"), _SIGN_IN, ("503", "no CRL in date")),
    Broken("CRL ended, told", told("stale"), _SIGN_IN, ("REVOCATION_UNKNOWN", "ca refresh")),
    # The user, at the gateway.
    Broken("mailbox disabled", device("leaver"), _SIGN_IN, ("403", "a disabled one")),
    Broken("mailbox disabled, told", told("leaver"), _SIGN_IN, ("MAILBOX_DISABLED", "--enabled")),
    Broken("mailbox unknown", device("stranger"), _SIGN_IN, ("403", "lead to no mailbox")),
    Broken("mailbox unknown, told", told("stranger"), _SIGN_IN, ("UNKNOWN_MAILBOX", "user add")),
    Broken("user revoked", device("lost"), _SIGN_IN, ("503", "until the next CRL")),
    Broken("user revoked, told", told("lost"), _SIGN_IN, ("CRL_OLDER_THAN_TOKEN_VALID_FROM",)),
    Broken("user name", device("alice", "--user", BOB), "provision", (BOB, "not the certificate")),
    Broken("user name in profile", profile(None, "--user", BOB), "provision", (BOB, "the UPN")),
    # What is behind the gateway.
    Broken("upstream down", mail_server_is_down, _SIGN_IN, ("UPSTREAM_UNAVAILABLE", "refused")),
    Broken("upstream 401", mail_server_wants_a_password, _SIGN_IN, ("UPSTREAM", "401")),
    # Other servers: what they ask for.
    Broken(
        "certificate not asked for",
        server(mail_for(ALICE), ask=False),
        "certificate-request",
        ("does not ask for a client certificate",),
    ),
    Broken(
        "certificate not demanded",
        server(mail_for(ALICE), demanded=False),
        "no-certificate",
        ("not demanded", "serves who shows none"),
    ),
    Broken(
        "password instead",
        server(answering(401, headers={"WWW-Authenticate": "Basic realm=x"})),
        _SIGN_IN,
        ("asks for a password", "Basic", "not sign in by certificate"),
    ),
    # Other servers: their certificates.
    Broken("host name", another_name, "tls", ("not for mail.example.test", "localhost")),
    Broken(
        "server expired",
        certified(
            lambda around: around.pki.issuing.issue_server(
                "localhost", not_before=now() - 40 * DAY, not_after=now() - DAY
            )
        ),
        "tls",
        ("server's certificate expired at",),
    ),
    Broken("server's CA unknown", foreign_server, "tls", ("does not lead to a known CA", "--ca")),
    Broken(
        "server self-signed",
        certified(lambda _: _self_signed()),
        "tls",
        ("self-signed",),
    ),
    Broken(
        "intermediate missing",
        certified(lambda around: around.pki.issuing.issue_server("localhost"), leaf_alone=True),
        "tls",
        ("sends no intermediate along",),
    ),
    Broken(
        "server's RSA key",
        certified(lambda around: around.pki.issuing.issue_server("localhost", key=rsa_key(1024))),
        "tls",
        ("RSA key has 1024 bits",),
    ),
    # Other servers: not there, or not what they should be.
    Broken("name unknown", unknown_name, "dns", ("mail.invalid", "DNS")),
    Broken("port closed", port_of(closed_port), "tcp", ("nothing listens", "refused")),
    Broken(
        "plain HTTP",
        port_of(lambda: serving(mail_for(ALICE))),
        "tls",
        ("speaks plain HTTP and no TLS",),
    ),
    Broken(
        "another protocol",
        port_of(lambda: greeting(b"SSH-2.0-OpenSSH_9.2\r\n")),
        "tls",
        ("speaks SSH and no TLS",),
    ),
    Broken("silent port", port_of(silent, "--timeout", "0.5"), "tls", ("says nothing for 0.5 s",)),
    Broken("web page", server(answering(200, _HTML)), _SIGN_IN, ("not an ActiveSync", "web page")),
    Broken("no such path", server(answering(404)), _SIGN_IN, ("not an ActiveSync server", "404")),
    Broken(
        "sign-in portal",
        server(answering(302, headers={"Location": "https://login.example.test/x?token=secret"})),
        _SIGN_IN,
        ("sends the phone to https://login.example.test/x (",),
    ),
    Broken(
        "moved mailbox",
        server(answering(451, headers={"X-MS-Location": "https://eu.example.test/eas"})),
        _SIGN_IN,
        ("on another server, https://eu.example.test/eas",),
    ),
    Broken("busy", server(answering(503)), _SIGN_IN, ("busy", "503")),
    Broken("clock", server_clock_wrong, "clock", ("a clock is wrong", "NTP")),
    # Profiles.
    Broken("TLS off", profile(without_tls), "profile", ("SSL", "set it to true")),
    Broken("no identity", profile(unlinked), "profile", ("PayloadCertificateUUID", "identity")),
    Broken("host a URL", profile(with_scheme), "profile", ("Host", "write localhost")),
)


def _self_signed() -> Identity:
    names = extension(host_names(["localhost"]))
    root = CertificateAuthority.root("localhost", extensions=[names])
    return Identity(root.certificate, root.key)


@pytest.mark.parametrize("broken", SETUPS, ids=lambda broken: broken.name)
def test_the_cause_is_named(broken: Broken, around: Surroundings) -> None:
    """The first failure that the probe reports is the cause, in words that say what to change."""
    with broken.make(around) as arguments:
        status, report = around.probe(arguments)
    cause = report["cause"]
    assert status == 1
    assert cause["step"] == broken.step, cause
    said = f"{cause['cause']}; {cause['advice']}"
    assert [word for word in broken.words if word not in said] == [], said
