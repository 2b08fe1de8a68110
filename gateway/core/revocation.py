"""What is known about the revocation of one certificate.

Holds the answer; `gateway.core.crl` finds it.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum


class RevocationState(Enum):
    """RFC 5280 section 6.3: unrevoked, revoked, or undetermined."""

    GOOD = "good"
    REVOKED = "revoked"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class RevocationStatus:
    """The revocation status of one certificate of a chain.

    Attributes:
        state: UNKNOWN whenever the CRL is missing, stale or not to be believed.
        issuer_id: the authority record whose CRL was asked.
        serial_number: of the certificate asked about.
        detail: one sentence for the log.
        this_update: the effective date of the CRL that decided, None where there is none.
        next_update: when that CRL ceases to decide.
        accepted_at: when this gateway first accepted that CRL.
    """

    state: RevocationState
    issuer_id: str
    serial_number: int
    detail: str
    this_update: datetime | None = None
    next_update: datetime | None = None
    accepted_at: datetime | None = None
