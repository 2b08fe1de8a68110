"""Down-level logon names."""

import pytest

from gateway.directory.logon_name import split_logon_name


@pytest.mark.parametrize(
    ("text", "parts"),
    [("alice", (None, "alice")), ("CORP\\alice", ("CORP", "alice")), ("\\alice", ("", "alice"))],
)
def test_domain_and_name_are_told_apart(text: str, parts: tuple[str | None, str]) -> None:
    """The domain is what stands before the first backslash."""
    assert split_logon_name(text) == parts
