"""The extensions of a CRL (RFC 5280 section 5.2).

Decides which are understood: one that is critical and is not makes the CRL unusable.
"""

from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.x509.oid import ExtensionOID

from gateway.core import crl_der as der
from gateway.core.crl_entries import decode_date, encode_date
from gateway.core.crl_names import canonical_name
from gateway.core.crl_parts import CrlParts
from gateway.core.crl_scope import COMPLETE, CrlScope
from gateway.errors import CrlError

NEXT_PUBLISH = x509.ObjectIdentifier("1.3.6.1.4.1.311.21.4")
_IMPLEMENTED = frozenset(
    {
        ExtensionOID.AUTHORITY_KEY_IDENTIFIER,
        ExtensionOID.CRL_NUMBER,
        ExtensionOID.DELTA_CRL_INDICATOR,
        ExtensionOID.ISSUING_DISTRIBUTION_POINT,
    }
)
_NAMES = {ExtensionOID.FRESHEST_CRL: "freshestCRL (2.5.29.46)"}
_LONGEST_NUMBER = 20  # octets (RFC 5280 section 5.2.3)


@dataclass(frozen=True, slots=True)
class CrlExtensions:
    """What the extensions say, each None where it is absent.

    Attributes:
        authority_key_id: the AKI's key identifier.
        crl_number: cRLNumber.
        base_crl_number: deltaCRLIndicator; a CRL that has it is a delta CRL.
        next_publish: Microsoft's Next CRL Publish, UTC.
        scope: issuingDistributionPoint; that of a complete CRL where it is absent.
    """

    authority_key_id: bytes | None
    crl_number: int | None
    base_crl_number: int | None
    next_publish: datetime | None
    scope: CrlScope


def read_extensions(parts: CrlParts) -> CrlExtensions:
    """The extensions of the CRL; raises CrlError that names the one that forbids its use."""
    try:
        found = {one.oid: one for one in parts.header.extensions}
    except (ValueError, x509.DuplicateExtension) as error:
        raise CrlError(f"the extensions of the CRL cannot be read: {error}") from error
    for oid, extension in found.items():
        if extension.critical and oid not in _IMPLEMENTED:
            raise CrlError(
                f"the CRL has a critical extension that is not implemented: {_name(oid)}"
            )
    values = {oid: one.value for oid, one in found.items()}
    key = values.get(ExtensionOID.AUTHORITY_KEY_IDENTIFIER)
    number = values.get(ExtensionOID.CRL_NUMBER)
    base = values.get(ExtensionOID.DELTA_CRL_INDICATOR)
    point = values.get(ExtensionOID.ISSUING_DISTRIBUTION_POINT)
    return CrlExtensions(
        authority_key_id=key.key_identifier
        if isinstance(key, x509.AuthorityKeyIdentifier)
        else None,
        crl_number=_number(number.crl_number) if isinstance(number, x509.CRLNumber) else None,
        base_crl_number=_number(base.crl_number)
        if isinstance(base, x509.DeltaCRLIndicator)
        else None,
        next_publish=_next_publish(values.get(NEXT_PUBLISH)),
        scope=CrlScope.of(point, canonical_name(parts.issuer))
        if isinstance(point, x509.IssuingDistributionPoint)
        else COMPLETE,
    )


def _number(number: int) -> int:
    if len(der.shortest_integer(number)) > _LONGEST_NUMBER:
        raise CrlError(f"a CRL number of the CRL is longer than {_LONGEST_NUMBER} octets")
    return number


def _next_publish(value: x509.ExtensionType | None) -> datetime | None:
    """The Time of an extension that only hints: one that cannot be read is as good as none."""
    if not isinstance(value, x509.UnrecognizedExtension):
        return None
    try:
        time = der.read(value.value, 0, len(value.value))
        return decode_date(encode_date(time.tag, time.content(value.value)))
    except CrlError:
        return None


def _name(oid: x509.ObjectIdentifier) -> str:
    return _NAMES.get(oid, oid.dotted_string)
