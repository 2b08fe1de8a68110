"""Who must not get in: nobody, a stranger, another's name, and who was revoked."""

from datetime import timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID

from gateway.probe.http_client import Response
from gateway.probe.outcome import (
    Failure,
    Folders,
    HandshakeRefused,
    NoAnswer,
    NotConnected,
    Refused,
    ServerNotTrusted,
)
from gateway.probe.state import State
from gateway.probe.step import Result, failed, fine, skipped, warning
from gateway.probe.target import ProbeIdentity
from gateway.probe.words import printable

_UNKNOWN: Final = (NoAnswer, NotConnected, ServerNotTrusted)
_OK: Final = 200
_UNAUTHORIZED: Final = 401
_FIRST_FAILURE: Final = 400
_MADE_UP: Final = "eas-gateway-probe-nobody"
_STRANGER_DAYS: Final = 30


async def nobody(state: State) -> Result:
    """A phone without a certificate."""
    if not state.target.tls:
        return skipped("there is no TLS")
    cause = "the certificate is not demanded: the server serves who shows none"
    return await _must_not(state, None, cause)


async def stranger(state: State) -> Result:
    """A phone with a certificate of its own making, with the names of the right one."""
    if not state.target.tls or state.target.identity is None:
        return skipped("there is no certificate to imitate")
    cause = "a foreign certificate is let in: anybody could make one with these names"
    return await _must_not(state, imitation(state.target.identity), cause)


async def revoked(state: State) -> Result:
    """A phone whose certificate was revoked."""
    if state.plan.revoked is None or not state.target.tls:
        return skipped("none was given (--revoked-certificate)")
    cause = "the revoked certificate is let in"
    return await _must_not(state, state.plan.revoked, cause)


async def other_user(state: State) -> Result:
    """The right certificate, and the name of another user."""
    target = state.target
    name = state.plan.other_user or _made_up(target.user)
    device = state.new_device(state.connected(), state.version, user=name)
    outcome = await device.folder_sync()
    if isinstance(outcome, Refused):
        return fine(f"User={printable(name)} is refused (HTTP {outcome.status})")
    if isinstance(outcome, _UNKNOWN):
        return _untold()
    if not isinstance(outcome, Folders):
        return fine(f"User={printable(name)} is not served")
    if outcome.status != 1:
        return fine(f"User={printable(name)} is refused (Status {outcome.status})")
    cause = f"the server serves a request in the name of {printable(name)}"
    if state.is_gateway or state.plan.other_user is not None:
        return failed(cause, "find out whose folders came; a certificate opens its own alone")
    advice = (
        "most mail servers go by the sign-in and pass User over (SOGo and Exchange do), which is"
        " harmless; --other-user NAME with a real one makes this a failure"
    )
    return warning(cause, advice)


async def _must_not(state: State, identity: ProbeIdentity | None, cause: str) -> Result:
    wire = state.new_wire(identity)
    try:
        outcome = await wire.request(state.call("OPTIONS", state.target.path))
    finally:
        await wire.close()
    if not isinstance(outcome, Response):
        return _kept_out(outcome)
    if outcome.status == _UNAUTHORIZED:
        problem = "without a right certificate the server asks for a password (401)"
        return warning(problem, "demand the certificate, so that passwords cannot be guessed")
    if outcome.status >= _FIRST_FAILURE:
        return fine(f"refused (HTTP {outcome.status})")
    if outcome.status != _OK:
        return warning(f"not refused, but answered with HTTP {outcome.status}", "refuse it")
    advice = "have the server demand certificates of your CA, and refuse those on its CRL"
    return failed(cause, advice)


def _kept_out(failure: Failure) -> Result:
    if isinstance(failure, HandshakeRefused):
        return fine(f"refused by TLS ({failure.alert or 'closed without an alert'})")
    if isinstance(failure, _UNKNOWN):
        return _untold()
    return fine("refused: the server closed the connection")


def _untold() -> Result:
    return warning("whether it is refused cannot be told: no answer", "try again")


def imitation(identity: ProbeIdentity) -> ProbeIdentity:
    """A self-signed certificate with the subject and SAN of `identity`."""
    key = ec.generate_private_key(ec.SECP256R1())
    original = identity.certificate
    try:
        subject = original.subject
        names = original.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        subject, names = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "stranger")]), None
    begins = original.not_valid_before_utc
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(max(original.not_valid_after_utc, begins + timedelta(_STRANGER_DAYS)))
        .add_extension(x509.ExtendedKeyUsage([x509.oid.ExtendedKeyUsageOID.CLIENT_AUTH]), False)
    )
    if names is not None:
        builder = builder.add_extension(names, False)
    return ProbeIdentity(builder.sign(key, SHA256()), key)


def _made_up(user: str | None) -> str:
    _, at, domain = (user or "").partition("@")
    return f"{_MADE_UP}{at}{domain}"
