"""Equality of names: ASCII case alone is disregarded."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.names import fold


class TestFold:
    """`fold`."""

    def test_lowers_ascii_letters_alone(self) -> None:
        """KELVIN SIGN, which Unicode lowers to k, and capital umlauts stay as they are."""
        assert fold("ALICE@Example.TEST") == "alice@example.test"
        assert fold("\u212aÄ@Example.TEST") == "\u212aÄ@example.test"

    @given(st.text())
    def test_is_what_bytes_lower_to(self, text: str) -> None:
        """Text is folded as its UTF-8 bytes are lowered, ASCII or not."""
        raw = text.encode(errors="surrogatepass").lower()
        assert fold(text) == raw.decode(errors="surrogatepass")
