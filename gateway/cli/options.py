"""Options that several commands share, spelled and explained once."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

_Function = TypeVar("_Function", bound=Callable[..., Any])


def config_option(function: _Function) -> _Function:
    """Add -c/--config FILE; the command gets `config_path: Path | None`."""
    return click.option(
        "-c",
        "--config",
        "config_path",
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="FILE",
        help="The configuration; without it ./config.toml if there is one, else the defaults.",
    )(function)


def json_option(function: _Function) -> _Function:
    """Add --json; the command gets `as_json: bool`."""
    return click.option(
        "--json", "as_json", is_flag=True, help="Print JSON, for programs to read."
    )(function)
