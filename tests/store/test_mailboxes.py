"""Mailboxes in the store, and that no address has two of them."""

from dataclasses import replace

import pytest

from gateway.core.mailbox import Mailbox
from gateway.errors import StateError
from gateway.store.mailboxes import ImportCount
from gateway.store.store import Store

ALICE = Mailbox(
    "Alice@example.test",
    "alice.a@example.test",
    ("aa@example.test", "Ä@example.org"),
    "alice",
    "CORP",
    certificate_user_ids=("X509:<SKI>AB", "bob@local"),
    on_premises_upn="alice@corp.local",
    security_identifier="S-1-5-21-1-2",
    groups=frozenset({"Sales", "CN=Staff,DC=x"}),
    upstream="second",
)
BOB = Mailbox("bob@example.test", "bob@example.test")
CAROL = Mailbox("carol@example.test")


class TestAdd:
    """`Mailboxes.add`."""

    def test_every_field_comes_back(self, store: Store) -> None:
        """A mailbox is read as it was written, under its UPN in any ASCII case."""
        store.mailboxes.add(ALICE)
        assert store.mailboxes.get("ALICE@EXAMPLE.TEST") == ALICE

    def test_is_one_change(self, store: Store) -> None:
        """The change log rises by one."""
        store.mailboxes.add(ALICE)
        assert store.change_id() == 1

    def test_refuses_a_upn_that_exists(self, store: Store) -> None:
        """The UPN is compared folded."""
        store.mailboxes.add(ALICE)
        with pytest.raises(StateError, match=r"there is a mailbox alice@EXAMPLE.test already"):
            store.mailboxes.add(Mailbox("alice@EXAMPLE.test"))

    def test_refuses_an_address_of_another(self, store: Store) -> None:
        """The sentence names the address and both mailboxes, and nothing is stored."""
        store.mailboxes.add(ALICE)
        taken = "the address aa@example.test cannot be both of Alice@example.test and of bob@"
        with pytest.raises(StateError, match=taken):
            store.mailboxes.add(Mailbox("bob@example.test", None, ("AA@example.test",)))
        assert store.mailboxes.list() == [ALICE]
        assert store.change_id() == 1

    @pytest.mark.parametrize(
        ("mailbox", "words"),
        [
            (
                Mailbox("bob@example.test", certificate_user_ids=("X509:<SKI>ab",)),
                "the certificateUserIds value X509:<SKI>ab cannot",
            ),
            (
                Mailbox("bob@example.test", on_premises_upn="ALICE@corp.local"),
                "the onPremisesUserPrincipalName ALICE@corp.local cannot",
            ),
            (
                Mailbox("bob@example.test", security_identifier="S-1-5-21-1-2"),
                "the SID S-1-5-21-1-2 cannot",
            ),
        ],
    )
    def test_refuses_an_identifier_of_another(
        self, store: Store, mailbox: Mailbox, words: str
    ) -> None:
        """Each is one mailbox's, as it is compared and not as it is written."""
        store.mailboxes.add(ALICE)
        for write in (store.mailboxes.add, lambda one: store.mailboxes.import_all([one, CAROL])):
            with pytest.raises(StateError) as caught:
                write(mailbox)
            assert f"{words} be both of Alice@example.test and of bob@" in str(caught.value)
        store.mailboxes.remove(ALICE.upn)
        store.mailboxes.add(mailbox)

    def test_an_address_may_be_written_twice_in_one_mailbox(self, store: Store) -> None:
        """The primary address again among the proxies, in other case, is no conflict."""
        mailbox = Mailbox("a@example.test", "a@example.test", ("A@example.test",))
        store.mailboxes.add(mailbox)
        assert store.mailboxes.get("a@example.test") == mailbox

    @pytest.mark.parametrize(
        ("mailbox", "problem"),
        [
            (Mailbox("a\0@example.test"), "the UPN .* has a control character"),
            (Mailbox("alice"), "the UPN 'alice' is not of the form"),
            (Mailbox("a@b.test", "x\ny@b.test"), "the address .* has a control character"),
            (Mailbox("a@b.test", sam_account_name="CORP\\a"), "the name .* has a backslash"),
            (Mailbox("a@b.test", on_premises_upn="a"), "the on-premises UPN 'a' is not of"),
            (Mailbox("a@b.test", groups=frozenset({"a\nb"})), "the group .* has a control"),
            (Mailbox("a@b.test", upstream="A"), "the upstream 'A' is no name"),
            (Mailbox("a@b.test", security_identifier="a"), "'a' is not a SID"),
            (
                Mailbox("a@b.test", certificate_user_ids=("X509:<SKI>x",)),
                "certificateUserIds: the value 'X509:<SKI>x' has 'x' where",
            ),
        ],
    )
    def test_refuses_odd_names(self, store: Store, mailbox: Mailbox, problem: str) -> None:
        """What is wrong is said, and nothing is stored."""
        with pytest.raises(StateError, match=problem):
            store.mailboxes.add(mailbox)
        assert store.change_id() == 0


class TestRoute:
    """`Mailboxes.route`."""

    def test_routes(self, store: Store) -> None:
        """The upstream is another, what else there is stays, and the change log says so once."""
        store.mailboxes.add(ALICE)
        for _ in range(2):
            assert store.mailboxes.route(ALICE.key, "third")
        assert store.mailboxes.get(ALICE.upn) == replace(ALICE, upstream="third")
        assert store.change_id() == 2

    def test_first_route(self, store: Store) -> None:
        """A mailbox without an upstream gets one."""
        store.mailboxes.add(BOB)
        assert store.mailboxes.route(BOB.key, "second")
        assert store.mailboxes.get(BOB.upn).upstream == "second"

    def test_nobody(self, store: Store) -> None:
        """A mailbox that was removed meanwhile is not routed."""
        assert not store.mailboxes.route(BOB.key, "second")
        assert store.change_id() == 0


class TestGet:
    """`Mailboxes.get`."""

    def test_names_the_owner_of_an_address(self, store: Store) -> None:
        """Who writes an address where the UPN belongs is told the UPN."""
        store.mailboxes.add(ALICE)
        with pytest.raises(StateError, match=r"it is an address of Alice@example.test"):
            store.mailboxes.get("aa@example.test")

    def test_refuses_an_unknown_upn(self, store: Store) -> None:
        """The UPN is named."""
        with pytest.raises(StateError, match=r"no mailbox has the UPN carol@example.test"):
            store.mailboxes.get("carol@example.test")


class TestSet:
    """`Mailboxes.set`."""

    def test_changes_the_given_fields_alone(self, store: Store) -> None:
        """The other fields stay."""
        store.mailboxes.add(ALICE)
        new = store.mailboxes.set("alice@example.test", enabled=False, proxy_addresses=())
        assert new == store.mailboxes.get("alice@example.test")
        assert new == replace(ALICE, proxy_addresses=(), enabled=False)

    def test_no_change_is_no_change(self, store: Store) -> None:
        """Setting what is already so leaves the change log alone."""
        store.mailboxes.add(ALICE)
        store.mailboxes.set("alice@example.test", enabled=True)
        assert store.change_id() == 1

    def test_a_given_up_address_is_free(self, store: Store) -> None:
        """Another mailbox may take it then, not before."""
        store.mailboxes.import_all([ALICE, BOB])
        with pytest.raises(StateError, match=r"aa@example.test"):
            store.mailboxes.set("bob@example.test", proxy_addresses=("aa@example.test",))
        store.mailboxes.set("alice@example.test", proxy_addresses=())
        store.mailboxes.set("bob@example.test", proxy_addresses=("aa@example.test",))


class TestRemove:
    """`Mailboxes.remove`."""

    def test_mailbox_and_addresses_are_gone(self, store: Store) -> None:
        """Its addresses are free, and removing it again is refused."""
        store.mailboxes.add(ALICE)
        store.mailboxes.remove("alice@example.test")
        store.mailboxes.add(Mailbox("new@example.test", "aa@example.test"))
        with pytest.raises(StateError, match="no mailbox"):
            store.mailboxes.remove("alice@example.test")

    def test_a_revocation_outlives_the_mailbox(self, store: Store) -> None:
        """Removing and adding a mailbox does not undo its token-valid-from."""
        store.mailboxes.add(ALICE)
        revoked = store.valid_from.revoke(ALICE.upn)
        store.mailboxes.remove(ALICE.upn)
        store.mailboxes.add(ALICE)
        assert store.snapshot().token_valid_from(ALICE.key) == revoked


class TestImportAll:
    """`Mailboxes.import_all`."""

    def test_counts_what_it_did(self, store: Store) -> None:
        """Added, changed and unchanged mailboxes are told apart; only changes are logged."""
        store.mailboxes.import_all([ALICE, BOB])
        before = store.change_id()
        bob = Mailbox("bob@example.test", "bob@example.test", enabled=False)
        count = store.mailboxes.import_all([ALICE, bob, Mailbox("carol@example.test")])
        assert count == ImportCount(added=1, changed=1, unchanged=1, removed=0)
        assert store.change_id() == before + 2
        assert store.mailboxes.get("bob@example.test") == bob

    def test_leaves_others_alone_unless_told(self, store: Store) -> None:
        """A mailbox that the source does not name is removed only on request."""
        store.mailboxes.import_all([ALICE, BOB])
        assert store.mailboxes.import_all([ALICE]).removed == 0
        assert store.mailboxes.list() == [ALICE, BOB]
        assert store.mailboxes.import_all([ALICE], remove_missing=True).removed == 1
        assert store.mailboxes.list() == [ALICE]

    def test_fields_that_the_source_lacks_stay(self, store: Store) -> None:
        """A source without an enabled column does not enable a disabled mailbox."""
        store.mailboxes.add(ALICE)
        store.mailboxes.set(ALICE.upn, enabled=False)
        store.mailboxes.import_all(
            [Mailbox("alice@example.test", "new@example.test")], fields={"primary_address"}
        )
        alice = store.mailboxes.get("alice@example.test")
        assert (alice.enabled, alice.primary_address) == (False, "new@example.test")
        assert alice.proxy_addresses == ALICE.proxy_addresses

    def test_addresses_may_change_places(self, store: Store) -> None:
        """Two mailboxes may swap an address in one import."""
        store.mailboxes.import_all(
            [Mailbox("a@x.test", "1@x.test"), Mailbox("b@x.test", "2@x.test")]
        )
        swapped = [Mailbox("a@x.test", "2@x.test"), Mailbox("b@x.test", "1@x.test")]
        store.mailboxes.import_all(swapped)
        assert store.mailboxes.list() == swapped

    def test_is_all_or_nothing(self, store: Store) -> None:
        """One conflict keeps everything out; every conflict is named, one a line."""
        store.mailboxes.add(ALICE)
        wrong = [
            Mailbox("carol@example.test", "carol@example.test"),
            Mailbox("dave@example.test", "aa@example.test"),
            Mailbox("erin@example.test", "ä\0"),
        ]
        with pytest.raises(StateError) as caught:
            store.mailboxes.import_all(wrong)
        assert len(str(caught.value).splitlines()) == 2
        assert store.mailboxes.list() == [ALICE]

    def test_refuses_a_doubled_upn(self, store: Store) -> None:
        """The same UPN twice would make one mailbox of two."""
        with pytest.raises(StateError, match="twice"):
            store.mailboxes.import_all([BOB, Mailbox("BOB@example.test")])

    def test_many_problems_are_counted_not_listed(self, store: Store) -> None:
        """After fifty problems the rest is a number."""
        with pytest.raises(StateError) as caught:
            store.mailboxes.import_all([Mailbox(f"wrong{number}") for number in range(60)])
        lines = str(caught.value).splitlines()
        assert (len(lines), lines[-1]) == (51, "and 10 more")
