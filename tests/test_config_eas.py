"""`[eas]` of config.toml."""

from pathlib import Path

import pytest

from gateway.config import Config, parse
from gateway.core.eas import COMMANDS
from gateway.core.eas_caps import Caps
from gateway.errors import ConfigError


def _parse(text: str) -> Config:
    return parse(f"[eas]\n{text}\n", folder=Path("/etc"), name="c")


def test_by_default_all_is_let_through() -> None:
    """Every command and version, no other path."""
    eas = Config().eas
    assert eas.caps == Caps()
    assert eas.caps.commands == COMMANDS
    assert eas.allowed_paths == ()


def test_the_caps_are_those_of_the_file() -> None:
    """Versions and commands."""
    eas = _parse(
        'min_protocol_version = "12.1"\nmax_protocol_version = "14.1"\nallowed_commands = ["Sync"]'
    ).eas
    assert eas.caps == Caps("12.1", "14.1", frozenset({"Sync"}))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('max_protocol_version = "15.0"', "eas.max_protocol_version: write '2.5'"),
        ('min_protocol_version = "14.0"\nmax_protocol_version = "2.5"', "is above"),
        ('allowed_commands = ["sync"]', "'sync' is no command"),
        ("allowed_commands = []", "name the commands"),
        ('allowed_paths = ["/"]', "is no path like /EWS"),
        ('allowed_paths = ["/EWS/"]', "is no path like /EWS"),
        ('allowed_paths = ["EWS"]', "is no path like /EWS"),
        ('allowed_paths = ["/a/../b"]', "is no path like /EWS"),
        ('allowed_paths = ["/a%2fb"]', "is no path like /EWS"),
        ('allowed_paths = ["/Microsoft-Server-ActiveSync"]', "served as it is"),
        ('allowed_paths = ["/AutoDiscover"]', "served as it is"),
        ('authorization = "pass"', "eas.authorization: write 'strip' or 'refuse'"),
        ("maximum_heartbeat_seconds = 3600", "at most 3540"),
        ("minimum_heartbeat_seconds = 90\nmaximum_heartbeat_seconds = 80", "is above"),
    ],
)
def test_a_wrong_value_is_named(text: str, words: str) -> None:
    """The error names the key or the value, and what to write."""
    with pytest.raises(ConfigError) as caught:
        _parse(text)
    assert words in str(caught.value)
