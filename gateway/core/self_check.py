"""What the holder of a certificate may be told about it on the self-check page.

Decides what is told to whom; is not told how it looks. Who is refused learns nothing that the
certificate itself does not say, but for a plain category.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from types import MappingProxyType

from gateway.core.certificate import ClientCertificate
from gateway.core.decision import Decision, Deny
from gateway.core.names import SanName
from gateway.core.reasons import ANSWERS, Reason
from gateway.core.revocation import RevocationStatus

_SOON = timedelta(days=14)


class Outcome(Enum):
    """What became of the sign-in, in no more detail than its owner may know."""

    ALLOWED = auto()
    NO_CERTIFICATE = auto()
    NOT_TRUSTED = auto()
    OUTSIDE_VALIDITY = auto()
    WITHDRAWN = auto()
    NAMES_NOBODY = auto()
    NO_ACCESS = auto()
    RESET = auto()
    LATER = auto()


class Validity(Enum):
    """Where a moment lies in the validity of a certificate."""

    NOT_YET = auto()
    VALID = auto()
    ENDS_SOON = auto()
    OVER = auto()


@dataclass(frozen=True, slots=True)
class Presented:
    """What a certificate says of itself that its holder is always shown; moments are UTC."""

    names: tuple[SanName, ...]
    not_before: datetime
    not_after: datetime
    validity: Validity


@dataclass(frozen=True, slots=True)
class Admitted:
    """What only the holder of a certificate that is let in is shown.

    Attributes:
        subject, issuer: RFC 4514 text.
        serial_number: as the certificate has it.
        mailbox: the UPN of the one that the certificate maps to.
        crl_of: the effective date of the CRL that does not list it; None where none is asked for.
    """

    subject: str
    issuer: str
    serial_number: int
    mailbox: str
    crl_of: datetime | None


@dataclass(frozen=True, slots=True)
class SelfCheck:
    """All that the page shows.

    Attributes:
        presented: None where there is no certificate, or where it cannot be read (NOT_TRUSTED).
        admitted: None unless the outcome is ALLOWED.
    """

    outcome: Outcome
    at: datetime
    presented: Presented | None
    admitted: Admitted | None = None


_OUTCOMES: Mapping[Reason, Outcome] = MappingProxyType(
    {
        Reason.UNTRUSTED_CHAIN: Outcome.NOT_TRUSTED,
        Reason.OUTSIDE_VALIDITY: Outcome.OUTSIDE_VALIDITY,
        Reason.NOT_CLIENT_AUTH: Outcome.NOT_TRUSTED,
        Reason.WEAK_KEY: Outcome.NOT_TRUSTED,
        Reason.CERTIFICATE_BLOCKED: Outcome.WITHDRAWN,
        Reason.CERTIFICATE_REVOKED: Outcome.WITHDRAWN,
        Reason.BEFORE_TOKEN_VALID_FROM: Outcome.RESET,
        Reason.CRL_OLDER_THAN_TOKEN_VALID_FROM: Outcome.RESET,
    }
)
"""All other reasons pass by themselves, or are NO_ACCESS.

Telling those apart would tell which mailboxes there are.
"""


def self_check(
    decision: Decision,
    certificate: ClientCertificate | None,
    revocation: Sequence[RevocationStatus],
    now: datetime,
) -> SelfCheck:
    """What to tell the holder of `certificate` about `decision`, made `now` (UTC).

    `revocation` is that of the facts, if it is let in. `certificate` is None where there is none,
    or where it cannot be read.
    """
    if certificate is None:
        has_none = isinstance(decision, Deny) and decision.reason is Reason.NO_CERTIFICATE
        return SelfCheck(Outcome.NO_CERTIFICATE if has_none else Outcome.NOT_TRUSTED, now, None)
    presented = _presented(certificate, now)
    if isinstance(decision, Deny):
        return SelfCheck(_outcome(decision.reason, presented), now, presented)
    admitted = Admitted(
        subject=certificate.subject,
        issuer=certificate.issuer_text,
        serial_number=certificate.serial_number,
        mailbox=decision.mailbox.upn,
        crl_of=revocation[0].this_update if revocation else None,
    )
    return SelfCheck(Outcome.ALLOWED, now, presented, admitted)


def _outcome(reason: Reason, presented: Presented) -> Outcome:
    if reason is Reason.NO_USABLE_SAN and not presented.names:
        return Outcome.NAMES_NOBODY
    passes = ANSWERS[reason].retry_after is not None
    return _OUTCOMES.get(reason, Outcome.LATER if passes else Outcome.NO_ACCESS)


def _presented(certificate: ClientCertificate, now: datetime) -> Presented:
    return Presented(
        names=(*certificate.principal_names, *certificate.rfc822_names),
        not_before=certificate.not_before,
        not_after=certificate.not_after,
        validity=_validity(certificate, now),
    )


def _validity(certificate: ClientCertificate, now: datetime) -> Validity:
    if now < certificate.not_before:
        return Validity.NOT_YET
    if now > certificate.not_after:
        return Validity.OVER
    return Validity.ENDS_SOON if now > certificate.not_after - _SOON else Validity.VALID
