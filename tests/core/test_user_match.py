"""Which names of a user are names of the mailbox."""

import pytest

from gateway.core.mailbox import Mailbox
from gateway.core.user_match import user_matches

ALICE = Mailbox(
    upn="Alice@example.test",
    primary_address="a.smith@mail.test",
    proxy_addresses=("alias@mail.test",),
    sam_account_name="asmith",
    netbios_domain="CORP",
)
BARE = Mailbox(upn="alice@example.test")


@pytest.mark.parametrize(
    "user",
    [
        "alice@example.test",
        "ALICE@EXAMPLE.TEST",
        "A.Smith@mail.test",
        "alias@mail.test",
        "ASmith",
        "corp\\ASMITH",
    ],
)
def test_names_of_the_mailbox(user: str) -> None:
    """UPN, every address, sAMAccountName and DOMAIN with it match in any ASCII case."""
    assert user_matches(user, ALICE)


@pytest.mark.parametrize(
    "user",
    [
        "",
        "bob",
        "alice",
        "bob@example.test",
        "other\\asmith",
        "corp\\alice",
        "corp\\",
        "\\asmith",
        "corp\\x\\asmith",
        "corp\\alice@example.test",
        "example.test\\asmith",
        "al\u0131ce@example.test",
        "a\u017fmith",
        "alice@example.test ",
    ],
)
def test_other_names(user: str) -> None:
    """A name that is not exactly one of the mailbox's, or differs beyond ASCII case, is another."""
    assert not user_matches(user, ALICE)


@pytest.mark.parametrize("user", ["alice", "example\\alice", "EXAMPLE.test\\Alice"])
def test_upn_stands_for_what_the_directory_lacks(user: str) -> None:
    """Without sAMAccountName and NetBIOS domain, the UPN's two halves take their place."""
    assert user_matches(user, BARE)


@pytest.mark.parametrize("user", ["test\\alice", "\\alice", "exam\\alice"])
def test_only_the_first_label_or_the_whole_domain(user: str) -> None:
    """No other part of the UPN's domain is a domain name."""
    assert not user_matches(user, BARE)


def test_upn_without_a_domain() -> None:
    """A UPN without a domain matches itself, and no domain goes with it."""
    mailbox = Mailbox(upn="alice")
    assert user_matches("ALICE", mailbox)
    assert not user_matches("\\alice", mailbox)
