"""CA records in the store."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import update

from gateway.core.authority import Authority, AuthorityType, CrlSource
from gateway.errors import CertificateError, StateError
from gateway.pki.authority import CertificateAuthority
from gateway.pki.crl import AnyExtension, extension
from gateway.pki.identity import ec_key
from gateway.store.schema import authority_certificates
from gateway.store.snapshot import Snapshot
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


NOW = datetime.now(UTC).replace(microsecond=0)


def usage(*, cert_sign: bool = True, crl_sign: bool = True) -> AnyExtension:
    """A CA's key usage."""
    bits = dict.fromkeys(
        (
            "digital_signature",
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )
    return extension(x509.KeyUsage(key_cert_sign=cert_sign, crl_sign=crl_sign, **bits))


class TestWorthless:
    """Records that would never let a phone in are refused with the reason."""

    def refusal(self, store: Store, authority: Authority) -> str:
        """Why the record is not added; nothing is stored then."""
        before = store.change_id()
        with pytest.raises(CertificateError) as caught:
            store.authorities.add(authority)
        assert store.change_id() == before
        return str(caught.value)

    def test_not_yet_valid(self, store: Store) -> None:
        """The moment from which it is valid is named."""
        tomorrow = NOW + timedelta(days=1)
        early = record(CertificateAuthority.root("Early", not_before=tomorrow), ROOT)
        assert f"CN=Early is not valid before {tomorrow.isoformat()}" in self.refusal(store, early)

    @pytest.mark.filterwarnings("ignore")  # the library warns of what is refused here
    def test_weak_keys(self, store: Store) -> None:
        """What the listener's TLS refuses is no record: short RSA keys, small curves."""
        short = CertificateAuthority.root("Short", key=rsa.generate_private_key(65537, 1024))
        assert "CN=Short has a weak key: 1024 bits" in self.refusal(store, record(short, ROOT))
        small = CertificateAuthority.root("Small", key=ec.generate_private_key(ec.SECP192R1()))
        assert "CN=Small has a weak key: secp192r1" in self.refusal(store, record(small, ROOT))

    def test_nobody_may_sign_its_crl(self, store: Store) -> None:
        """Without cRLSign a CRL URL is of no use; with another signer it is."""
        key = ec_key()
        plain = record(
            CertificateAuthority.root("No CRLs", key=key, extensions=[usage(crl_sign=False)]), ROOT
        )
        assert "its key usage lacks cRLSign" in self.refusal(store, plain)
        signer = signer_of(CertificateAuthority.root("No CRLs", key=key))
        sources = (CrlSource("http://crl.example.test/x.crl", signer),)
        store.authorities.add(replace(plain, crl_distribution_point=None, sources=sources))
        assert store.authorities.list()[0].sources == sources
        with pytest.raises(CertificateError, match="lacks cRLSign"):
            store.authorities.set(plain.id, crl_distribution_point=URL)

    def test_signed_over_sha1(self, store: Store) -> None:
        """TLS takes no such chain."""
        root = CertificateAuthority.root("Root", key=rsa.generate_private_key(65537, 2048))
        store.authorities.add(record(root, ROOT))
        der = root.intermediate("Weak").certificate.public_bytes(Encoding.DER)
        sha256, sha1 = (bytes.fromhex(f"2a864886f70d0101{one}") for one in ("0b", "05"))
        der = der.replace(sha256, sha1)
        weak = Authority.from_der(der, authority_type=INTERMEDIATE, crl_distribution_point=URL)
        assert "CN=Weak is signed over sha1" in self.refusal(store, weak)


class TestOneCaSeveralCertificates:
    """Rollover, cross-signing, namesakes."""

    def test_a_renewed_certificate_shares_id_and_settings(self, store: Store) -> None:
        """Both are valid together, the newer one first; the CRL is the CA's."""
        key = ec_key()
        old = CertificateAuthority.root("Root", key=key, not_before=NOW - timedelta(days=900))
        new = CertificateAuthority.root("Root", key=key)
        first = store.authorities.add(record(old, ROOT, backdating=timedelta(minutes=10)))
        bare = replace(record(new, ROOT), crl_distribution_point=None)
        second = store.authorities.add(bare)
        assert second.id == first.id
        assert store.authorities.list() == [second, first]
        assert (second.crl_distribution_point, second.backdating) == (URL, timedelta(minutes=10))
        changed = store.authorities.set(first.id, exempt=True, delta_required=False)
        assert [one.exempt for one in store.authorities.list()] == [True, True]
        assert changed.certificate == second.certificate
        with store.database.reading() as connection:
            snapshot = Snapshot.load(connection)
        assert {one.certificate for one in snapshot.authorities.values()} == {
            first.certificate,
            second.certificate,
        }
        assert snapshot.authorities[first.id].certificate == second.certificate

    def test_another_url_for_the_same_ca_is_refused(self, store: Store) -> None:
        """A CA has one CRL URL, however many certificates it has."""
        key = ec_key()
        old = CertificateAuthority.root("Root", key=key, not_before=NOW - timedelta(days=9))
        store.authorities.add(record(old, ROOT))
        other = replace(
            record(CertificateAuthority.root("Root", key=key), ROOT),
            crl_distribution_point="http://elsewhere.example.test/x.crl",
        )
        with pytest.raises(StateError, match="known with another crl_distribution_point"):
            store.authorities.add(other)

    def test_one_of_two_certificates_is_removed(self, store: Store) -> None:
        """The CA stays with the other one; the last one goes only with the CA."""
        key = ec_key()
        old = CertificateAuthority.root("Root", key=key, not_before=NOW - timedelta(days=900))
        store.authorities.add(record(old, ROOT))
        second = store.authorities.add(record(CertificateAuthority.root("Root", key=key), ROOT))
        print_of_old = old.certificate.fingerprint(hashes.SHA256()).hex()
        store.authorities.remove_certificate(second.id, print_of_old[:10])
        assert store.authorities.list() == [second]
        with pytest.raises(StateError, match="the only certificate"):
            store.authorities.remove_certificate(second.id, "")
        with pytest.raises(StateError, match="has no certificate whose SHA-256 begins with"):
            store.authorities.remove_certificate(second.id, print_of_old)

    def test_a_cross_signed_intermediate_is_the_same_ca(self, store: Store) -> None:
        """Its root form and the form that another root signed: one id, two chains."""
        key = ec_key()
        own, other = CertificateAuthority.root("B", key=key), CertificateAuthority.root("A")
        for root in (own, other):
            store.authorities.add(record(root, ROOT))
        crossed = store.authorities.add(record(other.intermediate("B", key=key), INTERMEDIATE))
        assert crossed.id == own.key_identifier.hex()
        assert len(store.authorities.certificates(crossed.id)) == 2

    def test_namesakes_are_different_cas(self, store: Store) -> None:
        """A new key is another CA, whatever its name."""
        for _ in range(2):
            store.authorities.add(record(CertificateAuthority.root("Root"), ROOT))
        assert len({one.id for one in store.authorities.list()}) == 2

    def test_one_key_under_two_names_is_two_cas(self, store: Store) -> None:
        """Each has CRLs of its own, so each has an id of its own; both have the SKI."""
        key = ec_key()
        ids = [
            store.authorities.add(record(CertificateAuthority.root(name, key=key), ROOT)).id
            for name in ("Before", "After")
        ]
        assert ids[1] == ids[0] + "-2"
        assert [one.key_id for one in store.authorities.list()] == [ids[0], ids[0]]
        assert store.authorities.get(ids[0]).trusted_issuer == "CN=Before"
        assert store.authorities.get(ids[1]).trusted_issuer == "CN=After"


def signer_of(ca: CertificateAuthority) -> bytes:
    """The certificate of somebody whom `ca` lets sign CRLs, DER."""
    signer = ca.intermediate("CRL signer", extensions=[usage(cert_sign=False)])
    return signer.certificate.public_bytes(Encoding.DER)


class TestSources:
    """Further CRL sources of a CA."""

    def test_come_and_go(self, store: Store, pki: Pki) -> None:
        """With and without a signer; the change log says each time that the CA changed."""
        root = store.authorities.add(record(pki.root, ROOT))
        one = CrlSource("http://crl.example.test/1.crl")
        two = CrlSource("http://crl.example.test/2.crl", signer_of(pki.root))
        assert store.authorities.add_source(root.id, one).sources == (one,)
        store.authorities.add_source(root.id, two)
        assert store.authorities.list()[0].sources == (one, two)
        assert store.authorities.remove_source(root.id, one.url).sources == (two,)
        assert store.change_id() == 4
        with pytest.raises(StateError, match=r"has no source http://crl\.example\.test/1\.crl"):
            store.authorities.remove_source(root.id, one.url)

    def test_a_url_that_is_asked_already_is_refused(self, store: Store, pki: Pki) -> None:
        """Be it the CRL's own or another source's."""
        root = store.authorities.add(record(pki.root, ROOT))
        with pytest.raises(StateError, match="is asked at"):
            store.authorities.add_source(root.id, CrlSource(URL))

    def test_a_signer_that_no_ca_issued_is_refused(self, store: Store, pki: Pki) -> None:
        """Nor one that may sign no CRLs, has expired, or is no certificate."""
        root = store.authorities.add(record(pki.root, ROOT))
        url = "http://crl.example.test/1.crl"
        past = {"not_before": NOW - timedelta(days=9), "not_after": NOW - timedelta(days=1)}
        expired = pki.root.intermediate("Late", **past)  # type: ignore[arg-type]  # dates alone
        for signer, reason in (
            (signer_of(CertificateAuthority.root("Stranger")), "issued by none of the CAs"),
            (pki.alice.der, "its key usage lacks cRLSign"),
            (expired.certificate.public_bytes(Encoding.DER), "CN=Late expired at"),
            (b"0", "cannot be read"),
        ):
            with pytest.raises(CertificateError, match=reason):
                store.authorities.add_source(root.id, CrlSource(url, signer))
        assert store.authorities.list() == [root]


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
            connection.execute(update(authority_certificates).values(certificate=b"\0"))
        with pytest.raises(StateError, match=r"the record of CA .* cannot be read"):
            store.authorities.list()
