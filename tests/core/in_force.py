"""CRLs in force for tests, without the files that the engine keeps them in."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Unpack

from cryptography.hazmat.primitives.serialization import Encoding

from gateway.core.authority import Authority
from gateway.core.crl import AcceptedCrl, RevocationList, verify_crl, verify_delta_crl
from gateway.core.crl_entries import RevokedEntries
from gateway.pki.authority import CertificateAuthority
from gateway.pki.crl import CrlOptions, Revocation
from tests.core.crl_samples import NOW, SKEW

HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class InForce:
    """A verified CRL that was accepted."""

    crl: RevocationList
    accepted: AcceptedCrl

    @property
    def issuer(self) -> bytes:
        """As the CRL has it."""
        return self.crl.issuer

    @property
    def entries(self) -> RevokedEntries:
        """As the CRL has them."""
        return self.crl.entries


def in_force(
    ca: CertificateAuthority,
    authority: Authority,
    revoked: Sequence[Revocation] = (),
    *,
    is_delegated: bool = False,
    accepted_at: datetime = NOW,
    **options: Unpack[CrlOptions],
) -> InForce:
    """A CRL for `authority`, of an hour ago and signed by `ca`, which it names if delegated."""
    options.setdefault("this_update", NOW - HOUR)
    signed = ca.sign_crl(revoked, **options)
    verify = verify_delta_crl if "base_number" in options else verify_crl
    crl = verify(
        signed.public_bytes(Encoding.DER),
        authority,
        now=options["this_update"],
        clock_skew=SKEW,
        previous=None,
        signer=ca.certificate.public_bytes(Encoding.DER) if is_delegated else None,
    )
    return InForce(crl, AcceptedCrl(crl.facts, accepted_at))
