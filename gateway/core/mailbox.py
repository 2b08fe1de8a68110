"""A mailbox as the directory describes it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.core import certificate_user_id as user_id
from gateway.core.names import fold
from gateway.core.username_binding import CertificateField
from gateway.errors import DirectoryError


@dataclass(frozen=True, slots=True)
class Mailbox:
    r"""One mailbox; `upn` identifies it, compared without regard to ASCII case.

    Attributes:
        upn: userPrincipalName, as written in the directory.
        primary_address: the address with the capital `SMTP:` prefix, without that prefix.
        proxy_addresses: the other addresses, without their `smtp:` prefix.
        sam_account_name: sAMAccountName; None where the directory has none.
        netbios_domain: the part before the backslash in `DOMAIN\sam`; None where unknown.
        enabled: False when the directory says that the mailbox may not be used.
        certificate_user_ids: certificateUserIds, as written in the directory.
        on_premises_upn: onPremisesUserPrincipalName; None where the directory has none.
        security_identifier: onPremisesSecurityIdentifier, AD's objectSid; None likewise.
        groups: the groups that device access rules may name it by, as written in the directory.
        upstream: the name of the `[[upstream]]` that serves it; None for the default one.
    """

    upn: str
    primary_address: str | None = None
    proxy_addresses: tuple[str, ...] = ()
    sam_account_name: str | None = None
    netbios_domain: str | None = None
    enabled: bool = True
    certificate_user_ids: tuple[str, ...] = ()
    on_premises_upn: str | None = None
    security_identifier: str | None = None
    groups: frozenset[str] = frozenset()
    upstream: str | None = None
    key: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", fold(self.upn))

    @property
    def addresses(self) -> tuple[str, ...]:
        """Every address that mail for this mailbox is sent to, the primary one first."""
        first = () if self.primary_address is None else (self.primary_address,)
        return first + tuple(a for a in self.proxy_addresses if a not in first)

    @property
    def identifiers(self) -> Mapping[str, str]:
        """What certificates may name the mailbox by besides UPN and addresses.

        By the key that it is looked up by, how it is written; what is written wrongly is left out.
        """
        if not (self.certificate_user_ids or self.on_premises_upn or self.security_identifier):
            return {}
        found: dict[str, str] = {}
        for value in self.certificate_user_ids:
            try:
                found[user_id.value_key(value)] = f"certificateUserIds value {value}"
            except DirectoryError:
                continue
        if self.on_premises_upn is not None:
            key = on_premises_upn_key(self.on_premises_upn)
            found[key] = f"onPremisesUserPrincipalName {self.on_premises_upn}"
        if self.security_identifier is not None:
            key = user_id.key(CertificateField.SID, self.security_identifier)
            found[key] = f"SID {self.security_identifier}"
        return found


def on_premises_upn_key(upn: str) -> str:
    """What an onPremisesUserPrincipalName is looked up by."""
    return f"onPremisesUserPrincipalName:{fold(upn)}"
