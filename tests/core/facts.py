"""Facts of a phone that is let in, of which a test changes what it is about."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from gateway.core.binding import Binding
from gateway.core.certificate import ClientCertificate
from gateway.core.decision import Facts, Reauthentication, Session
from gateway.core.mailbox import Mailbox
from gateway.core.revocation import RevocationState, RevocationStatus
from gateway.pki.authority import CertificateAuthority

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
ALICE = Mailbox("alice@example.test", primary_address="alice@mail.test")
BOB = Mailbox("bob@example.test")

CERTIFICATE = ClientCertificate.from_der(
    CertificateAuthority.root("Facts root")
    .issue_device(
        upn=ALICE.upn, serial_number=1, not_before=NOW - 30 * DAY, not_after=NOW + 30 * DAY
    )
    .certificate_der
)
GOOD = RevocationStatus(
    state=RevocationState.GOOD,
    issuer_id="aa",
    serial_number=1,
    detail="not revoked",
    this_update=NOW - HOUR,
    next_update=NOW + DAY,
    accepted_at=NOW - HOUR,
)
ALLOWED = Facts(
    certificate=CERTIFICATE,
    chain_denial=None,
    chain_not_after=NOW + 3650 * DAY,
    binding=Binding(CERTIFICATE.principal_names, (ALICE,)),
    blocked=False,
    revocation=(GOOD,),
    backdating=timedelta(0),
    token_valid_from=None,
    session=Session(NOW - HOUR, 7),
    reauthentication=Reauthentication.FRESH_CRL,
)


def facts(**changes: Any) -> Facts:
    """The facts of a phone that is let in, but for `changes`."""
    return replace(ALLOWED, **changes)


def certificate(**changes: Any) -> ClientCertificate:
    """Its certificate, but for `changes`."""
    return replace(CERTIFICATE, **changes)


def status(state: RevocationState = RevocationState.GOOD, **changes: Any) -> RevocationStatus:
    """The revocation status of its certificate, but for `changes`."""
    return replace(GOOD, state=state, **changes)
