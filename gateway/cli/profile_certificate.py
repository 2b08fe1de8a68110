"""What `profile test` finds about a certificate that a profile holds.

Every point is looked at, also where the gateway would stop at the first; then the gateway's own
decision is asked for, as `explain` gives it.
"""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from types import MappingProxyType

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.cli.chain import build
from gateway.cli.explain import Question, explain
from gateway.cli.findings import Finding, fail, ok, warn
from gateway.cli.profile_gateway import Gateway
from gateway.core.certificate import ClientCertificate
from gateway.core.decision import Allow, Deny
from gateway.core.reasons import Reason
from gateway.errors import CertificateError, GatewayError
from gateway.profiles.pkcs12 import Opened

_SOON = timedelta(days=30)
_SECOND = timedelta(seconds=1)
# What the checks before the decision have found already.
_REPORTED = frozenset(
    {
        Reason.OUTSIDE_VALIDITY,
        Reason.NOT_CLIENT_AUTH,
        Reason.NO_USABLE_SAN,
        Reason.UNTRUSTED_CHAIN,
        Reason.WEAK_KEY,
    }
)
_ADVICE: Mapping[Reason, str] = MappingProxyType(
    {
        Reason.CERTIFICATE_BLOCKED: "issue a new one, or `eas-gateway certificate unblock`",
        Reason.CERTIFICATE_REVOKED: "issue a new one",
        Reason.REVOCATION_UNKNOWN: "`eas-gateway ca refresh` fetches the CRLs now",
        Reason.UNKNOWN_MAILBOX: "issue one with the owner's UPN, or `eas-gateway user add`",
        Reason.MAILBOX_DISABLED: "`eas-gateway user set --enabled` enables it",
        Reason.AMBIGUOUS_SAN: "issue one with the names of one mailbox",
        Reason.USER_MISMATCH: "give the owner the certificate, or correct UserName",
    }
)


def check_identity(
    subject: str, opened: Opened, user: str | None, gateway: Gateway
) -> Iterator[Finding]:
    """All that would keep the holder of this identity out; `user` is what the phone will send."""
    if not opened.has_key:
        yield fail(subject, "it holds no private key, so nobody can sign in with it")
    leaf = opened.certificate
    try:
        facts = ClientCertificate.from_der(leaf.public_bytes(Encoding.DER))
    except CertificateError as error:
        yield fail(subject, f"its certificate is refused: {error}")
        return
    yield from _validity(subject, facts, gateway.now)
    yield from _usage(subject, facts)
    yield from _names(subject, facts, gateway)
    yield from _handshake(subject, leaf, opened.chain, gateway)
    if gateway.snapshot is not None:
        yield from _decision(subject, opened, facts, user, gateway)


def _validity(subject: str, facts: ClientCertificate, now: datetime) -> Iterator[Finding]:
    begins, ends = facts.not_before, facts.not_after
    if now > ends:
        yield fail(subject, f"its certificate expired at {ends.isoformat()}; issue a new one")
    elif now < begins:
        yield fail(subject, f"its certificate is valid only from {begins.isoformat()}")
    elif ends - now < _SOON:
        yield warn(subject, f"its certificate expires soon, at {ends.isoformat()}; issue a new one")
    else:
        yield ok(subject, f"its certificate is valid until {ends.isoformat()}")


def _usage(subject: str, facts: ClientCertificate) -> Iterator[Finding]:
    if facts.is_authority:
        yield fail(subject, "its certificate is a CA's, not a device's")
    elif not facts.may_authenticate:
        yield fail(
            subject,
            "its certificate may not be used for sign-in: the extended key usage needs clientAuth,"
            " the key usage digitalSignature",
        )
    else:
        yield ok(subject, "its certificate may be used for client authentication")


def _names(subject: str, facts: ClientCertificate, gateway: Gateway) -> Iterator[Finding]:
    found = {
        "PrincipalName": [one.text for one in facts.principal_names],
        "RFC822Name": [one.text for one in facts.rfc822_names],
    }
    usable = [text for field in gateway.name_fields for text in found[field]]
    if usable:
        yield ok(subject, f"its certificate names {', '.join(usable)}")
    elif gateway.name_fields and not gateway.other_fields:
        wanted = " or ".join(gateway.name_fields)
        detail = f"its certificate has no {wanted} in the subject alternative name"
        yield fail(subject, f"{detail}, so it leads to no mailbox; issue one with the owner's UPN")


def _handshake(
    subject: str,
    leaf: x509.Certificate,
    sent: Sequence[x509.Certificate],
    gateway: Gateway,
) -> Iterator[Finding]:
    """What TLS refuses of the chain, keys and signatures."""
    authorities = () if gateway.snapshot is None else (*gateway.snapshot.authorities.values(),)
    try:
        chain = build(leaf, sent, authorities, gateway.now)
    except CertificateError as error:
        yield fail(subject, str(error))
        return
    if gateway.snapshot is not None and chain.denial is not None:
        detail = f"the gateway does not know the chain: {chain.denial.detail}"
        yield fail(subject, f"{detail}; `eas-gateway ca add` adds a CA")
    for denial in chain.handshake:
        yield fail(subject, denial.detail)
    if gateway.snapshot is not None and chain.denial is None:
        yield ok(subject, "its chain ends at a CA of the gateway")


def _decision(
    subject: str, opened: Opened, facts: ClientCertificate, user: str | None, gateway: Gateway
) -> Iterator[Finding]:
    """The gateway's decision, at a time when the certificate is valid if it is not now."""
    at = _inside(facts, gateway.now)
    with tempfile.TemporaryDirectory(prefix="profile-test-") as directory:
        path = Path(directory, "certificate.pem")
        certificates = (opened.certificate, *opened.chain)
        path.write_bytes(b"".join(one.public_bytes(Encoding.PEM) for one in certificates))
        try:
            decision = explain(gateway.config, Question(path, None, user, at)).decision
        except GatewayError as error:
            words = str(error).replace(f"{path}: ", "")
            yield fail(subject, f"what the gateway decides cannot be found out: {words}")
            return
    if isinstance(decision, Allow):
        yield ok(subject, f"the gateway lets it in as {decision.mailbox.upn}")
    elif decision.reason not in _REPORTED:
        yield fail(subject, _refusal(decision))


def _refusal(decision: Deny) -> str:
    advice = _ADVICE.get(decision.reason, "`eas-gateway explain` shows each check")
    return f"the gateway refuses it, {decision.reason}: {decision.detail}; {advice}"


def _inside(facts: ClientCertificate, now: datetime) -> datetime:
    """The moment next to `now` at which the certificate is valid."""
    return max(min(now, facts.not_after - _SECOND), facts.not_before)
