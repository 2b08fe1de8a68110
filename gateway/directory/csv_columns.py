"""The header of a CSV export: which column holds what, under the names that exports use."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

from gateway.core.names import fold


class Column(Enum):
    """What a column holds; the value is its name in our own files."""

    UPN = "upn"
    PRIMARY_ADDRESS = "primary_address"
    MAIL = "mail"
    PROXY_ADDRESSES = "proxy_addresses"
    SAM_ACCOUNT_NAME = "sam_account_name"
    NETBIOS_DOMAIN = "netbios_domain"
    ENABLED = "enabled"
    CERTIFICATE_USER_IDS = "certificate_user_ids"
    ON_PREMISES_UPN = "on_premises_upn"
    SECURITY_IDENTIFIER = "security_identifier"
    GROUPS = "groups"
    UPSTREAM = "upstream"


# Without case, blanks, hyphens and underscores.
_SPELLINGS: Mapping[str, Column] = MappingProxyType(
    {
        "upn": Column.UPN,
        "userprincipalname": Column.UPN,
        "primaryaddress": Column.PRIMARY_ADDRESS,
        "primarysmtpaddress": Column.PRIMARY_ADDRESS,
        "mail": Column.MAIL,
        "proxyaddresses": Column.PROXY_ADDRESSES,
        "emailaddresses": Column.PROXY_ADDRESSES,
        "samaccountname": Column.SAM_ACCOUNT_NAME,
        "onpremisessamaccountname": Column.SAM_ACCOUNT_NAME,
        "netbiosdomain": Column.NETBIOS_DOMAIN,
        "enabled": Column.ENABLED,
        "accountenabled": Column.ENABLED,
        "certificateuserids": Column.CERTIFICATE_USER_IDS,
        "onpremisesupn": Column.ON_PREMISES_UPN,
        "onpremisesuserprincipalname": Column.ON_PREMISES_UPN,
        "securityidentifier": Column.SECURITY_IDENTIFIER,
        "onpremisessecurityidentifier": Column.SECURITY_IDENTIFIER,
        "objectsid": Column.SECURITY_IDENTIFIER,
        "sid": Column.SECURITY_IDENTIFIER,
        "groups": Column.GROUPS,
        "memberof": Column.GROUPS,
        "upstream": Column.UPSTREAM,
    }
)


@dataclass(frozen=True, slots=True)
class Header:
    """A header that was understood.

    Attributes:
        positions: where each column that is used stands.
        titles: every column's name as the file writes it.
        problems: why the file cannot be read with it; empty if it can.
    """

    positions: Mapping[Column, int]
    titles: Sequence[str]
    problems: tuple[str, ...]

    @property
    def ignored(self) -> tuple[str, ...]:
        """The columns that are not used."""
        used = set(self.positions.values())
        return tuple(title for place, title in enumerate(self.titles) if place not in used)

    def title(self, column: Column) -> str:
        """How the file calls a column that it has."""
        return self.titles[self.positions[column]]


def read_header(titles: Sequence[str]) -> Header:
    """The header of a file whose first row is `titles`."""
    positions: dict[Column, int] = {}
    problems: list[str] = []
    for place, title in enumerate(titles):
        column = _SPELLINGS.get(fold(title).translate(dict.fromkeys(map(ord, " _-"))))
        if column is None:
            continue
        if column in positions:
            first = titles[positions[column]]
            problems.append(f"columns {first!r} and {title!r} mean the same; keep one")
        positions.setdefault(column, place)
    if Column.UPN not in positions:
        found = ", ".join(repr(title) for title in titles) or "none"
        problems.append(f"column 'upn' (or 'userPrincipalName') is missing; found are {found}")
    return Header(positions, titles, tuple(problems))
