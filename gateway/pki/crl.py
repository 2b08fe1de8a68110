"""Certificate revocation lists (RFC 5280, section 5), right ones and every kind of wrong one."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypedDict

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from gateway.pki.identity import PrivateKey

LIFETIME = timedelta(days=30)

AnyExtension = x509.Extension[x509.ExtensionType]


@dataclass(frozen=True, kw_only=True)
class Revocation:
    """One entry of a CRL.

    `revocation_date` is the CRL's thisUpdate unless given. `certificate_issuer` adds the entry
    extension of an indirect CRL (5.3.3).
    """

    serial_number: int
    revocation_date: datetime | None = None
    reason: x509.ReasonFlags | None = None
    certificate_issuer: x509.Name | None = None
    extensions: tuple[AnyExtension, ...] = ()


class CrlOptions(TypedDict, total=False):
    """What a CRL may differ in from the plain one.

    `this_update` is now, `next_update` 30 days later; the library signs no CRL without a
    nextUpdate, nor one whose nextUpdate precedes its thisUpdate. `number` is 1; None leaves the
    CRL number out. `base_number` makes a delta CRL (5.2.4). An entry of `extensions` takes the
    place of the usual one with its OID, and those of `omit` are left out. `issuer_name` and
    `authority_key_identifier` (a key identifier) are the signer's own: others make a CRL that
    claims to be another CA's.
    """

    this_update: datetime
    next_update: datetime
    number: int | None
    base_number: int
    issuing_distribution_point: x509.IssuingDistributionPoint
    extensions: Sequence[AnyExtension]
    omit: Collection[x509.ObjectIdentifier]
    issuer_name: x509.Name
    authority_key_identifier: bytes


def extension(value: x509.ExtensionType, *, critical: bool = False) -> AnyExtension:
    """`value` with its OID and criticality."""
    return x509.Extension(value.oid, critical, value)


def merge(
    usual: Iterable[AnyExtension],
    others: Iterable[AnyExtension],
    omit: Collection[x509.ObjectIdentifier],
) -> list[AnyExtension]:
    """`usual` and `others`, one for each OID: the later one counts; none whose OID is in `omit`."""
    by_oid = {one.oid: one for one in (*usual, *others)}
    return [one for oid, one in by_oid.items() if oid not in omit]


def now() -> datetime:
    """The current time in whole seconds, which is all that a certificate can say."""
    return datetime.now(UTC).replace(microsecond=0)


def sign(
    key: PrivateKey, revoked: Iterable[Revocation], options: CrlOptions
) -> x509.CertificateRevocationList:
    """A CRL over `revoked`, signed with `key`; `options` must hold the issuer's name and key id."""
    this_update = options.get("this_update") or now()
    # Entry by entry the builder copies its list each time: quadratic for a large CRL.
    entries = [_entry(one, this_update) for one in revoked]
    builder = (
        x509.CertificateRevocationListBuilder(revoked_certificates=entries)
        .issuer_name(options["issuer_name"])
        .last_update(this_update)
        .next_update(options.get("next_update") or this_update + LIFETIME)
    )
    for one in merge(_usual(options), options.get("extensions", ()), options.get("omit", ())):
        builder = builder.add_extension(one.value, one.critical)
    return builder.sign(key, SHA256())


def _usual(options: CrlOptions) -> list[AnyExtension]:
    key_identifier = options["authority_key_identifier"]
    found = [extension(x509.AuthorityKeyIdentifier(key_identifier, None, None))]
    if (number := options.get("number", 1)) is not None:
        found.append(extension(x509.CRLNumber(number)))
    if "base_number" in options:
        found.append(extension(x509.DeltaCRLIndicator(options["base_number"]), critical=True))
    if "issuing_distribution_point" in options:
        found.append(extension(options["issuing_distribution_point"], critical=True))
    return found


def _entry(revocation: Revocation, this_update: datetime) -> x509.RevokedCertificate:
    builder = (
        x509.RevokedCertificateBuilder()
        .serial_number(revocation.serial_number)
        .revocation_date(revocation.revocation_date or this_update)
    )
    if revocation.reason is not None:
        builder = builder.add_extension(x509.CRLReason(revocation.reason), critical=False)
    if revocation.certificate_issuer is not None:
        names = [x509.DirectoryName(revocation.certificate_issuer)]
        builder = builder.add_extension(x509.CertificateIssuer(names), critical=True)
    for one in revocation.extensions:
        builder = builder.add_extension(one.value, one.critical)
    return builder.build()
