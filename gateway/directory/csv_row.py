"""One row of a CSV export becomes a mailbox, or problems."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from gateway.core.address import (
    address_problem,
    group_problem,
    name_problem,
    upstream_problem,
)
from gateway.core.certificate_user_id import user_ids_problem
from gateway.core.mailbox import Mailbox
from gateway.core.names import fold
from gateway.core.security_identifier import sid_problem
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
        certificate_user_ids=_certificate_user_ids(cells, report),
        on_premises_upn=_optional(cells, Column.ON_PREMISES_UPN, address_problem, report),
        security_identifier=_optional(cells, Column.SECURITY_IDENTIFIER, sid_problem, report),
        groups=_groups(cells, report),
        upstream=_optional(cells, Column.UPSTREAM, upstream_problem, report),
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
    own = _optional(cells, Column.PRIMARY_ADDRESS, address_problem, report)
    mail = cells.get(Column.MAIL, "").strip() or None
    if own and found.primary and fold(own) != fold(found.primary):
        report(Column.PRIMARY_ADDRESS, f"{own!r} is primary, and SMTP:{found.primary} is as well")
    if not own and not found.primary:
        _check(Column.MAIL, mail, address_problem, report)
    primary = own or found.primary or mail
    others = tuple(one for one in found.others if primary is None or fold(one) != fold(primary))
    return ProxyAddresses(primary, others)


def _logon_name(cells: Cells, report: Report) -> tuple[str | None, str | None]:
    domain = _optional(cells, Column.NETBIOS_DOMAIN, name_problem, report)
    written = cells.get(Column.SAM_ACCOUNT_NAME, "").strip()
    if not written:
        return domain, None
    prefix, name = split_logon_name(written)
    for part in (name,) if prefix is None else (prefix, name):
        _check(Column.SAM_ACCOUNT_NAME, part, name_problem, report)
    if domain and prefix and fold(domain) != fold(prefix):
        report(Column.SAM_ACCOUNT_NAME, f"{written!r} is not of the NetBIOS domain {domain!r}")
    return domain or prefix, name


def _certificate_user_ids(cells: Cells, report: Report) -> tuple[str, ...]:
    written = cells.get(Column.CERTIFICATE_USER_IDS, "").split(_SEPARATOR)
    values = tuple(value.strip() for value in written if value.strip())
    if problem := user_ids_problem(values):
        report(Column.CERTIFICATE_USER_IDS, problem)
    return values


def _groups(cells: Cells, report: Report) -> frozenset[str]:
    written = cells.get(Column.GROUPS, "").split(_SEPARATOR)
    names = frozenset(name.strip() for name in written if name.strip())
    for name in sorted(names):
        _check(Column.GROUPS, name, group_problem, report)
    return names


def _optional(
    cells: Cells, column: Column, problem_of: Callable[[str], str | None], report: Report
) -> str | None:
    text = cells.get(column, "").strip() or None
    _check(column, text, problem_of, report)
    return text


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
