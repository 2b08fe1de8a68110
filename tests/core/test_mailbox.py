"""A mailbox: what identifies it and what mail for it is sent to."""

from gateway.core.mailbox import Mailbox


def test_key_is_the_folded_upn() -> None:
    """Two spellings of a UPN are one mailbox; KELVIN SIGN is no k."""
    assert Mailbox("Kim@Example.Test").key == Mailbox("kim@example.test").key
    assert Mailbox("\u212aim@example.test").key != Mailbox("kim@example.test").key


def test_addresses_begin_with_the_primary() -> None:
    """The primary address comes first and only once."""
    mailbox = Mailbox(
        "a@b.test", primary_address="p@b.test", proxy_addresses=("x@b.test", "p@b.test")
    )
    assert mailbox.addresses == ("p@b.test", "x@b.test")


def test_addresses_without_a_primary() -> None:
    """The UPN is no address by itself."""
    assert Mailbox("a@b.test", proxy_addresses=("x@b.test",)).addresses == ("x@b.test",)
    assert Mailbox("a@b.test").addresses == ()
