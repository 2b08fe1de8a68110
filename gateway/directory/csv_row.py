"""One row of a CSV export becomes a mailbox, or problems."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from gateway.core.address import address_problem, name_problem
from gateway.core.mailbox import Mailbox
from gateway.core.names import fold
from gateway.directory.csv_columns import Column
from gateway.directory.logon_name import split_logon_name
from gateway.directory.proxy_addresses import ProxyAddresses, parse_proxy_addresses
from gateway.errors import DirectoryError

Cells = Mapping[Column, str]
Report = Callable[[Column, str], None]

_SEPARATOR = ";"
_ENABLED: Mapping[str, bool] = MappingProxyType(
    {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
)


def read_row(cells: Cells, report: Report) -> Mailbox:
    """The mailbox in a row; what is wrong with it is reported, and it must not be used then."""
    upn = cells[Column.UPN].strip()
    if problem := address_problem(upn):
        report(Column.UPN, f"{upn!r} {problem}")
    addresses = _addresses(cells, report)
    domain, name = _logon_name(cells, report)
    return Mailbox(
        upn,
        addresses.primary,
        addresses.others,
        name,
        domain,
        enabled=_enabled(cells, report),
    )


def _addresses(cells: Cells, report: Report) -> ProxyAddresses:
    """The primary address is that of its own column, else the `SMTP:` one, else `mail`."""
    try:
        found = parse_proxy_addresses(cells.get(Column.PROXY_ADDRESSES, "").split(_SEPARATOR))
    except DirectoryError as error:
        report(Column.PROXY_ADDRESSES, str(error))
        return ProxyAddresses(None, ())
    for address in (found.primary, *found.others):
        _check(Column.PROXY_ADDRESSES, address, address_problem, report)
    own, mail = (
        cells.get(column, "").strip() or None for column in (Column.PRIMARY_ADDRESS, Column.MAIL)
    )
    _check(Column.PRIMARY_ADDRESS, own, address_problem, report)
    if own and found.primary and fold(own) != fold(found.primary):
        report(Column.PRIMARY_ADDRESS, f"{own!r} is primary, and SMTP:{found.primary} is as well")
    if not own and not found.primary:
        _check(Column.MAIL, mail, address_problem, report)
    primary = own or found.primary or mail
    others = tuple(one for one in found.others if primary is None or fold(one) != fold(primary))
    return ProxyAddresses(primary, others)


def _logon_name(cells: Cells, report: Report) -> tuple[str | None, str | None]:
    domain: str | None = cells.get(Column.NETBIOS_DOMAIN, "").strip() or None
    _check(Column.NETBIOS_DOMAIN, domain, name_problem, report)
    written = cells.get(Column.SAM_ACCOUNT_NAME, "").strip()
    if not written:
        return domain, None
    prefix, name = split_logon_name(written)
    for part in (name,) if prefix is None else (prefix, name):
        _check(Column.SAM_ACCOUNT_NAME, part, name_problem, report)
    if domain and prefix and fold(domain) != fold(prefix):
        report(Column.SAM_ACCOUNT_NAME, f"{written!r} is not of the NetBIOS domain {domain!r}")
    return domain or prefix, name


def _enabled(cells: Cells, report: Report) -> bool:
    if Column.ENABLED not in cells:
        return True
    written = cells[Column.ENABLED]
    value = _ENABLED.get(fold(written.strip()))
    if value is None:
        report(Column.ENABLED, f"{written!r} is neither true nor false (1, 0, yes, no)")
    return bool(value)


def _check(
    column: Column, text: str | None, problem_of: Callable[[str], str | None], report: Report
) -> None:
    if text is not None and (problem := problem_of(text)):
        report(column, f"{text!r} {problem}")
