"""What a snapshot says has changed, whom a running gateway then judges again."""

from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.serialization import Encoding

from gateway.core.authority import Authority, AuthorityType
from gateway.core.difference import Difference
from gateway.core.mailbox import Mailbox
from gateway.store.follow import Follower
from gateway.store.snapshot import Snapshot
from gateway.store.store import Store
from tests.helpers import Pki
from tests.store.conftest import Place

ALICE = Mailbox("Alice@x.test", "a@x.test", ("AA@x.test",))
BOB = Mailbox("bob@x.test")


def _both(store: Store, before: Snapshot) -> Difference:
    return store.snapshot().difference(before)


class TestDifference:
    """`Snapshot.difference`."""

    def test_nothing(self, store: Store) -> None:
        """Two readings of one state do not differ."""
        store.mailboxes.add(ALICE)
        assert _both(store, store.snapshot()) == Difference()

    def test_a_mailbox_and_all_that_leads_to_it(self, store: Store) -> None:
        """By its key, and by the addresses that it has or had; nobody else's."""
        store.mailboxes.add(ALICE)
        store.mailboxes.add(BOB)
        before = store.snapshot()
        store.mailboxes.set(ALICE.upn, proxy_addresses=("new@x.test",))
        found = _both(store, before)
        assert found.names == {"alice@x.test", "a@x.test", "aa@x.test", "new@x.test"}
        before = store.snapshot()
        store.mailboxes.remove(BOB.upn)
        assert _both(store, before).names == {"bob@x.test"}

    def test_what_else_certificates_may_name_a_mailbox_by(self, store: Store) -> None:
        """Identifiers that it has or had lead to it as addresses do."""
        store.mailboxes.add(BOB)
        before = store.snapshot()
        store.mailboxes.set(BOB.upn, certificate_user_ids=("X509:<SKI>AB",))
        assert _both(store, before).names == {"bob@x.test", "SKI:ab"}
        before = store.snapshot()
        store.mailboxes.set(BOB.upn, certificate_user_ids=(), security_identifier="S-1-5-1")
        assert _both(store, before).names == {"bob@x.test", "SKI:ab", "SID:S-1-5-1"}

    def test_token_valid_from(self, store: Store) -> None:
        """Names the mailbox and the latest moment; clearing one names the mailbox alone."""
        store.mailboxes.add(ALICE)
        before = store.snapshot()
        store.valid_from.revoke(ALICE.upn)
        found = _both(store, before)
        assert found.names == {"alice@x.test"}
        assert found.valid_from is not None
        assert abs(datetime.now(UTC) - found.valid_from) < timedelta(minutes=1)

    def test_a_blocked_certificate(self, store: Store) -> None:
        """By CA and serial number, when it is blocked and when it no longer is."""
        before = store.snapshot()
        store.certificates.block("ab", 5)
        assert _both(store, before).certificates == {("ab", 5)}
        before = store.snapshot()
        store.certificates.unblock("ab", 5)
        assert _both(store, before).certificates == {("ab", 5)}

    def test_a_ca_concerns_everybody(self, store: Store, pki: Pki) -> None:
        """Whatever its record says."""
        before = store.snapshot()
        der = pki.root.certificate.public_bytes(Encoding.DER)
        root = Authority.from_der(
            der, authority_type=AuthorityType.ROOT, crl_distribution_point=None
        )
        store.authorities.add(root)
        assert _both(store, before).everything

    def test_a_follower_that_reads_only_changes_says_the_same(
        self, store: Store, place: Place
    ) -> None:
        """As a whole reading does."""
        store.mailboxes.add(ALICE)
        with place.open() as own:
            follower = Follower(own)
            before = follower.poll()
            assert before is not None
            store.mailboxes.set(ALICE.upn, enabled=False)
            while (after := follower.poll()) is None:
                pass
            follower.close()
        assert after.difference(before) == _both(store, before)
