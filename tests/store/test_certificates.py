"""Blocked and seen certificates."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gateway.errors import StateError
from gateway.store.certificates import SeenCertificate
from gateway.store.store import Store

CA = "ab" * 20
NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
SEEN = SeenCertificate(
    issuer_id=CA,
    serial_number=2**159 + 1,
    mailbox_key="alice@example.test",
    subject="CN=alice",
    fingerprint="cd" * 32,
    not_before=NOW - timedelta(days=1),
    not_after=NOW + timedelta(days=1),
    first_seen=NOW,
    last_seen=NOW,
)


class TestBlock:
    """Blocking and unblocking."""

    @pytest.mark.parametrize("serial", [1, 2**159 + 1, -5, 0])
    def test_a_serial_number_of_any_width_is_blocked_and_unblocked(
        self, store: Store, serial: int
    ) -> None:
        """Twenty octets and the negative numbers of broken CAs are kept exactly."""
        assert store.certificates.block(CA, serial)
        assert [one.serial_number for one in store.certificates.blocked()] == [serial]
        assert store.snapshot().is_blocked(CA, serial)
        store.certificates.unblock(CA, serial)
        assert not store.snapshot().is_blocked(CA, serial)
        assert store.change_id() == 2

    def test_blocks_one_certificate_of_one_ca(self, store: Store) -> None:
        """Neither the next serial number nor the same of another CA is blocked."""
        store.certificates.block(CA, 7)
        snapshot = store.snapshot()
        assert not snapshot.is_blocked(CA, 8)
        assert not snapshot.is_blocked("cd" * 20, 7)

    def test_blocking_twice_is_one_change(self, store: Store) -> None:
        """The second time says that it was blocked already."""
        assert store.certificates.block(CA, 7)
        assert not store.certificates.block(CA, 7)
        assert store.change_id() == 1

    def test_unblocking_what_is_not_blocked_is_refused(self, store: Store) -> None:
        """The sentence names the certificate."""
        with pytest.raises(StateError, match=f"certificate 0xff of CA {CA} is not blocked"):
            store.certificates.unblock(CA, 255)


class TestSeen:
    """Certificates that phones showed."""

    def test_comes_back_as_recorded(self, store: Store) -> None:
        """Every field is kept; the change log is not touched, as nothing is decided by it."""
        store.certificates.record_seen([SEEN])
        assert store.certificates.seen() == [SEEN]
        assert store.change_id() == 0

    def test_the_first_time_stays_and_the_last_moves(self, store: Store) -> None:
        """A second showing keeps the first time."""
        later = NOW + timedelta(hours=1)
        again = replace(SEEN, first_seen=later, last_seen=later, mailbox_key="bob@example.test")
        store.certificates.record_seen([SEEN])
        store.certificates.record_seen([again])
        assert store.certificates.seen() == [replace(again, first_seen=NOW)]

    def test_are_listed_by_mailbox(self, store: Store) -> None:
        """The UPN is compared folded, and others' certificates are left out."""
        bobs = replace(SEEN, serial_number=9, mailbox_key="bob@example.test")
        store.certificates.record_seen([SEEN, bobs])
        assert store.certificates.seen("BOB@example.test") == [bobs]
