"""The audit trail."""

import pytest

from gateway.store.store import Store


class TestAudit:
    """`Audit`."""

    def test_records_come_back_oldest_first(self, store: Store) -> None:
        """A record is kept as it came, in the order of writing."""
        records: list[dict[str, object]] = [
            {"mailbox": "Alice@x.test", "reason": "Ä"},
            {"mailbox": None, "serial": 2**70},
        ]
        store.audit.append(records)
        assert [one.record for one in store.audit.list()] == records
        assert store.change_id() == 0

    def test_nothing_to_append_is_fine(self, store: Store) -> None:
        """An empty batch writes nothing."""
        store.audit.append([])
        assert store.audit.list() == []

    def test_the_latest_are_listed(self, store: Store) -> None:
        """A limit cuts the oldest; after_id continues where a reader stopped."""
        store.audit.append([{"n": number} for number in range(5)])
        assert [one.record["n"] for one in store.audit.list(limit=2)] == [3, 4]
        assert [one.record["n"] for one in store.audit.list(after_id=4)] == [4]

    def test_one_mailbox_is_listed(self, store: Store) -> None:
        """The mailbox is compared folded."""
        store.audit.append([{"mailbox": "Alice@x.test"}, {"mailbox": "bob@x.test"}])
        found = store.audit.list(upn="alice@X.test")
        assert [one.record["mailbox"] for one in found] == ["Alice@x.test"]

    def test_old_records_are_removed(self, store: Store) -> None:
        """What is older than the moment goes, the rest stays."""
        store.audit.append([{"n": 1}])
        moment = store.database.now()
        store.audit.append([{"n": 2}])
        assert store.audit.remove_before(moment) == 1
        assert [one.record["n"] for one in store.audit.list()] == [2]

    def test_a_record_that_is_no_json_keeps_all_out(self, store: Store) -> None:
        """A batch is stored whole or not at all."""
        with pytest.raises(TypeError):
            store.audit.append([{"n": 1}, {"n": object()}])
        assert store.audit.list() == []

    def test_the_latest_begin_with_their_oldest(self, store: Store) -> None:
        """With fewer than that there is no such moment."""
        for number in range(3):
            store.audit.append([{"n": number}])
        moments = [one.at for one in store.audit.list()]
        found = [store.audit.start_of_latest(count) for count in (1, 2, 3, 4)]
        assert found == [*reversed(moments), None]
