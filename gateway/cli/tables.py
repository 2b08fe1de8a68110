"""How results are printed: tables for people, JSON for programs, both on standard output."""

import json
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

_UNLIMITED = 10_000  # columns, where there is no terminal whose lines could be too short


def print_table(titles: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table with one line a row; nothing is cut off, None is shown as a dash."""
    table = Table(box=None, pad_edge=False, show_edge=False)
    for title in titles:
        table.add_column(Text(title), overflow="fold")
    for row in rows:
        # Text, as a cell's brackets are not markup.
        table.add_row(*(Text(text_of(cell)) for cell in row))
    width = None if sys.stdout.isatty() else _UNLIMITED
    console = Console(width=width, highlight=False)
    with console.capture() as captured:
        console.print(table)
    for line in captured.get().splitlines():
        click.echo(line.rstrip())


def print_pairs(pairs: Iterable[tuple[str, object]]) -> None:
    """One name and value a line; None is shown as a dash."""
    shown = [(name, text_of(value)) for name, value in pairs]
    width = max((len(name) for name, _ in shown), default=0)
    for name, value in shown:
        click.echo(f"{name:<{width}}  {value}")


def print_json(value: object) -> None:
    """One JSON text; times are ISO 8601."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False, default=_json_of))


def text_of(value: object) -> str:
    """How a value is shown to people."""
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return iso(value) if isinstance(value, datetime) else str(value)


def iso(moment: datetime) -> str:
    """ISO 8601 with Z for UTC."""
    return moment.isoformat().replace("+00:00", "Z")


def _json_of(value: object) -> str:
    if isinstance(value, datetime):
        return iso(value)
    raise TypeError(f"{type(value)} has no JSON form")
