"""Serial numbers as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cli.serial_number import parse_serial_number, serial_text


class TestParseSerialNumber:
    """`parse_serial_number`."""

    @pytest.mark.parametrize(
        ("text", "number"),
        [
            ("10", 10),
            ("0x10", 16),
            ("0X1f", 31),
            ("1F", 31),
            ("01:00", 256),
            ("0a ff", 2815),
            ("-5", -5),
        ],
    )
    def test_reads_both_bases(self, text: str, number: int) -> None:
        """Digits alone are decimal; a prefix, separators or letters mean hexadecimal."""
        assert parse_serial_number(text) == number

    @pytest.mark.parametrize("text", ["", "0x", "xyz", "1:2:3:", "--5", "1" * 200, "٣"])
    def test_refuses_what_is_none(self, text: str) -> None:
        """Nothing is guessed."""
        assert parse_serial_number(text) is None

    @given(st.integers(0, 2**160 - 1))
    def test_every_form_of_a_number_means_it(self, number: int) -> None:
        """Decimal, prefixed and colon-separated hexadecimal are the same number."""
        octets = number.to_bytes(21).hex(":")
        for text in (str(number), f"{number:#x}", octets, octets.upper()):
            assert parse_serial_number(text) == number
        assert serial_text(number) == f"{number:#x} ({number})"

    @given(st.text(alphabet="0123456789abcxX: -", max_size=20))
    def test_any_text_is_a_number_or_none(self, text: str) -> None:
        """Nothing is raised."""
        number = parse_serial_number(text)
        assert number is None or isinstance(number, int)
