"""What a TLS alert or a hang-up means: whose certificate was refused, and for what."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Final

from gateway.core.unreadable import UNREADABLE
from gateway.errors import CertificateError
from gateway.probe.channel import Handshake
from gateway.probe.identity import facts_of, usage_problem, validity_problem
from gateway.probe.outcome import HandshakeRefused
from gateway.probe.step import Problem
from gateway.probe.target import ProbeIdentity
from gateway.probe.words import issuer_of

_BY_ALERT: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "unknown_ca": (
            "it does not know the CA that issued it",
            (
                "make that CA known to the server (this gateway: `eas-gateway ca add`), or issue"
                " the certificate from one of its CAs; a missing intermediate has to be sent along"
            ),
        ),
        "certificate_expired": ("it takes it for expired", "issue a new one, or set its clock"),
        "certificate_revoked": ("it is revoked", "issue a new one"),
        "unsupported_certificate": (
            "it is not for client authentication, or of a kind that it does not take",
            "issue one with the extended key usage clientAuth",
        ),
        "bad_certificate": (
            "it cannot verify it: a wrong signature, or outside its validity",
            "look at the server's log; issue a new one if there is nothing else",
        ),
        "certificate_required": (
            "it got none",
            "have the device send its certificate: is the identity in the profile linked?",
        ),
        "access_denied": ("it may not sign in", "look at the server's rules for certificates"),
    }
)
_ELSE: Final = (
    "it does not say why",
    (
        "look at the server's log: is the CA known, the certificate valid, for clientAuth, and not"
        " revoked, and is the CRL that the server uses in date?"
    ),
)
_OF_THE_SERVER: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "protocol_version": (
            "the server speaks neither TLS 1.2 nor 1.3",
            "turn on TLS 1.2 on the server: phones speak nothing older",
        ),
        "unrecognized_name": (
            "the server does not know the host name that it was asked for (SNI)",
            "add the name to the server, or correct the host in the profile",
        ),
        "internal_error": (
            "the server failed in the handshake",
            "look at the server's log; often it has no certificate or key that it can use",
        ),
        "no_application_protocol": (
            "the server speaks no HTTP/1.1 on this port",
            "correct the port, or turn on HTTP/1.1",
        ),
    }
)


@dataclass(frozen=True, slots=True)
class Shown:
    """What was shown to the server: a certificate or none, and when."""

    identity: ProbeIdentity | None
    now: datetime


def is_about_certificate(refusal: HandshakeRefused, seen: Handshake) -> bool:
    """Whether the server has refused the client's certificate, or that there is none."""
    if refusal.alert in _BY_ALERT or (refusal.alert or "").startswith("certificate_"):
        return True
    # TLS 1.2 has no alert of its own for a certificate that is missing, and some hang up.
    late = refusal.alert in {None, "handshake_failure", "decrypt_error", "internal_error"}
    return seen.requested and late


def refused_certificate(refusal: HandshakeRefused, seen: Handshake, shown: Shown) -> Problem:
    """Why a server refused the certificate; what is known here counts for more than an alert."""
    how = f"alert {refusal.alert}" if refusal.alert else "closed the connection after it"
    if shown.identity is None:
        cause = f"the server demands a client certificate, and there was none to show ({how})"
        return Problem(cause, "give one with --certificate and --key")
    own = _own_fault(shown.identity, shown.now)
    if own is not None:
        return Problem(f"{own.cause}, and the server refused it ({how})", own.advice)
    if not_among(shown.identity, seen):
        cause = (
            f"the server refused the device's certificate ({how}): it is issued by"
            f" {issuer_of(shown.identity.certificate)}, which is not among the CAs that it asks for"
        )
        return Problem(cause, _BY_ALERT["unknown_ca"][1])
    why, advice = _BY_ALERT.get(refusal.alert or "", _ELSE)
    issuer = issuer_of(shown.identity.certificate)
    cause = f"the server refused the device's certificate, issued by {issuer}: {why} ({how})"
    return Problem(cause, advice)


def _own_fault(identity: ProbeIdentity, now: datetime) -> Problem | None:
    try:
        facts = facts_of(identity)
    except CertificateError as error:
        return Problem(f"the device's certificate cannot be used: {error}", "issue a new one")
    found = validity_problem(facts, now)
    if found is not None and found.fatal:
        return found
    return usage_problem(facts)


def not_among(identity: ProbeIdentity, seen: Handshake) -> bool:
    """Whether the server asks for certificates of other CAs alone, so that phones offer none."""
    if not seen.issuers:
        return False
    try:
        issuers = {one.issuer.public_bytes() for one in (identity.certificate, *identity.chain)}
    except UNREADABLE:
        return True
    return issuers.isdisjoint(seen.issuers)


def refused_handshake(refusal: HandshakeRefused) -> Problem:
    """Why there is no TLS at all, where it is not about the client's certificate."""
    found = _OF_THE_SERVER.get(refusal.alert or "")
    if found is not None:
        return Problem(f"{found[0]} (alert {refusal.alert})", found[1])
    if refusal.alert == "handshake_failure":
        cause = "server and phone have no cipher in common (alert handshake_failure)"
        return Problem(cause, "turn on the cipher suites of TLS 1.2 with ECDHE and AES-GCM")
    how = f"alert {refusal.alert}" if refusal.alert else refusal.detail
    return Problem(
        f"the TLS handshake failed: {how}", "look at the server's log; is this the right port?"
    )
