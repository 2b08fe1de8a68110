"""Snapshots, and following the changes of others."""

import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.core.authority import Authority, AuthorityType
from gateway.core.mailbox import Mailbox
from gateway.errors import StateError
from gateway.store.follow import Follower
from gateway.store.snapshot import Snapshot
from gateway.store.store import Store
from tests.helpers import Pki
from tests.store.conftest import Place

ALICE = Mailbox("Alice@x.test", "a@x.test", ("aa@x.test",))


@pytest.fixture
def follower(place: Place) -> Iterator[Follower]:
    """A follower in a process of its own, as far as the store can tell."""
    with place.open() as own:
        following = Follower(own)
        yield following
        following.close()


def news(follower: Follower) -> Snapshot:
    """What the follower must have found, a moment after it was committed."""
    until = time.monotonic() + 5
    while (snapshot := follower.poll()) is None:
        assert time.monotonic() < until
    return snapshot


class TestSnapshot:
    """`Snapshot`."""

    def test_finds_mailboxes_in_any_case(self, store: Store) -> None:
        """UPN and addresses are looked up folded, each in its own place."""
        store.mailboxes.add(ALICE)
        snapshot = store.snapshot()
        assert snapshot.find_by_upn("ALICE@X.TEST") == ALICE
        assert snapshot.find_by_address("AA@x.test") == ALICE
        assert snapshot.find_by_address("A@X.test") == ALICE
        assert snapshot.find_by_address("alice@x.test") is None
        assert snapshot.find_by_upn("aa@x.test") is None
        assert (snapshot.mailbox_count, snapshot.change_id) == (1, 1)

    def test_finds_mailboxes_by_identifier(self, store: Store) -> None:
        """Whatever certificates may name one by, and nothing that is wrong or another's."""
        mailbox = replace(
            ALICE,
            certificate_user_ids=("X509:<SKI>AB", "bob@local"),
            on_premises_upn="Alice@corp.local",
            security_identifier="S-1-5-21-1",
        )
        store.mailboxes.add(mailbox)
        snapshot = store.snapshot()
        for key in ("SKI:ab", "onPremisesUserPrincipalName:alice@corp.local", "SID:S-1-5-21-1"):
            assert snapshot.find_by_identifier(key) == mailbox
        assert snapshot.find_by_identifier("SKI:abab") is None
        assert snapshot.find_by_identifier("alice@x.test") is None

    def test_an_old_snapshot_does_not_change(self, store: Store, follower: Follower) -> None:
        """What a decision holds stays as it was when the store moves on."""
        store.mailboxes.add(ALICE)
        old = news(follower)
        store.mailboxes.set(ALICE.upn, primary_address="new@x.test")
        news(follower)
        assert old.find_by_address("a@x.test") == ALICE
        assert old.find_by_address("new@x.test") is None


class TestPoll:
    """`Follower.poll`."""

    def test_the_first_poll_gives_the_state(self, follower: Follower) -> None:
        """Also of an empty store; the second gives nothing."""
        assert news(follower).change_id == 0
        assert follower.poll() is None

    def test_sees_each_kind_of_change(self, store: Store, follower: Follower, pki: Pki) -> None:
        """Authorities, mailboxes, token-valid-from and blocks arrive with their change id."""
        news(follower)
        der = pki.root.certificate.public_bytes(Encoding.DER)
        root = Authority.from_der(
            der, authority_type=AuthorityType.ROOT, crl_distribution_point=None
        )
        store.authorities.add(root)
        assert news(follower).authorities == {root.id: root}
        store.mailboxes.add(ALICE)
        assert news(follower).find_by_upn(ALICE.upn) == ALICE
        revoked = store.valid_from.revoke(ALICE.upn)
        assert news(follower).token_valid_from(ALICE.key) == revoked
        store.certificates.block(root.id, 7)
        assert news(follower).is_blocked(root.id, 7)
        store.mailboxes.remove(ALICE.upn)
        last = news(follower)
        assert last.find_by_address("aa@x.test") is None
        assert last.change_id == store.change_id() == 5

    def test_sees_writes_of_its_own_process(self, follower: Follower, store: Store) -> None:
        """A write through the same store object is a change like any other."""
        own = Follower(store)
        news(own)
        store.mailboxes.add(ALICE)
        assert news(own).mailbox_count == 1
        own.close()

    def test_audit_is_no_news(self, store: Store, follower: Follower) -> None:
        """A commit that decides nothing gives no snapshot."""
        news(follower)
        store.audit.append([{"n": 1}])
        assert follower.poll() is None

    def test_many_changes_are_read_whole(self, store: Store, follower: Follower) -> None:
        """An import of more mailboxes than are read singly arrives as well."""
        news(follower)
        store.mailboxes.import_all([Mailbox(f"u{number}@x.test") for number in range(600)])
        assert news(follower).mailbox_count == 600

    def test_a_damaged_store_is_an_error(self, store: Store, follower: Follower) -> None:
        """A table that is gone makes the poll fail, and the next as well."""
        news(follower)
        with store.database.writing() as connection:
            connection.exec_driver_sql("DROP TABLE changes")
        for _ in range(2):
            with pytest.raises(StateError, match=r"cannot be read: .*(no such table|not exist)"):
                news(follower)


LETTERS = st.sampled_from("abcd")
Step = tuple[str, str, set[str], bool]
STEP: st.SearchStrategy[Step] = st.one_of(
    st.tuples(st.just("write"), LETTERS, st.sets(LETTERS), st.booleans()),
    st.tuples(st.just("remove"), LETTERS, st.builds(set[str]), st.just(value=False)),
)


class TestAdvance:
    """`Snapshot.advance`."""

    # Each write waits for the disk, so that there is no time which an example must not take.
    @settings(
        max_examples=25,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    @given(batches=st.lists(st.lists(STEP, max_size=4), max_size=4))
    def test_step_by_step_is_what_a_whole_read_gives(
        self,
        store: Store,
        follower: Follower,
        batches: list[list[Step]],
    ) -> None:
        """Whatever happens to mailboxes and their addresses, following equals reading anew."""
        for steps in batches:
            for verb, name, addresses, enabled in steps:
                _apply(store, verb, name, addresses, enabled=enabled)
            followed, whole = follower.poll(), store.snapshot()
            assert followed is None or followed == whole


def _apply(store: Store, verb: str, name: str, addresses: set[str], *, enabled: bool) -> None:
    upn = f"{name}@x.test"
    known = {mailbox.upn for mailbox in store.mailboxes.list()}
    if verb == "remove":
        if upn in known:
            store.mailboxes.remove(upn)
        return
    proxies = tuple(f"{address}@y.test" for address in sorted(addresses))
    owners = store.mailboxes.list()
    takes = [m for m in owners if m.upn != upn and set(m.addresses) & set(proxies)]
    moved = [
        Mailbox(
            m.upn,
            proxy_addresses=tuple(a for a in m.addresses if a not in proxies),
            certificate_user_ids=tuple(i for i in m.certificate_user_ids if i not in addresses),
        )
        for m in takes
    ]
    ids = tuple(sorted(addresses))
    new = Mailbox(upn, None, proxies, enabled=enabled, certificate_user_ids=ids)
    store.mailboxes.import_all([*moved, new])
