"""Token-valid-from, by Entra's rule."""

from datetime import datetime, timedelta

import pytest

from gateway.core.mailbox import Mailbox
from gateway.errors import StateError
from gateway.store.store import Store

UPN = "alice@example.test"


@pytest.fixture
def alice(store: Store) -> Store:
    """A store with alice's mailbox."""
    store.mailboxes.add(Mailbox(UPN))
    return store


class TestValidFrom:
    """`ValidFrom`."""

    def test_revoke_stores_now_to_the_microsecond(self, alice: Store) -> None:
        """The store's clock is stamped, with the id of the change that says so."""
        before = alice.database.now()
        stored = alice.valid_from.revoke("ALICE@example.test")
        assert before < stored.value < alice.database.now()
        assert stored.change_id == alice.change_id() == 2
        assert alice.valid_from.get(UPN) == stored

    def test_a_second_revoke_takes_the_place_of_the_first(self, alice: Store) -> None:
        """The later time and change id are stored."""
        first = alice.valid_from.revoke(UPN)
        second = alice.valid_from.revoke(UPN)
        assert (second.value > first.value, second.change_id) == (True, 3)
        assert alice.valid_from.get(UPN) == second

    def test_set_stores_now_not_the_given_time(self, alice: Store) -> None:
        """A time in the future is a permission, not the value."""
        given = alice.database.now() + timedelta(days=1)
        assert alice.valid_from.set(UPN, given).value < alice.database.now()

    def test_set_refuses_what_is_not_in_the_future(self, alice: Store) -> None:
        """Now, which has passed when it is judged, is not the future; nothing is set or logged."""
        given: datetime = alice.database.now()
        with pytest.raises(StateError, match=r"is not in the future .* nothing is set"):
            alice.valid_from.set(UPN, given)
        assert alice.valid_from.get(UPN) is None
        assert alice.change_id() == 1

    def test_refuses_an_unknown_mailbox(self, alice: Store) -> None:
        """Each verb names the UPN that no mailbox has."""
        for verb in (
            alice.valid_from.revoke,
            alice.valid_from.clear,
            lambda upn: alice.valid_from.set(upn, alice.database.now() + timedelta(days=1)),
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


class TestRevokeAll:
    """`ValidFrom.revoke_all`."""

    def test_all_get_one_time_and_a_change_each(self, alice: Store) -> None:
        """A UPN that is named twice, in whatever case, is revoked once."""
        alice.mailboxes.add(Mailbox("bob@example.test"))
        old = alice.valid_from.revoke(UPN)
        found = alice.valid_from.revoke_all([UPN, "Bob@example.test", UPN.upper()])
        assert list(found) == [UPN, "bob@example.test"]
        assert {one.value for one in found.values()} == {found[UPN].value}
        assert found[UPN].value > old.value
        assert [one.change_id for one in found.values()] == [4, 5]
        assert alice.valid_from.all() == found

    def test_one_that_is_not_known_keeps_all_from_it(self, alice: Store) -> None:
        """Each that is not known is named, and nothing is stored."""
        with pytest.raises(StateError, match=r"UPN x@y\.test.*\n.*UPN z@y\.test"):
            alice.valid_from.revoke_all(["x@y.test", UPN, "z@y.test"])
        assert alice.valid_from.all() == {}
        assert alice.change_id() == 1

    def test_nobody_is_no_change(self, store: Store) -> None:
        """An empty list writes nothing."""
        assert store.valid_from.revoke_all([]) == {}
        assert store.change_id() == 0

    def test_many_are_revoked_at_once(self, store: Store) -> None:
        """More than one statement can hold the values of."""
        names = [f"u{number}@x.test" for number in range(3000)]
        store.mailboxes.import_all([Mailbox(name) for name in names])
        found = store.valid_from.revoke_all(names)
        assert [one.change_id for one in found.values()] == list(range(3001, 6001))
        assert store.valid_from.all() == found
