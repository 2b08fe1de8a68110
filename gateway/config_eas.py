"""`[eas]` of config.toml: how much of ActiveSync phones may use, and what else beside it."""

import re
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from gateway.config_section import FROM_TOML, Section
from gateway.core.eas import COMMANDS
from gateway.core.eas_caps import Caps
from gateway.core.eas_held import LONGEST_SECONDS

Version = Literal["2.5", "12.0", "12.1", "14.0", "14.1", "16.0", "16.1"]

_ALL = "*"
_PATH = re.compile(r"(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+")
_OWN_PATHS = ("/microsoft-server-activesync", "/autodiscover")


class Eas(Section):
    """`[eas]`: what phones may ask for."""

    min_protocol_version: Version = "2.5"
    max_protocol_version: Version = "16.1"
    allowed_commands: Annotated[tuple[str, ...], FROM_TOML] = (_ALL,)
    allowed_paths: Annotated[tuple[str, ...], FROM_TOML] = ()
    authorization: Literal["strip", "refuse"] = "strip"
    minimum_heartbeat_seconds: Annotated[int, Field(ge=1, le=LONGEST_SECONDS)] = 1
    maximum_heartbeat_seconds: Annotated[int, Field(ge=60, le=LONGEST_SECONDS)] = LONGEST_SECONDS

    @field_validator("allowed_commands")
    @classmethod
    def _known_commands(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [one for one in value if one != _ALL and one not in COMMANDS]
        if unknown:
            raise ValueError(f'{unknown[0]!r} is no command; write names such as "Sync", or "*"')
        if not value:
            raise ValueError('name the commands, or write ["*"] for all of them')
        return value

    @field_validator("allowed_paths")
    @classmethod
    def _plain_paths(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for path in value:
            if not _PATH.fullmatch(path):
                raise ValueError(f"{path!r} is no path like /EWS, without a slash at its end")
            if path.lower().startswith(_OWN_PATHS):
                raise ValueError(f"{path} is served as it is, and has keys of its own")
        return value

    @model_validator(mode="after")
    def _bounds_in_order(self) -> Self:
        if float(self.min_protocol_version) > float(self.max_protocol_version):
            raise ValueError("min_protocol_version is above max_protocol_version")
        if self.minimum_heartbeat_seconds > self.maximum_heartbeat_seconds:
            raise ValueError("minimum_heartbeat_seconds is above maximum_heartbeat_seconds")
        return self

    @property
    def caps(self) -> Caps:
        """The versions and commands that are let through."""
        commands = self.allowed_commands
        return Caps(
            min_version=self.min_protocol_version,
            max_version=self.max_protocol_version,
            commands=COMMANDS if _ALL in commands else frozenset(commands),
        )
