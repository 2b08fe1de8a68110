"""`eas-gateway user`: the mailboxes, and who may no longer be signed in."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TypedDict, Unpack

import click

from gateway.cli import revoke
from gateway.cli.opening import open_state
from gateway.cli.options import config_option, json_option
from gateway.cli.readmission import obstacles, readmission
from gateway.cli.tables import iso, print_json, print_pairs, print_table
from gateway.core.decision import TokenValidFrom
from gateway.core.mailbox import Mailbox
from gateway.core.names import fold
from gateway.directory.csv_source import read_csv
from gateway.directory.logon_name import split_logon_name
from gateway.directory.proxy_addresses import ProxyAddresses, parse_proxy_addresses
from gateway.errors import DirectoryError, StateError
from gateway.store.mailboxes import MailboxFields

upn_argument = click.argument("upn", metavar="UPN")
primary_option = click.option("--primary", metavar="ADDRESS", help="The primary address.")
proxy_option = click.option(
    "--proxy", multiple=True, metavar="ADDRESS", help="A further address; repeat for more."
)
sam_option = click.option(
    "--sam", metavar="NAME", help="The sAMAccountName, or DOMAIN\\NAME, that phones may send."
)

user_id_option = click.option(
    "--certificate-user-id",
    multiple=True,
    metavar="VALUE",
    help="A value of certificateUserIds, such as X509:<SKI>HEX; repeat for more.",
)
on_premises_option = click.option(
    "--on-premises-upn", metavar="UPN", help="The onPremisesUserPrincipalName; '' for none."
)
sid_option = click.option(
    "--sid", metavar="SID", help="The objectSid in Active Directory, S-1-5-21-...; '' for none."
)

group_option = click.option(
    "--group",
    multiple=True,
    metavar="NAME",
    help="A group that device access rules may name it by; repeat for more.",
)
upstream_option = click.option(
    "--upstream", metavar="NAME", help="The [[upstream]] that serves it; '' for the default one."
)


class _Identifiers(TypedDict):
    certificate_user_id: tuple[str, ...]
    on_premises_upn: str | None
    sid: str | None
    group: tuple[str, ...]
    upstream: str | None


class _SetOptions(_Identifiers):
    enabled: bool
    disabled: bool
    primary: str | None
    proxy: tuple[str, ...]
    no_proxy: bool
    no_certificate_user_id: bool
    no_group: bool
    sam: str | None


class _Moment(click.ParamType[datetime]):
    """An ISO 8601 time that says which zone it is in."""

    name = "TIME"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """The moment; a usage error if it is none or its zone is missing."""
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is not ISO 8601, such as 2030-01-31T12:00:00Z", param, ctx)
        if moment.tzinfo is None:
            self.fail(
                f"{value!r} lacks its zone; for UTC write it like 2030-01-31T12:00:00Z", param, ctx
            )
        return moment


@click.group("user")
def command() -> None:
    """Manage mailboxes; a running gateway follows every change."""


@command.command()
@config_option
@upn_argument
@primary_option
@proxy_option
@sam_option
@user_id_option
@on_premises_option
@sid_option
@group_option
@upstream_option
def add(
    config_path: Path | None,
    upn: str,
    *,
    primary: str | None,
    proxy: tuple[str, ...],
    sam: str | None,
    **identifiers: Unpack[_Identifiers],
) -> None:
    """Add a mailbox; a certificate leads to it by UPN, address or what else it is given."""
    addresses = _addresses(primary, proxy)
    domain, name = split_logon_name(sam) if sam is not None else (None, None)
    with open_state(config_path, create=True) as (_, store):
        store.mailboxes.add(
            Mailbox(
                upn,
                addresses.primary,
                addresses.others,
                name,
                domain,
                certificate_user_ids=identifiers["certificate_user_id"],
                on_premises_upn=identifiers["on_premises_upn"] or None,
                security_identifier=identifiers["sid"] or None,
                groups=frozenset(identifiers["group"]),
                upstream=identifiers["upstream"] or None,
            )
        )
    click.echo(f"added {upn}")


@command.command("list")
@config_option
@json_option
def list_(config_path: Path | None, *, as_json: bool) -> None:
    """List the mailboxes."""
    with open_state(config_path) as (_, store):
        mailboxes = store.mailboxes.list()
        valid_from = store.valid_from.all()
    if as_json:
        print_json([_to_json(one, valid_from.get(one.key)) for one in mailboxes])
        return
    rows = [
        (
            one.upn,
            one.primary_address,
            " ".join(one.proxy_addresses),
            _logon_name(one),
            one.enabled,
            valid_from[one.key].value if one.key in valid_from else None,
        )
        for one in mailboxes
    ]
    titles = ("UPN", "PRIMARY", "PROXY ADDRESSES", "SAM", "ENABLED", "TOKEN VALID FROM")
    print_table(titles, rows)


@command.command()
@config_option
@json_option
@upn_argument
def show(config_path: Path | None, upn: str, *, as_json: bool) -> None:
    """Show one mailbox, and what keeps its phones out if something does."""
    with open_state(config_path) as (config, store):
        mailbox = store.mailboxes.get(upn)
        valid_from = store.valid_from.get(upn)
        if as_json:
            print_json(_to_json(mailbox, valid_from))
            return
        print_pairs(
            [
                ("UPN", mailbox.upn),
                ("primary address", mailbox.primary_address),
                ("proxy addresses", " ".join(mailbox.proxy_addresses)),
                ("sam", _logon_name(mailbox)),
                ("enabled", mailbox.enabled),
                ("certificate ids", ", ".join(map(repr, mailbox.certificate_user_ids))),
                ("on-premises UPN", mailbox.on_premises_upn),
                ("SID", mailbox.security_identifier),
                ("groups", ", ".join(sorted(mailbox.groups))),
                ("upstream", mailbox.upstream),
                ("token valid from", valid_from.value if valid_from else None),
            ]
        )
        _say(obstacles(store, mailbox))
        if valid_from is not None:
            _say(readmission(config, store, [mailbox], valid_from))


@command.command("set")
@config_option
@upn_argument
@click.option("--enabled", is_flag=True, help="It may be used.")
@click.option("--disabled", is_flag=True, help="It may not be used.")
@primary_option
@proxy_option
@click.option("--no-proxy", is_flag=True, help="It has no further address.")
@sam_option
@user_id_option
@click.option("--no-certificate-user-id", is_flag=True, help="It has no certificateUserIds.")
@on_premises_option
@sid_option
@group_option
@click.option("--no-group", is_flag=True, help="It is in no group.")
@upstream_option
def set_(config_path: Path | None, upn: str, **options: Unpack[_SetOptions]) -> None:
    """Change a mailbox; what may be given repeatedly takes the place of all that it had."""
    fields = _fields(options)
    with open_state(config_path) as (_, store):
        mailbox = store.mailboxes.set(upn, **fields)
    click.echo(f"changed {mailbox.upn}")


@command.command()
@config_option
@upn_argument
def remove(config_path: Path | None, upn: str) -> None:
    """Remove a mailbox: certificates that lead to it are refused from now on."""
    with open_state(config_path) as (_, store):
        mailbox = store.mailboxes.get(upn)
        store.mailboxes.remove(upn)
    click.echo(f"removed {mailbox.upn}; certificates that lead to it are refused")


@command.command("import")
@config_option
@click.option(
    "--remove-missing", is_flag=True, help="Remove the mailboxes that the file does not name."
)
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE.csv")
def import_(config_path: Path | None, file: Path, *, remove_missing: bool) -> None:
    """Add and change mailboxes from a CSV file, all of them or, if anything is wrong, none."""
    found = read_csv(file)
    if remove_missing and not found.mailboxes:
        raise DirectoryError(f"{file}: names no mailbox; --remove-missing would remove every one")
    with open_state(config_path, create=True) as (_, store):
        try:
            count = store.mailboxes.import_all(
                found.mailboxes, fields=found.fields, remove_missing=remove_missing
            )
        except StateError as error:
            raise StateError(f"{file}: nothing was imported: {error}") from error
    if found.ignored_columns:
        click.echo(f"{file}: not used: {', '.join(found.ignored_columns)}", err=True)
    click.echo(
        f"{count.added} added, {count.changed} changed, {count.unchanged} unchanged, "
        f"{count.removed} removed"
    )


command.add_command(revoke.command)


@command.command("set-valid-from")
@config_option
@upn_argument
@click.argument("time", type=_Moment(), metavar="TIME")
def set_valid_from(config_path: Path | None, upn: str, time: datetime) -> None:
    """Do what `revoke` does, by Entra's rule: TIME must be in the future, and now is stored."""
    with open_state(config_path) as (config, store):
        valid_from = store.valid_from.set(upn, time)
        mailbox = store.mailboxes.get(upn)
        _say(_set_to(mailbox, valid_from), readmission(config, store, [mailbox], valid_from))


@command.command("clear-valid-from")
@config_option
@upn_argument
def clear_valid_from(config_path: Path | None, upn: str) -> None:
    """Take back what `revoke` or `set-valid-from` did: new sign-ins are judged without it."""
    with open_state(config_path) as (_, store):
        old = store.valid_from.clear(upn)
    click.echo(f"{upn}: token-valid-from was {iso(old.value) if old else 'not set'}, now it is not")


def _say(*groups: Sequence[str]) -> None:
    for line in [line for group in groups for line in group]:
        click.echo(line)


def _set_to(mailbox: Mailbox, valid_from: TokenValidFrom) -> list[str]:
    return [f"{mailbox.upn}: token-valid-from is {iso(valid_from.value)}"]


def _fields(options: _SetOptions) -> MailboxFields:
    fields: MailboxFields = {}
    addresses = _addresses(options["primary"], options["proxy"])
    if options["proxy"] and options["no_proxy"]:
        raise click.UsageError("--proxy and --no-proxy contradict each other")
    if options["enabled"] and options["disabled"]:
        raise click.UsageError("--enabled and --disabled contradict each other")
    if options["enabled"] or options["disabled"]:
        fields["enabled"] = options["enabled"]
    if addresses.primary is not None:
        fields["primary_address"] = addresses.primary
    if options["proxy"] or options["no_proxy"]:
        fields["proxy_addresses"] = addresses.others
    if options["sam"] is not None:
        domain, fields["sam_account_name"] = split_logon_name(options["sam"])
        if domain is not None:
            fields["netbios_domain"] = domain
    fields.update(_identifier_fields(options))
    if not fields:
        raise click.UsageError(
            "say what to set: --enabled, --disabled, --primary, --proxy, --no-proxy, --sam, "
            "--certificate-user-id, --no-certificate-user-id, --on-premises-upn, --sid, "
            "--group, --no-group, --upstream"
        )
    return fields


def _identifier_fields(options: _SetOptions) -> MailboxFields:
    fields: MailboxFields = {}
    ids = options["certificate_user_id"]
    if ids and options["no_certificate_user_id"]:
        raise click.UsageError(
            "--certificate-user-id and --no-certificate-user-id contradict each other"
        )
    if ids or options["no_certificate_user_id"]:
        fields["certificate_user_ids"] = ids
    if options["on_premises_upn"] is not None:
        fields["on_premises_upn"] = options["on_premises_upn"] or None
    if options["sid"] is not None:
        fields["security_identifier"] = options["sid"] or None
    if options["group"] and options["no_group"]:
        raise click.UsageError("--group and --no-group contradict each other")
    if options["group"] or options["no_group"]:
        fields["groups"] = frozenset(options["group"])
    if options["upstream"] is not None:
        fields["upstream"] = options["upstream"] or None
    return fields


def _addresses(primary: str | None, proxy: Sequence[str]) -> ProxyAddresses:
    """The addresses of the options; `--proxy` takes the forms of proxyAddresses, too."""
    for value in proxy:
        one = parse_proxy_addresses([value])
        if one.primary is None and not one.others:
            raise click.UsageError(f"--proxy {value!r} holds no mail address")
    if primary is not None and not primary.strip():
        raise click.UsageError("--primary is empty: name the address, or leave the option out")
    found = parse_proxy_addresses(proxy)
    if primary is not None and found.primary is not None and fold(primary) != fold(found.primary):
        raise click.UsageError(f"--primary {primary} and --proxy SMTP:{found.primary} contradict")
    return ProxyAddresses(primary or found.primary, found.others)


def _logon_name(mailbox: Mailbox) -> str | None:
    if mailbox.netbios_domain and mailbox.sam_account_name:
        return f"{mailbox.netbios_domain}\\{mailbox.sam_account_name}"
    return mailbox.sam_account_name


def _to_json(mailbox: Mailbox, valid_from: TokenValidFrom | None) -> dict[str, object]:
    return {
        "upn": mailbox.upn,
        "primary_address": mailbox.primary_address,
        "proxy_addresses": mailbox.proxy_addresses,
        "sam_account_name": mailbox.sam_account_name,
        "netbios_domain": mailbox.netbios_domain,
        "enabled": mailbox.enabled,
        "certificate_user_ids": mailbox.certificate_user_ids,
        "on_premises_upn": mailbox.on_premises_upn,
        "security_identifier": mailbox.security_identifier,
        "groups": sorted(mailbox.groups),
        "upstream": mailbox.upstream,
        "token_valid_from": valid_from.value if valid_from else None,
    }
