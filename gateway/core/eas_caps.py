"""How much of the protocol phones may use: versions and commands, asked for and announced."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from gateway.core.decision import Deny
from gateway.core.eas import COMMANDS, PROTOCOL_VERSIONS, EasRequest
from gateway.core.headers import Header
from gateway.core.reasons import Reason

OLDEST, NEWEST = "2.5", "16.1"

_VERSION_FIELDS = frozenset((b"ms-asprotocolversions", b"x-ms-rp"))
_COMMANDS_FIELD = b"ms-asprotocolcommands"
_FIELD_LENGTHS = frozenset(len(name) for name in (*_VERSION_FIELDS, _COMMANDS_FIELD))
_VERSION = re.compile(r"[0-9]{1,2}\.[0-9]{1,2}")


@dataclass(frozen=True, slots=True)
class Caps:
    """What is let through.

    Attributes:
        min_version: the lowest protocol version.
        max_version: the highest.
        commands: in Microsoft's spelling. OPTIONS is always let through: it does nothing.
    """

    min_version: str = OLDEST
    max_version: str = NEWEST
    commands: frozenset[str] = COMMANDS

    @property
    def versions(self) -> tuple[str, ...]:
        """The versions that are let through, the lowest first."""
        return tuple(sorted(filter(self._takes, PROTOCOL_VERSIONS), key=_number))

    def judge(self, request: EasRequest) -> Deny | None:
        """A denial if the request asks for more; one that names no version means the oldest."""
        command = request.command
        if command is None or command == "OPTIONS":
            return None
        if command not in self.commands:
            return Deny(Reason.COMMAND_NOT_ALLOWED, f"{command} is not among eas.allowed_commands")
        version = request.protocol_version or OLDEST
        if not self._takes(version):
            return Deny(
                Reason.PROTOCOL_VERSION_NOT_ALLOWED,
                f"protocol version {version} is not from {self.min_version} to {self.max_version}, "
                "eas.min_protocol_version and eas.max_protocol_version",
            )
        return None

    def narrow(self, headers: Iterable[Header]) -> list[Header]:
        """The fields of an answer, which announces no more than what is let through.

        Servers announce in answers to OPTIONS, and in others to say that something has changed
        (MS-ASHTTP section 2.2.4.1.2). A list of which nothing is left is dropped.
        """
        narrowed = (self._narrow(one) if len(one[0]) in _FIELD_LENGTHS else one for one in headers)
        return [header for header in narrowed if header[1] or header[0].lower() not in _LISTS]

    def _narrow(self, header: Header) -> Header:
        name, value = header[0].lower(), header[1]
        if name in _VERSION_FIELDS:
            return header[0], _joined(one for one in _items(value) if self._takes(one))
        if name == _COMMANDS_FIELD:
            return header[0], _joined(one for one in _items(value) if one in self.commands)
        return header

    def _takes(self, version: str) -> bool:
        if not _VERSION.fullmatch(version):
            return False
        lowest = (0, 0) if self.min_version == OLDEST else _number(self.min_version)
        highest = (99, 99) if self.max_version == NEWEST else _number(self.max_version)
        return lowest <= _number(version) <= highest


_LISTS = _VERSION_FIELDS | {_COMMANDS_FIELD}


def _number(version: str) -> tuple[int, int]:
    major, _, minor = version.partition(".")
    return int(major), int(minor)


def _items(value: bytes) -> list[str]:
    return [one.strip() for one in value.decode("latin-1").split(",")]


def _joined(items: Iterable[str]) -> bytes:
    return ",".join(items).encode("latin-1")
