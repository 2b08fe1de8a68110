"""proxyAddresses, as Active Directory and Entra write them: `SMTP:primary`, `smtp:other`."""

from collections.abc import Iterable
from dataclasses import dataclass

from gateway.core.names import fold
from gateway.errors import DirectoryError

_PRIMARY_PREFIX = "SMTP"  # in capitals; any other spelling of it is a secondary address


@dataclass(frozen=True, slots=True)
class ProxyAddresses:
    """The mail addresses among proxyAddresses, without prefix.

    Attributes:
        primary: the one with the prefix `SMTP:`, None where there is none.
        others: those with the prefix `smtp:` or none, in their order, each once.
    """

    primary: str | None
    others: tuple[str, ...]


def parse_proxy_addresses(values: Iterable[str]) -> ProxyAddresses:
    """The mail addresses in `values`; other kinds (`X500:`, `SIP:`) are passed over.

    Blanks round an address are not part of it. Raises DirectoryError for two primary addresses.
    """
    primary: str | None = None
    others: dict[str, str] = {}
    for value in values:
        prefix, address = _split(value)
        if fold(prefix) != "smtp" or not address:
            continue
        if prefix != _PRIMARY_PREFIX:
            others.setdefault(fold(address), address)
        elif primary is None or fold(primary) == fold(address):
            primary = address
        else:
            raise DirectoryError(f"{primary!r} and {address!r} are both marked primary (SMTP:)")
    if primary is not None:
        others.pop(fold(primary), None)
    return ProxyAddresses(primary, tuple(others.values()))


def _split(value: str) -> tuple[str, str]:
    """Prefix and address; an address without a prefix is a secondary one."""
    prefix, colon, address = value.strip().partition(":")
    return (prefix.strip(), address.strip()) if colon else ("smtp", prefix)
