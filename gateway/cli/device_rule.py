"""`eas-gateway device rule`: what devices may do by what they are and whose they are."""

from pathlib import Path

import click

from gateway.cli.opening import open_state
from gateway.cli.options import config_option, json_option
from gateway.cli.tables import print_json, print_table
from gateway.core.device import Access, Characteristic

_OPTIONS = (
    ("--type", Characteristic.DEVICE_TYPE, "DeviceType of its requests, such as iPhone."),
    ("--model", Characteristic.MODEL, "The model that it names, such as 'iPhone14,*'."),
    ("--os", Characteristic.OS, "The system that it names, such as 'iOS 15*'."),
    ("--user-agent", Characteristic.USER_AGENT, "Its mail program, such as 'Outlook-iOS*'."),
    ("--mailbox", Characteristic.MAILBOX, "The UPN of its mailbox, such as '*@lab.example.com'."),
    ("--group", Characteristic.GROUP, "A group of its mailbox."),
)


@click.group("rule")
def command() -> None:
    """Say what devices may do by what they are: a blocking rule wins, then quarantine."""


def _characteristics(function: click.decorators.FC) -> click.decorators.FC:
    for option, characteristic, words in reversed(_OPTIONS):
        function = click.option(
            option, characteristic.value, metavar="PATTERN", help=f"{words} * is any text."
        )(function)
    return function


@command.command()
@config_option
@_characteristics
@click.argument("access", type=click.Choice([one.value for one in Access]))
def add(config_path: Path | None, access: str, **patterns: str | None) -> None:
    """Add a rule for one characteristic of a device; letter case does not matter."""
    given = [(name, pattern) for name, pattern in patterns.items() if pattern is not None]
    if len(given) != 1:
        options = ", ".join(option for option, _, _ in _OPTIONS)
        raise click.UsageError(f"say what of a device the rule looks at, by one of {options}")
    [(name, pattern)] = given
    with open_state(config_path) as (_, store):
        rule = store.device_rules.add(Characteristic(name), pattern, Access(access))
    click.echo(f"rule {rule.id}: {access} {name.replace('_', ' ')} {pattern!r}")


@command.command("list")
@config_option
@json_option
def list_(config_path: Path | None, *, as_json: bool) -> None:
    """List the rules, and what devices may do that no rule is about."""
    with open_state(config_path) as (config, store):
        rules = store.device_rules.list()
    if as_json:
        print_json(
            [
                {
                    "id": one.id,
                    "characteristic": one.characteristic.value,
                    "pattern": one.pattern,
                    "access": one.access.value,
                }
                for one in rules
            ]
        )
        return
    rows = [(one.id, one.characteristic.value, one.pattern, one.access.value) for one in rules]
    print_table(("ID", "CHARACTERISTIC", "PATTERN", "ACCESS"), rows)
    click.echo(f"every other device: {config.devices.default_access.value}")


@command.command()
@config_option
@click.argument("rule_id", type=int, metavar="ID")
def remove(config_path: Path | None, rule_id: int) -> None:
    """Remove a rule."""
    with open_state(config_path) as (_, store):
        rule = store.device_rules.remove(rule_id)
    name = rule.characteristic.value.replace("_", " ")
    click.echo(f"removed rule {rule.id}: {rule.access.value} {name} {rule.pattern!r}")
