"""When a CRL is believed (RFC 5280 sections 5 and 6.3.3).

Decides whether bytes are a CRL of an authority that may decide now; is not told where the bytes
come from. What it says of one certificate is `gateway.core.crl_status`.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from cryptography import x509

from gateway.core.authority import Authority
from gateway.core.certificate import subject_key_id
from gateway.core.crl_entries import CrlReason, RevokedEntries, RevokedEntry
from gateway.core.crl_extensions import CrlExtensions, read_extensions
from gateway.core.crl_names import canonical_name
from gateway.core.crl_parts import CrlParts, dissect
from gateway.core.crl_scope import COMPLETE, CrlScope
from gateway.core.crl_signature import require_signature
from gateway.core.crl_walk import read_entries
from gateway.core.unreadable import UNREADABLE
from gateway.errors import CrlError


class CrlKind(Enum):
    """A base CRL is complete for its scope; a delta says what changed since one (5.2.4)."""

    BASE = "base"
    DELTA = "delta"


@dataclass(frozen=True, slots=True)
class CrlFacts:
    """What a CRL says of itself.

    Attributes:
        issuer_id: the authority record that it belongs to.
        crl_number: None where the CRL has none.
        base_crl_number: BaseCRLNumber of a delta; None of a base CRL.
        this_update: the effective date, UTC.
        next_update: when the CRL ceases to decide, UTC.
        next_publish: Microsoft's Next CRL Publish, UTC; None where the CRL has none.
        digest: SHA-256 of the DER.
        source_size: octets of the DER.
        scope: which certificates and reasons it answers for.
        signer: the certificate whose key signed it, DER; None where that is the authority's own.
    """

    issuer_id: str
    crl_number: int | None
    base_crl_number: int | None
    this_update: datetime
    next_update: datetime
    next_publish: datetime | None
    digest: bytes
    source_size: int
    scope: CrlScope = COMPLETE
    signer: bytes | None = None

    @property
    def kind(self) -> CrlKind:
        """A CRL with a BaseCRLNumber is a delta, whatever else it says."""
        return CrlKind.BASE if self.base_crl_number is None else CrlKind.DELTA

    @property
    def text(self) -> str:
        """Which CRL it is, for people."""
        kind = "CRL" if self.kind is CrlKind.BASE else "delta CRL"
        number = "without a number" if self.crl_number is None else f"number {self.crl_number}"
        return f"{kind} {number} of {self.this_update.isoformat()}"


@dataclass(frozen=True, slots=True)
class AcceptedCrl:
    """A CRL that this gateway believes, and the moment it first did, UTC."""

    facts: CrlFacts
    accepted_at: datetime


@dataclass(frozen=True, slots=True)
class RevocationList:
    """A verified CRL with its entries."""

    facts: CrlFacts
    issuer: bytes
    entries: RevokedEntries

    def find(self, serial_number: int) -> RevokedEntry | None:
        """What the CRL says of its issuer's certificate `serial_number`; None if nothing."""
        return self.entries.find(self.issuer, serial_number)


def verify_crl(  # noqa: PLR0913 (each is a fact of its own, and named by the caller)
    data: bytes,
    authority: Authority,
    *,
    now: datetime,
    clock_skew: timedelta,
    previous: AcceptedCrl | None,
    signer: bytes | None = None,
    accept_rollback: bool = False,
) -> RevocationList:
    """The base CRL in `data`, DER or PEM, if it is one for `authority` that may decide at `now`.

    `signer` is the certificate (DER) of who signs it, where that is not the authority's own; that
    it chains to the authority's anchor and is not revoked, `gateway.core.crl_path` finds out.
    `previous` is the last base CRL that was accepted from the same source: none before it is
    accepted again, unless `accept_rollback`. Raises CrlError with what is wrong.
    """
    parts, facts = _believe(data, authority, signer, now, clock_skew)
    if facts.kind is not CrlKind.BASE:
        raise CrlError(
            "the CRL is a delta CRL, but its URL is that of the base CRL; "
            "set it as the delta CRL's URL"
        )
    if not accept_rollback:
        _require_not_older(facts, previous)
    crl = _with_entries(parts, facts)
    if crl.entries.has_reason(CrlReason.REMOVE_FROM_CRL):
        raise CrlError("the base CRL has an entry with reason removeFromCRL, a delta CRL's alone")
    return crl


def verify_delta_crl(  # noqa: PLR0913 (each is a fact of its own, as in verify_crl)
    data: bytes,
    authority: Authority,
    *,
    now: datetime,
    clock_skew: timedelta,
    previous: AcceptedCrl | None,
    signer: bytes | None = None,
    accept_rollback: bool = False,
) -> RevocationList:
    """The delta CRL in `data`, as `verify_crl` does for a base CRL (RFC 5280 section 5.2.4).

    `previous` is the last delta CRL that was accepted. Which base CRLs it goes with,
    `gateway.core.crl_status` decides.
    """
    parts, facts = _believe(data, authority, signer, now, clock_skew)
    if facts.base_crl_number is None:
        raise CrlError("the CRL is no delta CRL: it has no delta CRL indicator")
    if facts.crl_number is None:
        raise CrlError("the delta CRL has no CRL number, so that no base CRL goes with it")
    if facts.crl_number < facts.base_crl_number:
        raise CrlError(
            f"the delta CRL has number {facts.crl_number}, but would change the later CRL "
            f"number {facts.base_crl_number}"
        )
    if not accept_rollback:
        _require_not_older(facts, previous)
    return _with_entries(parts, facts)


def _believe(
    data: bytes, authority: Authority, signer: bytes | None, now: datetime, clock_skew: timedelta
) -> tuple[CrlParts, CrlFacts]:
    """What base and delta CRLs have in common: issuer, signature, extensions and time."""
    parts = dissect(data)
    extensions = read_extensions(parts)
    _require_signer(parts, extensions, authority, _read_signer(authority, signer, now))
    this_update, next_update = _require_current(parts, now, clock_skew)
    facts = CrlFacts(
        issuer_id=authority.id,
        crl_number=extensions.crl_number,
        base_crl_number=extensions.base_crl_number,
        this_update=this_update,
        next_update=next_update,
        next_publish=extensions.next_publish,
        digest=parts.digest,
        source_size=parts.size,
        scope=extensions.scope,
        signer=signer,
    )
    return parts, facts


def _with_entries(parts: CrlParts, facts: CrlFacts) -> RevocationList:
    issuer = canonical_name(parts.issuer)
    entries = read_entries(parts.entries, issuer, indirect=facts.scope.indirect)
    return RevocationList(facts, issuer, entries)


def _require_not_older(facts: CrlFacts, accepted: AcceptedCrl | None) -> None:
    """Raise CrlError if a CRL goes back behind the accepted one (RFC 5280 section 5.2.3).

    The CRL number decides; where one of the two has none, thisUpdate does. A number is given once:
    to CRLs of one thisUpdate.
    """
    if accepted is None:
        return
    previous = accepted.facts
    number, last = facts.crl_number, previous.crl_number
    times = (
        f"its thisUpdate is {facts.this_update.isoformat()}, the last accepted was of "
        f"{previous.this_update.isoformat()}"
    )
    if number is None or last is None:
        if facts.this_update < previous.this_update:
            raise CrlError(f"the CRL is older than the one in force: {times}")
    elif number < last:
        raise CrlError(
            f"the CRL is older than the one in force: its CRL number is {number}, "
            f"the last accepted was {last}"
        )
    elif number == last and facts.this_update != previous.this_update:
        raise CrlError(f"the CRL has the number {number} of another one: {times}")


def _require_signer(
    parts: CrlParts,
    extensions: CrlExtensions,
    authority: Authority,
    certificate: x509.Certificate,
) -> None:
    """Issuer, key and signature must be those of `certificate` (section 6.3.3 b, f and g).

    Without an authority key identifier the signature alone says which key it was.
    """
    name, issuer = certificate.subject.rfc4514_string(), canonical_name(parts.issuer)
    if issuer != canonical_name(certificate.subject.public_bytes()):
        raise CrlError(
            f"the CRL is another CA's: its issuer is {parts.header.issuer.rfc4514_string()}, "
            f"not {name}"
        )
    if issuer != canonical_name(authority.subject) and not extensions.scope.indirect:
        raise CrlError(
            f"the CRL of {name} is not indirect, so that it says nothing about the certificates "
            f"of {authority.trusted_issuer}"
        )
    own, named = subject_key_id(certificate), extensions.authority_key_id
    if named is not None and named != own:
        raise CrlError(
            f"the CRL is signed with another key: its authority key identifier is {named.hex()}, "
            f"the key of {name} is {own.hex()}"
        )
    require_signature(parts, certificate, name)


def _read_signer(authority: Authority, signer: bytes | None, now: datetime) -> x509.Certificate:
    if signer is None:
        return x509.load_der_x509_certificate(authority.certificate)
    try:
        certificate = x509.load_der_x509_certificate(signer)
        name = certificate.subject.rfc4514_string()
    except UNREADABLE as error:
        raise CrlError(f"the certificate of the CRL's signer cannot be read: {error}") from error
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        raise CrlError(f"the certificate of {name}, which signs the CRL, is not valid now")
    return certificate


def _require_current(
    parts: CrlParts, now: datetime, clock_skew: timedelta
) -> tuple[datetime, datetime]:
    """Both times of the CRL, between which `now` must lie (RFC 5280 section 5.1.2)."""
    this_update = parts.header.last_update_utc
    next_update = parts.header.next_update_utc
    if next_update is None:
        raise CrlError("the CRL has no nextUpdate: it does not say how long it may be believed")
    if next_update <= this_update:
        raise CrlError("the CRL's nextUpdate is not after its thisUpdate")
    if this_update > now + clock_skew:
        raise CrlError(
            f"the CRL is not yet valid: its thisUpdate, {this_update.isoformat()}, lies in the "
            f"future; compare this machine's clock with the CA's"
        )
    if next_update <= now:
        raise CrlError(f"the CRL is expired: its nextUpdate was {next_update.isoformat()}")
    return this_update, next_update
