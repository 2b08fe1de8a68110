"""The decision about one session, from facts and the time alone.

Decides whether the holder of a certificate may act for a mailbox now; is not told how the facts
were found. The order of `CHECKS` is the order of the decision table: the first check that fails
names the reason.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from gateway.core.binding import Binding
from gateway.core.certificate import ClientCertificate
from gateway.core.mailbox import Mailbox
from gateway.core.reasons import Reason
from gateway.core.revocation import RevocationState, RevocationStatus
from gateway.core.user_match import user_matches

# Names of their own: a member of an enumeration is slow to find, and each decision asks.
_GOOD = RevocationState.GOOD
_REVOKED = RevocationState.REVOKED


class Reauthentication(Enum):
    """How a new sign-in after token-valid-from is judged."""

    FRESH_CRL = "fresh_crl"
    IMMEDIATE = "immediate"


@dataclass(frozen=True, slots=True)
class TokenValidFrom:
    """Entra's refreshTokensValidFromDateTime of a mailbox and the change that set it."""

    value: datetime
    change_id: int


@dataclass(frozen=True, slots=True)
class Session:
    """When a session was authenticated: the moment, and the last change known at that moment."""

    authenticated_at: datetime
    change_id: int


@dataclass(frozen=True, slots=True)
class Facts:
    """All that a decision rests on.

    Attributes:
        certificate: the device's certificate.
        chain_denial: why the chain is not, or no longer, one of a configured CA; None if it is.
        chain_not_after: when the first CA certificate of the chain expires, UTC.
        binding: what the certificate's names lead to.
        blocked: an administrator blocked this certificate.
        revocation: one status for each certificate below the root, the device's first.
        backdating: what the issuing CA subtracts from thisUpdate and notBefore.
        token_valid_from: of the mailbox that the binding names, None where none is set.
        session: of the connection.
        reauthentication: how a sign-in after token-valid-from is judged.
        user: the User that the request names; None where it names none.
        handshake: what only a TLS handshake looks at and would refuse; empty where one succeeded.
    """

    certificate: ClientCertificate
    chain_denial: "Deny | None"
    chain_not_after: datetime
    binding: Binding
    blocked: bool
    revocation: tuple[RevocationStatus, ...]
    backdating: timedelta
    token_valid_from: TokenValidFrom | None
    session: Session
    reauthentication: Reauthentication
    user: str | None = None
    handshake: "tuple[Deny, ...]" = ()


@dataclass(frozen=True, slots=True)
class Allow:
    """The session may act for `mailbox` until `expires_at` (UTC), unless a fact changes before."""

    mailbox: Mailbox
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Deny:
    """The session is refused; `detail` is a sentence for the log, never for the client.

    `retry_after` are the seconds after which the answer would be another; None where nobody knows,
    and the row of the reason says what the client is told.
    """

    reason: Reason
    detail: str
    retry_after: int | None = None


Decision = Allow | Deny


Check = Callable[[Facts, datetime], Deny | None]


def decide(facts: Facts, now: datetime) -> Decision:
    """Allow, or the denial of the first check that fails."""
    for _, check in CHECKS:
        denial = check(facts, now)
        if denial is not None:
            return denial
    return Allow(facts.binding.mailboxes[0], _expiry(facts))


def judge_user(mailbox: Mailbox, user: str | None) -> Deny | None:
    """A denial if `user` is not this mailbox; a request that names no User is no mismatch."""
    if user is None or user_matches(user, mailbox):
        return None
    return Deny(Reason.USER_MISMATCH, f"the request names {user!r}, not {mailbox.upn}")


def readmitted_by_crl(facts: Facts, valid_from: datetime) -> bool:
    """Whether the issuer's CRL is younger than token-valid-from.

    A CA's clock may run behind on purpose (`backdating`), so a CRL must also have been accepted
    here after the revocation.
    """
    crl = facts.revocation[0]
    return (
        crl.this_update is not None
        and crl.accepted_at is not None
        and crl.this_update + facts.backdating > valid_from
        and crl.accepted_at > valid_from
    )


def issued_after(facts: Facts, valid_from: datetime) -> bool:
    """Whether the certificate is younger than token-valid-from."""
    return facts.certificate.not_before + facts.backdating > valid_from


def _expiry(facts: Facts) -> datetime:
    expiry = min(facts.certificate.not_after, facts.chain_not_after)
    for status in facts.revocation:
        if status.next_update is not None and status.next_update < expiry:
            expiry = status.next_update
    return expiry


def _in_handshake(facts: Facts, reason: Reason) -> Deny | None:
    if not facts.handshake:
        return None
    return next((denial for denial in facts.handshake if denial.reason is reason), None)


def _chain(facts: Facts, _now: datetime) -> Deny | None:
    return facts.chain_denial


def _validity(facts: Facts, now: datetime) -> Deny | None:
    begins, ends = facts.certificate.not_before, facts.certificate.not_after
    if not begins <= now <= ends:
        return Deny(
            Reason.OUTSIDE_VALIDITY,
            f"valid from {begins.isoformat()} to {ends.isoformat()}, and it is {now.isoformat()}",
        )
    denial = _in_handshake(facts, Reason.OUTSIDE_VALIDITY)
    if denial is None and now > facts.chain_not_after:
        denial = Deny(Reason.OUTSIDE_VALIDITY, "a CA certificate of the chain has expired")
    return denial


def _key_usage(facts: Facts, _now: datetime) -> Deny | None:
    certificate = facts.certificate
    if certificate.is_authority:
        return Deny(Reason.NOT_CLIENT_AUTH, "it is the certificate of a CA, not of a device")
    if not certificate.may_authenticate:
        return Deny(
            Reason.NOT_CLIENT_AUTH,
            "the key usage or extended key usage does not allow client authentication",
        )
    return _in_handshake(facts, Reason.NOT_CLIENT_AUTH)


def _key_strength(facts: Facts, _now: datetime) -> Deny | None:
    return _in_handshake(facts, Reason.WEAK_KEY)


def _san(facts: Facts, _now: datetime) -> Deny | None:
    binding = facts.binding
    if not binding.names:
        tried = ", ".join(one.text for one in binding.tried)
        return Deny(
            Reason.NO_USABLE_SAN,
            f"the certificate has no SAN value or other field that a binding uses; tried: {tried}",
        )
    if len(binding.mailboxes) > 1:
        found = ", ".join(mailbox.upn for mailbox in binding.mailboxes)
        return Deny(
            Reason.AMBIGUOUS_SAN, f"the certificate's values name different mailboxes: {found}"
        )
    if binding.refusal is not None:
        return Deny(Reason.NO_USABLE_SAN, binding.refusal)
    return None


def _blocked(facts: Facts, _now: datetime) -> Deny | None:
    if facts.blocked:
        return Deny(Reason.CERTIFICATE_BLOCKED, "an administrator blocked this certificate")
    return None


def _revoked(facts: Facts, _now: datetime) -> Deny | None:
    for status in facts.revocation:
        if status.state is _REVOKED:
            return Deny(Reason.CERTIFICATE_REVOKED, status.detail)
    return None


def _revocation_known(facts: Facts, _now: datetime) -> Deny | None:
    for status in facts.revocation:
        if status.state is not _GOOD:
            return Deny(Reason.REVOCATION_UNKNOWN, status.detail)
    if not facts.revocation:
        return Deny(Reason.REVOCATION_UNKNOWN, "no CRL was asked about this certificate")
    return None


def _mailbox(facts: Facts, _now: datetime) -> Deny | None:
    if not facts.binding.mailboxes:
        values = " or ".join(name.text for name in facts.binding.names)
        return Deny(Reason.UNKNOWN_MAILBOX, f"no mailbox has {values}")
    mailbox = facts.binding.mailboxes[0]
    if not mailbox.enabled:
        return Deny(Reason.MAILBOX_DISABLED, f"{mailbox.upn} is disabled")
    return None


def _session_after_token_valid_from(facts: Facts, _now: datetime) -> Deny | None:
    valid_from = facts.token_valid_from
    if valid_from is None:
        return None
    session = facts.session
    if session.authenticated_at <= valid_from.value or session.change_id < valid_from.change_id:
        return Deny(
            Reason.BEFORE_TOKEN_VALID_FROM,
            f"the session is not younger than token-valid-from {valid_from.value.isoformat()}",
        )
    return None


def _readmission(facts: Facts, _now: datetime) -> Deny | None:
    """Comparisons are strict: a tie is refused."""
    set_to = facts.token_valid_from
    if set_to is None or facts.reauthentication is Reauthentication.IMMEDIATE:
        return None
    valid_from = set_to.value
    if issued_after(facts, valid_from) or readmitted_by_crl(facts, valid_from):
        return None
    this_update = facts.revocation[0].this_update
    effective = "none" if this_update is None else this_update.isoformat()
    return Deny(
        Reason.CRL_OLDER_THAN_TOKEN_VALID_FROM,
        f"token-valid-from is {valid_from.isoformat()}, the issuer's CRL is of {effective}",
    )


def _user(facts: Facts, _now: datetime) -> Deny | None:
    return judge_user(facts.binding.mailboxes[0], facts.user)


CHECKS: tuple[tuple[str, Check], ...] = (
    ("chain", _chain),
    ("validity", _validity),
    ("key usage", _key_usage),
    ("key strength", _key_strength),
    ("san", _san),
    ("block", _blocked),
    ("revocation", _revoked),
    ("revocation known", _revocation_known),
    ("mailbox", _mailbox),
    ("session", _session_after_token_valid_from),
    ("readmission", _readmission),
    ("user", _user),
)
