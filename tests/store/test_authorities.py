"""CA records in the store."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.core.authority import Authority, AuthorityType
from gateway.errors import CertificateError, StateError
from gateway.pki.authority import CertificateAuthority
from gateway.store.store import Store
from tests.helpers import Pki

ROOT, INTERMEDIATE = AuthorityType.ROOT, AuthorityType.INTERMEDIATE
URL = "http://crl.example.test/root.crl"


def record(
    ca: CertificateAuthority, kind: AuthorityType, backdating: timedelta = timedelta(0)
) -> Authority:
    """The record of a CA with a CRL URL."""
    der = ca.certificate.public_bytes(Encoding.DER)
    return Authority.from_der(
        der, authority_type=kind, crl_distribution_point=URL, backdating=backdating
    )


class TestAdd:
    """`Authorities.add`."""

    def test_every_field_comes_back(self, store: Store, pki: Pki) -> None:
        """A record is read as it was written, roots first."""
        root = record(pki.root, ROOT, backdating=timedelta(minutes=10))
        issuing = record(pki.issuing, INTERMEDIATE)
        store.authorities.add(root)
        store.authorities.add(issuing)
        assert store.authorities.list() == [root, issuing]
        assert store.change_id() == 2

    def test_refuses_the_same_ca_again(self, store: Store, pki: Pki) -> None:
        """The sentence names the id."""
        store.authorities.add(record(pki.root, ROOT))
        with pytest.raises(StateError, match=f"CA {pki.root.key_identifier.hex()} is a record"):
            store.authorities.add(record(pki.root, ROOT))

    def test_refuses_an_intermediate_before_its_root(self, store: Store, pki: Pki) -> None:
        """The issuer is named; nothing is stored."""
        with pytest.raises(CertificateError, match=r"issued by CN=Development root.*add its root"):
            store.authorities.add(record(pki.issuing, INTERMEDIATE))
        assert store.change_id() == 0

    def test_refuses_an_intermediate_of_a_namesake(self, store: Store, pki: Pki) -> None:
        """A root with the issuer's name and another key is not its issuer."""
        store.authorities.add(record(CertificateAuthority.root("Development root"), ROOT))
        with pytest.raises(CertificateError, match="add its root first"):
            store.authorities.add(record(pki.issuing, INTERMEDIATE))

    def test_refuses_an_expired_ca(self, store: Store) -> None:
        """The moment of expiry is named."""
        past = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)
        old = CertificateAuthority.root("Old", not_before=past - timedelta(days=9), not_after=past)
        with pytest.raises(CertificateError, match=f"CN=Old expired at {past.isoformat()[:19]}"):
            store.authorities.add(record(old, ROOT))

    def test_refuses_a_root_that_its_own_key_did_not_sign(self, store: Store, pki: Pki) -> None:
        """Subject and issuer alike are not enough."""
        false_root = pki.root.intermediate("Development root")
        with pytest.raises(CertificateError, match="its own key did not sign it"):
            store.authorities.add(record(false_root, ROOT))


class TestGet:
    """`Authorities.get`."""

    def test_finds_by_unique_beginning(self, store: Store, pki: Pki) -> None:
        """An id may be abbreviated, in capitals and with colons."""
        store.authorities.add(record(pki.root, ROOT))
        ski = pki.root.key_identifier.hex()
        for text in (ski, ski[:6], ski.upper(), f"{ski[:2]}:{ski[2:4]}"):
            assert store.authorities.get(text).id == ski

    def test_refuses_what_names_none_or_several(self, store: Store, pki: Pki) -> None:
        """Several candidates are listed; an unknown beginning is named."""
        store.authorities.add(record(pki.root, ROOT))
        store.authorities.add(record(pki.issuing, INTERMEDIATE))
        with pytest.raises(StateError, match="may be any of the CAs"):
            store.authorities.get("")
        with pytest.raises(StateError, match="begins with zz"):
            store.authorities.get("zz")


class TestSetAndRemove:
    """`Authorities.set` and `remove`."""

    def test_changes_the_given_fields_alone(self, store: Store, pki: Pki) -> None:
        """The other fields stay; setting what is so already is no change."""
        root = record(pki.root, ROOT)
        store.authorities.add(root)
        for _ in range(2):
            new = store.authorities.set(root.id, backdating=timedelta(seconds=5))
            assert (new.backdating, new.crl_distribution_point) == (timedelta(seconds=5), URL)
            assert store.authorities.list() == [new]
        assert store.change_id() == 2

    def test_a_removed_record_is_gone(self, store: Store, pki: Pki) -> None:
        """Removing and setting it again is refused."""
        root = record(pki.root, ROOT)
        store.authorities.add(root)
        store.authorities.remove(root.id)
        assert store.authorities.list() == []
        assert store.change_id() == 2
        with pytest.raises(StateError, match="no CA has the id"):
            store.authorities.remove(root.id)
        with pytest.raises(StateError, match="no CA has the id"):
            store.authorities.set(root.id, backdating=timedelta(0))

    def test_a_record_that_cannot_be_read_is_an_error(self, store: Store, pki: Pki) -> None:
        """A damaged certificate in the store names its record; it is not passed over."""
        store.authorities.add(record(pki.root, ROOT))
        with store.database.writing() as connection:
            connection.exec_driver_sql("UPDATE authorities SET certificate = x'00'")
        with pytest.raises(StateError, match=r"the record of CA .* cannot be read"):
            store.authorities.list()
