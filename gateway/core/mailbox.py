"""A mailbox as the directory describes it."""

from dataclasses import dataclass, field

from gateway.core.names import fold


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
    """

    upn: str
    primary_address: str | None = None
    proxy_addresses: tuple[str, ...] = ()
    sam_account_name: str | None = None
    netbios_domain: str | None = None
    enabled: bool = True
    key: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", fold(self.upn))

    @property
    def addresses(self) -> tuple[str, ...]:
        """Every address that mail for this mailbox is sent to, the primary one first."""
        first = () if self.primary_address is None else (self.primary_address,)
        return first + tuple(a for a in self.proxy_addresses if a not in first)
