"""Names in certificates: what is refused, and that they are kept as written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.names import PrincipalName, Rfc822Name, SanName
from gateway.errors import CertificateError

KINDS = pytest.mark.parametrize(
    ("kind", "word"), [(PrincipalName, "principal name"), (Rfc822Name, "RFC822 name")]
)
Kind = type[PrincipalName] | type[Rfc822Name]


@KINDS
class TestRefused:
    """No name is made of these, and the error says which kind of name it was."""

    @pytest.mark.parametrize(
        "character",
        ["\x00", "\t", "\n", "\r", "\x7f", "\x9b", "\u202e", "\u200b", "\u2028", "\u00a0"],
    )
    def test_what_cannot_be_seen(self, kind: Kind, word: str, character: str) -> None:
        """A NUL ends a name elsewhere; other such characters make two names look like one."""
        with pytest.raises(CertificateError, match=f"SAN {word} .* cannot be seen"):
            kind(f"alice{character}@example.test")

    @pytest.mark.parametrize("value", [" alice@example.test", "alice@example.test "])
    def test_blanks_around(self, kind: Kind, word: str, value: str) -> None:
        """A directory holds no such name, and a reader does not see the difference."""
        with pytest.raises(CertificateError, match=f"SAN {word} .* white space"):
            kind(value)

    @pytest.mark.parametrize("length", [0, 1025])
    def test_length(self, kind: Kind, word: str, length: int) -> None:
        """A name has 1 to 1024 characters."""
        with pytest.raises(CertificateError, match=f"SAN {word} has {length} characters"):
            kind("a" * length)


@KINDS
@pytest.mark.parametrize(
    "value", ["a", "a" * 1024, "Alice@Example.Test", "älice@bücher.example", "no address"]
)
def test_name_is_kept_as_written(kind: Kind, word: str, value: str) -> None:
    """Case and form are the directory's matter: nothing is changed here."""
    assert kind(value).value == value


@given(st.text(max_size=40))
def test_any_text_is_a_name_or_refused(text: str) -> None:
    """There is no third outcome, and what is taken can be printed on one line."""
    try:
        name = PrincipalName(text)
    except CertificateError as error:
        printed = str(error)
    else:
        printed = name.value
    assert printed.isprintable()


def test_kinds_are_never_equal() -> None:
    """A UPN is no address, though the text be the same."""
    names: set[SanName] = {PrincipalName("alice@example.test"), Rfc822Name("alice@example.test")}
    assert len(names) == 2


def test_text_says_which_kind() -> None:
    """Whoever reads a log sees where the name is looked up."""
    assert PrincipalName("a@b").text == "UPN a@b"
    assert Rfc822Name("a@b").text == "RFC822 name a@b"
