"""Username bindings at work: from what is in a certificate to mailboxes.

Decides which mailboxes the bound fields name; is not told whether one of them may be used.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from gateway.core import certificate_user_id as user_id
from gateway.core.certificate import ClientCertificate
from gateway.core.mailbox import Mailbox, on_premises_upn_key
from gateway.core.names import SanName, fold
from gateway.core.username_binding import (
    BindingRules,
    CertificateField,
    DirectoryAttribute,
    SerialNumberOrder,
    UsernameBinding,
)
from gateway.errors import CertificateError

# Names of their own: a member of an enumeration is slow to find, and each decision asks.
_UPN = DirectoryAttribute.USER_PRINCIPAL_NAME
_ADDRESSES = DirectoryAttribute.PROXY_ADDRESSES
_PRINCIPAL_NAME = CertificateField.PRINCIPAL_NAME
_RFC822_NAME = CertificateField.RFC822_NAME


class MailboxLookup(Protocol):
    """Where mailboxes are looked up; all look-ups disregard ASCII case."""

    def find_by_upn(self, upn: str) -> Mailbox | None:
        """The mailbox whose userPrincipalName this is."""

    def find_by_address(self, address: str) -> Mailbox | None:
        """The mailbox that has this address as its primary or a proxy address."""

    def find_by_identifier(self, key: str) -> Mailbox | None:
        """The mailbox among whose `identifiers` this key is."""


@dataclass(frozen=True, slots=True)
class FieldValue:
    """The value of a bound field that is no name, as people read it."""

    field: CertificateField
    value: str

    @property
    def text(self) -> str:
        """The value and what it is, for people."""
        return f"{self.field.value} {self.value}"


BoundValue = SanName | FieldValue
_Keyed = tuple[BoundValue, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Binding:
    """What the bound values name.

    Attributes:
        names: the bound values that the certificate has, in binding order, up to the one that
            decided.
        mailboxes: the different mailboxes found by them, in that order; values that name none are
            passed over.
        tried: the bindings that the configuration has.
        refusal: why the certificate does not name the mailbox after all, as a sentence.
    """

    names: tuple[BoundValue, ...]
    mailboxes: tuple[Mailbox, ...]
    tried: tuple[UsernameBinding, ...] = ()
    refusal: str | None = None


def bind(certificate: ClientCertificate, rules: BindingRules, directory: MailboxLookup) -> Binding:
    """Look up what the bindings of `rules` find in `certificate`.

    A field that the certificate lacks, or that cannot be read, is passed over, and so is a value
    that names no mailbox. By priority, the first binding that names one decides.
    """
    names: list[BoundValue] = []
    found: dict[str, Mailbox] = {}
    for binding in rules.in_use:
        for name, keys in _values(certificate, binding, rules):
            names.append(name)
            for mailbox in _look_up(directory, binding, name, keys):
                if mailbox is not None:
                    found.setdefault(mailbox.key, mailbox)
        if found and rules.by_priority:
            break
    mailboxes = tuple(found.values())
    refusal = None
    if rules.require_sid_match and len(mailboxes) == 1:
        refusal = _other_sid(certificate, mailboxes[0])
    return Binding(tuple(names), mailboxes, rules.in_use, refusal)


def lookup_keys(certificate: ClientCertificate, rules: BindingRules) -> frozenset[str]:
    """All that `certificate` can name a mailbox by: its SAN values folded, and identifiers."""
    names: tuple[SanName, ...] = (*certificate.principal_names, *certificate.rfc822_names)
    keys = {fold(name.value) for name in names}
    for binding in rules.in_use:
        if binding.attribute is not _UPN and binding.attribute is not _ADDRESSES:
            keys.update(key for _, some in _values(certificate, binding, rules) for key in some)
    return frozenset(keys)


def _look_up(
    directory: MailboxLookup, binding: UsernameBinding, name: BoundValue, keys: Iterable[str]
) -> Iterable[Mailbox | None]:
    if binding.attribute is _UPN:
        return (directory.find_by_upn(name.value),)
    if binding.attribute is _ADDRESSES:
        return (directory.find_by_address(name.value),)
    return [directory.find_by_identifier(key) for key in keys]


def _values(
    certificate: ClientCertificate, binding: UsernameBinding, rules: BindingRules
) -> Iterable[_Keyed]:
    """The values of a field, each with the identifiers that it may be stored as."""
    if binding.field is _PRINCIPAL_NAME:
        return [(one, _name_keys(binding, one)) for one in certificate.principal_names]
    if binding.field is _RFC822_NAME:
        return [(one, _name_keys(binding, one)) for one in certificate.rfc822_names]
    try:
        return list(_read(certificate, binding.field, rules.serial_number_order))
    except CertificateError:
        return []


def _name_keys(binding: UsernameBinding, name: SanName) -> tuple[str, ...]:
    if binding.attribute is _UPN or binding.attribute is _ADDRESSES:
        return ()
    if binding.attribute is DirectoryAttribute.ON_PREMISES_USER_PRINCIPAL_NAME:
        return (on_premises_upn_key(name.value),)
    return (user_id.text_key(binding.field, name.value),)


def _read(
    certificate: ClientCertificate, field: CertificateField, order: SerialNumberOrder
) -> Iterator[_Keyed]:
    """Raises CertificateError if the field is there and cannot be read."""
    match field:
        case CertificateField.SKI:
            identifier = certificate.key_identifier
            if identifier is not None:
                key = user_id.octets_key(field, identifier)
                yield FieldValue(field, identifier.hex()), (key,)
        case CertificateField.SHA1_PUBLIC_KEY:
            # Its name says the one, and Microsoft's own tools write the other.
            hashes = certificate.sha1_hashes
            keys = tuple(user_id.octets_key(field, one) for one in hashes)
            yield FieldValue(field, " or ".join(one.hex() for one in hashes)), keys
        case CertificateField.SID:
            for sid in certificate.security_identifiers:
                yield FieldValue(field, sid), (user_id.key(field, sid),)
        case _:
            yield from _distinguished(certificate, field, order)


def _distinguished(
    certificate: ClientCertificate, field: CertificateField, order: SerialNumberOrder
) -> Iterator[_Keyed]:
    issuer, subject = certificate.names
    if field is CertificateField.ISSUER_AND_SERIAL_NUMBER:
        if certificate.serial_number > 0:
            numbers = _written(certificate.serial_number_octets, order)
            keys = tuple(user_id.serial_number_key(issuer, one) for one in numbers)
            yield FieldValue(field, f"{certificate.serial_number:#x}"), keys
    elif subject:
        names = (subject,) if field is CertificateField.SUBJECT else (issuer, subject)
        key = user_id.name_key(field, *names)
        yield FieldValue(field, certificate.subject), (key,)


def _written(octets: bytes, order: SerialNumberOrder) -> Iterator[bytes]:
    """With and without the octet that keeps the number positive: tools differ in that."""
    shortest = octets.lstrip(b"\0")
    for one in dict.fromkeys((octets, shortest)):
        yield one if order is SerialNumberOrder.CERTUTIL else one[::-1]


def _other_sid(certificate: ClientCertificate, mailbox: Mailbox) -> str | None:
    """Names are given again, SIDs never: this is a certificate of whoever had the name before."""
    own = mailbox.security_identifier
    if own is None:
        return None
    try:
        sids = certificate.security_identifiers
    except CertificateError as error:
        return f"{error}, and {mailbox.upn} has the SID {own}"
    others = [sid for sid in sids if sid != own]
    if others:
        return f"the certificate has the SID {others[0]}, and {mailbox.upn} has {own}"
    return None
