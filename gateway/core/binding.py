"""Username bindings: from the names in a certificate to mailboxes.

Decides which mailboxes the bound SAN values name; is not told whether one of them may be used.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from gateway.core.certificate import ClientCertificate
from gateway.core.mailbox import Mailbox
from gateway.core.names import PrincipalName, SanName


class UsernameBinding(Enum):
    """A certificate field that may name a mailbox, as Entra calls it."""

    PRINCIPAL_NAME = "PrincipalName"
    RFC822_NAME = "RFC822Name"


class MailboxLookup(Protocol):
    """Where mailboxes are looked up; both look-ups disregard ASCII case."""

    def find_by_upn(self, upn: str) -> Mailbox | None:
        """The mailbox whose userPrincipalName this is."""

    def find_by_address(self, address: str) -> Mailbox | None:
        """The mailbox that has this address as its primary or a proxy address."""


@dataclass(frozen=True, slots=True)
class Binding:
    """What the bound SAN values name.

    Attributes:
        names: the bound values that the certificate has, in binding order.
        mailboxes: the different mailboxes found by them, in that order; values that name none are
            passed over.
    """

    names: tuple[SanName, ...]
    mailboxes: tuple[Mailbox, ...]


def bind(
    certificate: ClientCertificate, order: Sequence[UsernameBinding], directory: MailboxLookup
) -> Binding:
    """Look up every bound value of `certificate`.

    A principal name is compared with userPrincipalName, an RFC822 name with the addresses (Entra's
    rule for Exchange ActiveSync).
    """
    names = tuple(name for binding in order for name in _values(certificate, binding))
    found: dict[str, Mailbox] = {}
    for name in names:
        mailbox = (
            directory.find_by_upn(name.value)
            if isinstance(name, PrincipalName)
            else directory.find_by_address(name.value)
        )
        if mailbox is not None:
            found.setdefault(mailbox.key, mailbox)
    return Binding(names, tuple(found.values()))


def _values(certificate: ClientCertificate, binding: UsernameBinding) -> Sequence[SanName]:
    if binding is UsernameBinding.PRINCIPAL_NAME:
        return certificate.principal_names
    return certificate.rfc822_names
