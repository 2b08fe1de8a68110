"""Token-valid-from, by Entra's rule."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from gateway.core.decision import TokenValidFrom
from gateway.core.mailbox import Mailbox
from gateway.errors import StateError
from gateway.store.store import Store

NOW = datetime(2026, 3, 4, 5, 6, 7, 123456, tzinfo=UTC)
UPN = "alice@example.test"


@pytest.fixture
def alice(store: Store) -> Iterator[Store]:
    """A store with alice's mailbox, at a moment that stands still."""
    store.mailboxes.add(Mailbox(UPN))
    with time_machine.travel(NOW, tick=False):
        yield store


class TestValidFrom:
    """`ValidFrom`."""

    def test_revoke_stores_now_to_the_microsecond(self, alice: Store) -> None:
        """The store's clock is stamped, with the id of the change that says so."""
        assert alice.valid_from.revoke("ALICE@example.test") == TokenValidFrom(NOW, 2)
        assert alice.valid_from.get(UPN) == TokenValidFrom(NOW, 2)
        assert alice.change_id() == 2

    def test_a_second_revoke_takes_the_place_of_the_first(self, alice: Store) -> None:
        """The later time and change id are stored."""
        alice.valid_from.revoke(UPN)
        with time_machine.travel(NOW + timedelta(hours=1), tick=False):
            alice.valid_from.revoke(UPN)
        assert alice.valid_from.get(UPN) == TokenValidFrom(NOW + timedelta(hours=1), 3)

    def test_set_stores_now_not_the_given_time(self, alice: Store) -> None:
        """A time in the future is a permission, not the value."""
        stored = alice.valid_from.set(UPN, NOW + timedelta(days=1))
        assert stored.value == NOW

    @pytest.mark.parametrize("given", [NOW, NOW - timedelta(seconds=1)])
    def test_set_refuses_what_is_not_in_the_future(self, alice: Store, given: datetime) -> None:
        """Now is not the future; nothing is set and nothing logged."""
        with pytest.raises(StateError, match=r"is not in the future .* nothing is set"):
            alice.valid_from.set(UPN, given)
        assert alice.valid_from.get(UPN) is None
        assert alice.change_id() == 1

    def test_refuses_an_unknown_mailbox(self, alice: Store) -> None:
        """Each verb names the UPN that no mailbox has."""
        for verb in (
            alice.valid_from.revoke,
            alice.valid_from.clear,
            lambda upn: alice.valid_from.set(upn, NOW + timedelta(days=1)),
        ):
            with pytest.raises(StateError, match=r"no mailbox has the UPN bob@example.test"):
                verb("bob@example.test")

    def test_clear_returns_what_was(self, alice: Store) -> None:
        """After clearing nothing is stored, and clearing again changes nothing."""
        stored = alice.valid_from.revoke(UPN)
        assert alice.valid_from.clear(UPN) == stored
        assert alice.valid_from.get(UPN) is None
        assert alice.change_id() == 3
        assert alice.valid_from.clear(UPN) is None
        assert alice.change_id() == 3
