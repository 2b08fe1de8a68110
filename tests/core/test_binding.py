"""From the names in a certificate to mailboxes."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.binding import bind, lookup_keys
from gateway.core.certificate import ClientCertificate
from gateway.core.mailbox import Mailbox
from gateway.core.names import PrincipalName, Rfc822Name, fold
from gateway.core.username_binding import DEFAULT_RULES, BindingRules, CertificateField
from tests.core.facts import certificate

UPN, ADDRESS = CertificateField.PRINCIPAL_NAME, CertificateField.RFC822_NAME
ALICE = Mailbox(
    "alice@corp.local", primary_address="alice@mail.test", proxy_addresses=("a.s@mail.test",)
)
BOB = Mailbox("bob@corp.local", primary_address="bob@mail.test")
KIM = Mailbox("kim@corp.local")


class Directory:
    """Alice, Bob and Kim; as a directory does, it disregards ASCII case."""

    def find_by_upn(self, upn: str) -> Mailbox | None:
        """By userPrincipalName."""
        return next((m for m in (ALICE, BOB, KIM) if m.key == fold(upn)), None)

    def find_by_address(self, address: str) -> Mailbox | None:
        """By any address."""
        return next((m for m in (ALICE, BOB, KIM) if fold(address) in m.addresses), None)

    def find_by_identifier(self, key: str) -> Mailbox | None:
        """By an identifier, which none of the default bindings asks for."""
        raise AssertionError(key)


def named(*, upns: tuple[str, ...] = (), addresses: tuple[str, ...] = ()) -> ClientCertificate:
    """A certificate with these SAN values."""
    return certificate(
        principal_names=tuple(map(PrincipalName, upns)),
        rfc822_names=tuple(map(Rfc822Name, addresses)),
    )


def mailboxes(one: ClientCertificate, *order: CertificateField) -> tuple[Mailbox, ...]:
    """What the certificate leads to by these bindings, by both where none is given."""
    return bind(one, BindingRules.of(order or (UPN, ADDRESS)), Directory()).mailboxes


class TestLookUp:
    """Which value is looked up where."""

    def test_principal_name_is_a_upn(self) -> None:
        """It is compared with userPrincipalName, whatever its case, and with no address."""
        assert mailboxes(named(upns=("ALICE@corp.local",))) == (ALICE,)
        assert mailboxes(named(upns=("alice@mail.test",))) == ()

    def test_rfc822_name_is_an_address(self) -> None:
        """It is compared with primary and proxy addresses, and with no UPN."""
        assert mailboxes(named(addresses=("Alice@Mail.Test",))) == (ALICE,)
        assert mailboxes(named(addresses=("a.s@mail.test",))) == (ALICE,)
        assert mailboxes(named(addresses=("alice@corp.local",))) == ()

    def test_kelvin_sign_is_no_k(self) -> None:
        """Wider folding than ASCII would give Kim's mail to another."""
        assert mailboxes(named(upns=("\u212aim@corp.local",))) == ()

    def test_unbound_values_are_not_looked_at(self) -> None:
        """A kind of name that no binding uses leads nowhere and is no usable name."""
        both = named(upns=("alice@corp.local",), addresses=("bob@mail.test",))
        assert bind(both, BindingRules.of([ADDRESS]), Directory()).names == (
            Rfc822Name("bob@mail.test"),
        )
        assert mailboxes(both, ADDRESS) == (BOB,)
        assert mailboxes(both, UPN) == (ALICE,)


class TestSeveral:
    """More than one value."""

    def test_value_that_names_none_is_passed_over(self) -> None:
        """A UPN that the directory does not know beside an address that it does is common."""
        assert mailboxes(named(upns=("alice@old.local",), addresses=("alice@mail.test",))) == (
            ALICE,
        )

    def test_one_mailbox_by_two_names_is_one(self) -> None:
        """UPN and address of the same mailbox agree."""
        assert mailboxes(named(upns=("alice@corp.local",), addresses=("alice@mail.test",))) == (
            ALICE,
        )

    def test_two_mailboxes_are_both_found(self) -> None:
        """The decision sees each of them: two UPNs, or a UPN and an address of another."""
        assert mailboxes(named(upns=("alice@corp.local", "bob@corp.local"))) == (ALICE, BOB)
        assert mailboxes(named(upns=("alice@corp.local",), addresses=("bob@mail.test",))) == (
            ALICE,
            BOB,
        )

    def test_order_is_that_of_the_bindings(self) -> None:
        """Names and mailboxes come in the configured order."""
        both = named(upns=("alice@corp.local",), addresses=("bob@mail.test",))
        found = bind(both, BindingRules.of([ADDRESS, UPN]), Directory())
        assert found.names == (Rfc822Name("bob@mail.test"), PrincipalName("alice@corp.local"))
        assert found.mailboxes == (BOB, ALICE)

    def test_no_value(self) -> None:
        """A certificate without a name leads nowhere."""
        found = bind(named(), DEFAULT_RULES, Directory())
        assert (found.names, found.mailboxes) == ((), ())

    def test_says_what_was_tried(self) -> None:
        """The denial of a certificate without a usable value names the bindings."""
        assert [one.text for one in bind(named(), DEFAULT_RULES, Directory()).tried] == [
            "PrincipalName with userPrincipalName",
            "RFC822Name with proxyAddresses",
        ]

    def test_what_leads_to_a_mailbox_is_its_san_values(self) -> None:
        """Folded, and also those that no binding uses: they cost nothing and may be bound later."""
        both = named(upns=("ALICE@corp.local",), addresses=("b@Mail.test",))
        for rules in (DEFAULT_RULES, BindingRules.of([UPN])):
            assert lookup_keys(both, rules) == {"alice@corp.local", "b@mail.test"}


@given(st.lists(st.sampled_from(["alice@corp.local", "BOB@corp.local", "x@y"]), max_size=6))
def test_no_mailbox_twice(upns: list[str]) -> None:
    """However often it is named, a mailbox is found once, and no one else's with it."""
    found = mailboxes(named(upns=tuple(upns)))
    assert len(found) == len({mailbox.key for mailbox in found})
    assert {mailbox.key for mailbox in found} == {fold(upn) for upn in upns} - {"x@y"}
