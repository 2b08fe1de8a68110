"""The device's own certificate, judged before it is shown to anybody."""

from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.core.certificate import ClientCertificate
from gateway.core.names import SanName
from gateway.core.unreadable import UNREADABLE
from gateway.errors import CertificateError
from gateway.probe.step import Problem, Result, failed
from gateway.probe.target import ProbeIdentity
from gateway.probe.words import issuer_of, listed, moment, name_of

_SOON: Final = timedelta(days=30)
_RSA_BITS: Final = 2048
_EC_BITS: Final = 224


def facts_of(identity: ProbeIdentity) -> ClientCertificate:
    """What the gateway would read in the certificate; raises CertificateError."""
    return ClientCertificate.from_der(identity.certificate.public_bytes(Encoding.DER))


def judge(identity: ProbeIdentity, now: datetime) -> Result:
    """Whether a server could take the certificate, by what is in it alone."""
    certificate = identity.certificate
    try:
        facts = facts_of(identity)
        key = key_text(certificate)
    except CertificateError as error:
        return failed(f"the device's certificate cannot be used: {error}", "issue a new one")
    except UNREADABLE as error:
        cause = f"the key in the device's certificate cannot be read: {error}"
        return failed(cause, "issue a new one")
    found: list[SanName] = [*facts.principal_names, *facts.rfc822_names]
    names = listed(name.text for name in found)
    learnt = (
        f"{name_of(certificate)}, serial {facts.serial_number:x}",
        f"issued by {issuer_of(certificate)}",
        f"names: {names or 'none'}",
        f"valid from {moment(facts.not_before)} to {moment(facts.not_after)}",
        f"key: {key}; CA certificates sent along: {len(identity.chain)}",
    )
    problems = (
        validity_problem(facts, now),
        usage_problem(facts),
        key_problem(identity),
        names_problem(facts),
    )
    return Result(learnt, tuple(one for one in problems if one is not None))


def validity_problem(facts: ClientCertificate, now: datetime) -> Problem | None:
    """Expired, not yet valid, or soon to end."""
    if now > facts.not_after:
        cause = f"the device's certificate expired at {moment(facts.not_after)}"
        return Problem(cause, "issue a new one, and find out why it was not renewed")
    if now < facts.not_before:
        cause = f"the device's certificate is valid only from {moment(facts.not_before)}"
        clock = f"here it is {moment(now)}"
        return Problem(cause, f"wait, or issue another; or set the clock, if it is wrong: {clock}")
    if facts.not_after - now < _SOON:
        cause = f"the device's certificate expires soon, at {moment(facts.not_after)}"
        return Problem(cause, "renew it", fatal=False)
    return None


def usage_problem(facts: ClientCertificate) -> Problem | None:
    """Not for clients."""
    if facts.is_authority:
        cause = "the device's certificate is a CA's and no device's"
        return Problem(cause, "give the device a certificate that the CA issued to its owner")
    if not facts.may_authenticate:
        cause = (
            "the device's certificate is not for client authentication: its extended key usage"
            " lacks clientAuth, or its key usage digitalSignature"
        )
        return Problem(cause, "issue one from a template with clientAuth and digitalSignature")
    return None


def key_problem(identity: ProbeIdentity) -> Problem | None:
    """A key that servers refuse, or one of another certificate."""
    key = identity.certificate.public_key()
    if identity.key.public_key() != key:
        return Problem("the key does not belong to the certificate", "give the key that does")
    least = _RSA_BITS if isinstance(key, rsa.RSAPublicKey) else _EC_BITS
    if isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey) and key.key_size < least:
        cause = f"the device's key is weak, {key_text(identity.certificate)}; TLS servers refuse it"
        return Problem(cause, f"issue a certificate for a key of {least} bits or more")
    return None


def names_problem(facts: ClientCertificate) -> Problem | None:
    """No name by which a mailbox is found."""
    if facts.principal_names or facts.rfc822_names:
        return None
    cause = "the device's certificate names neither a UPN nor a mail address in its SAN"
    advice = "issue one whose subject alternative name has the owner's UPN or address"
    return Problem(cause, advice, fatal=False)


def key_text(certificate: x509.Certificate) -> str:
    """Kind and size of the key."""
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        return f"RSA, {key.key_size} bits"
    if isinstance(key, ec.EllipticCurvePublicKey):
        return f"EC, {key.curve.name}"
    return type(key).__name__.removesuffix("PublicKey")
