"""Which keys of two mappings lead elsewhere."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.difference import differing

_MAPS = st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 2))


@given(_MAPS, _MAPS)
def test_those_with_another_value_or_none(before: dict[str, int], after: dict[str, int]) -> None:
    """However the two came to be; a mapping does not differ from itself."""
    expected = {k for k in before.keys() | after.keys() if before.get(k) != after.get(k)}
    assert differing(before, after) == differing(after, before) == expected
    assert differing(after, after) == set()


def test_a_value_of_none_is_a_value() -> None:
    """It differs from nothing at all."""
    assert differing({}, {"a": None}) == {"a"}
