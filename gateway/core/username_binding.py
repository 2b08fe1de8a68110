"""Username bindings as Entra has them: which certificate field is compared with which attribute.

Decides which bindings there can be and in which order they are tried; is told no certificate.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType


class CertificateField(Enum):
    """A certificate field that may name a mailbox, as Entra calls it; SID is MS-WCCE's."""

    PRINCIPAL_NAME = "PrincipalName"
    RFC822_NAME = "RFC822Name"
    ISSUER_AND_SUBJECT = "IssuerAndSubject"
    SUBJECT = "Subject"
    SKI = "SKI"
    SHA1_PUBLIC_KEY = "SHA1PublicKey"
    ISSUER_AND_SERIAL_NUMBER = "IssuerAndSerialNumber"
    SID = "SID"


class DirectoryAttribute(Enum):
    """The attribute of a mailbox that a field is compared with."""

    USER_PRINCIPAL_NAME = "userPrincipalName"
    ON_PREMISES_USER_PRINCIPAL_NAME = "onPremisesUserPrincipalName"
    PROXY_ADDRESSES = "proxyAddresses"
    CERTIFICATE_USER_IDS = "certificateUserIds"
    ON_PREMISES_SECURITY_IDENTIFIER = "onPremisesSecurityIdentifier"


class Affinity(Enum):
    """High where a field cannot be given to somebody else later, as a name can."""

    LOW = "low"
    HIGH = "high"


class SerialNumberOrder(Enum):
    """How `<SR>` in certificateUserIds writes a serial number."""

    CERTUTIL = "certutil"  # the most significant octet first
    REVERSED = "reversed"  # the least significant first, as altSecurityIdentities in AD has it


_NAMES = (
    DirectoryAttribute.USER_PRINCIPAL_NAME,
    DirectoryAttribute.ON_PREMISES_USER_PRINCIPAL_NAME,
    DirectoryAttribute.CERTIFICATE_USER_IDS,
)
_IDS = (DirectoryAttribute.CERTIFICATE_USER_IDS,)

ATTRIBUTES: Mapping[CertificateField, tuple[DirectoryAttribute, ...]] = MappingProxyType(
    {
        CertificateField.PRINCIPAL_NAME: _NAMES,
        # Entra's rule for Exchange ActiveSync comes first.
        CertificateField.RFC822_NAME: (DirectoryAttribute.PROXY_ADDRESSES, *_NAMES),
        CertificateField.ISSUER_AND_SUBJECT: _IDS,
        CertificateField.SUBJECT: _IDS,
        CertificateField.SKI: _IDS,
        CertificateField.SHA1_PUBLIC_KEY: _IDS,
        CertificateField.ISSUER_AND_SERIAL_NUMBER: _IDS,
        CertificateField.SID: (DirectoryAttribute.ON_PREMISES_SECURITY_IDENTIFIER,),
    }
)
"""What each field may be compared with; the first one is meant where none is named."""

_HIGH = frozenset(
    {
        CertificateField.SKI,
        CertificateField.SHA1_PUBLIC_KEY,
        CertificateField.ISSUER_AND_SERIAL_NUMBER,
        CertificateField.SID,
    }
)


@dataclass(frozen=True, slots=True)
class UsernameBinding:
    """One certificate field and the attribute that it is compared with."""

    field: CertificateField
    attribute: DirectoryAttribute

    @classmethod
    def usual(cls, bound: CertificateField) -> "UsernameBinding":
        """The binding of a field to its first attribute."""
        return cls(bound, ATTRIBUTES[bound][0])

    @property
    def affinity(self) -> Affinity:
        """As Entra derives it, from the field alone."""
        return affinity(self.field)

    @property
    def text(self) -> str:
        """The binding for people."""
        return f"{self.field.value} with {self.attribute.value}"


def affinity(bound: CertificateField) -> Affinity:
    """The affinity of a field."""
    return Affinity.HIGH if bound in _HIGH else Affinity.LOW


@dataclass(frozen=True, slots=True)
class BindingRules:
    """What the configuration says about naming mailboxes.

    Attributes:
        bindings: in the order in which they are tried.
        by_priority: the first binding that names a mailbox decides, as in Entra; else all are
            tried, and two different mailboxes are an ambiguity.
        required_affinity: with `HIGH`, bindings of low affinity are passed over.
        require_sid_match: a certificate with another SID than the mailbox's does not name it.
        serial_number_order: of `<SR>` in certificateUserIds.
        in_use: the bindings that are not passed over.
    """

    bindings: tuple[UsernameBinding, ...]
    by_priority: bool = False
    required_affinity: Affinity = Affinity.LOW
    require_sid_match: bool = False
    serial_number_order: SerialNumberOrder = SerialNumberOrder.CERTUTIL
    in_use: tuple[UsernameBinding, ...] = field(init=False)

    def __post_init__(self) -> None:
        every = self.required_affinity is Affinity.LOW
        used = tuple(one for one in self.bindings if every or one.affinity is Affinity.HIGH)
        object.__setattr__(self, "in_use", used)

    @classmethod
    def of(cls, fields: Iterable[CertificateField]) -> "BindingRules":
        """The usual binding of each field, and the usual rules."""
        return cls(tuple(map(UsernameBinding.usual, fields)))


DEFAULT_FIELDS = (CertificateField.PRINCIPAL_NAME, CertificateField.RFC822_NAME)
DEFAULT_RULES = BindingRules.of(DEFAULT_FIELDS)
