"""Serial numbers as people copy them from tools."""

import re

import click

_DECIMAL = re.compile(r"-?[0-9]+\Z")
_HEX = re.compile(r"(?:0x)?([0-9a-f]{1,2}(?:[: ][0-9a-f]{2})+|[0-9a-f]+)\Z", re.IGNORECASE)
_LIMIT = 64  # digits; RFC 5280 section 4.1.2.2 allows 20 octets


class SerialNumber(click.ParamType[int]):
    """A serial number: decimal digits, or hexadecimal with 0x, with colons or with letters."""

    name = "SERIAL"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number; a usage error if it is none."""
        number = parse_serial_number(value)
        if number is None:
            message = f"{value!r} is neither decimal nor hexadecimal (0x4af3, 4a:f3, 4AF3)"
            self.fail(message, param, ctx)
        return number


def parse_serial_number(text: str) -> int | None:
    """The number that `text` means, or None; digits alone are decimal."""
    if len(text) > 2 * _LIMIT:
        return None
    if _DECIMAL.match(text):
        return int(text)
    found = _HEX.match(text)
    return int(re.sub("[: ]", "", found[1]), 16) if found else None


def serial_text(number: int) -> str:
    """Both forms, so that whoever wrote one sees which was understood."""
    return f"{number:#x} ({number})"
