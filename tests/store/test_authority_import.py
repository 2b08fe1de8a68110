"""Records that come together: all or none."""

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.core.authority import Authority, AuthorityType
from gateway.errors import StateError
from gateway.pki.authority import CertificateAuthority
from gateway.pki.identity import ec_key
from gateway.store.authority_import import Imported, Row, import_authorities
from gateway.store.store import Store
from tests.helpers import Pki

ROOT, INTERMEDIATE = AuthorityType.ROOT, AuthorityType.INTERMEDIATE
URL = "http://crl.example.test/ca.crl"


def row(number: int, ca: CertificateAuthority, kind: AuthorityType, url: str | None = URL) -> Row:
    """Row `number`, a CA with its CRL URL."""
    der = ca.certificate.public_bytes(Encoding.DER)
    authority = Authority.from_der(der, authority_type=kind, crl_distribution_point=url)
    return Row(f"row {number}", authority)


def refusal(store: Store, *rows: Row) -> list[str]:
    """The problems, one a line; nothing is stored."""
    before = store.authorities.list()
    change_id = store.change_id()
    with pytest.raises(StateError) as caught:
        import_authorities(store.database, rows)
    assert (store.authorities.list(), store.change_id()) == (before, change_id)
    return str(caught.value).splitlines()


def test_the_order_of_the_rows_does_not_matter(store: Store, pki: Pki) -> None:
    """An intermediate may stand before its root; again, nothing changes."""
    rows = [row(1, pki.issuing, INTERMEDIATE), row(2, pki.root, ROOT)]
    first = import_authorities(store.database, rows)
    root, issuing = pki.root.key_identifier.hex(), pki.issuing.key_identifier.hex()
    assert set(first.added) == {root, issuing}
    change_id = store.change_id()
    assert import_authorities(store.database, rows) == Imported((), (), (issuing, root))
    assert store.change_id() == change_id


def test_urls_become_those_of_the_file_and_the_rest_stays(store: Store, pki: Pki) -> None:
    """Also their absence; exemption and sources, which Entra does not know, are kept."""
    added = store.authorities.add(row(1, pki.root, ROOT).authority)
    store.authorities.set(added.id, exempt=True)
    done = import_authorities(store.database, [row(1, pki.root, ROOT, None)])
    assert done == Imported((), (added.id,), ())
    (record,) = store.authorities.list()
    assert (record.crl_distribution_point, record.exempt) == (None, True)


def test_every_problem_is_named_with_its_row(store: Store, pki: Pki) -> None:
    """And none of the good rows is stored."""
    stranger = CertificateAuthority.root("Stranger").intermediate("Lost")
    lines = refusal(
        store,
        row(1, pki.root, ROOT),
        row(2, pki.root, ROOT),
        row(3, stranger, INTERMEDIATE),
    )
    assert lines[0] == "row 2: the certificate is that of row 1 already"
    assert lines[1].startswith("row 3: CN=Lost was issued by CN=Stranger, which is not among")
    assert len(lines) == 2


def test_two_certificates_of_one_ca_may_not_contradict_each_other(store: Store) -> None:
    """The same URLs are one CA with two certificates; others are a problem of the later row."""
    key = ec_key()
    one, two = (CertificateAuthority.root("Root", key=key) for _ in range(2))
    (problem,) = refusal(store, row(1, one, ROOT), row(2, two, ROOT, "http://x.test/"))
    assert problem.startswith("row 2: it is another certificate of the CA of row 1, with other CRL")
    done = import_authorities(store.database, [row(1, one, ROOT), row(2, two, ROOT)])
    assert done.added == (one.key_identifier.hex(),)
    assert len(store.authorities.list()) == 2


def test_a_new_certificate_of_a_known_ca_changes_it(store: Store) -> None:
    """It comes beside the one that is there, and the URL is the file's."""
    key = ec_key()
    one, two = (CertificateAuthority.root("Root", key=key) for _ in range(2))
    store.authorities.add(row(1, one, ROOT).authority)
    done = import_authorities(store.database, [row(1, two, ROOT, "http://x.test/a.crl")])
    assert done == Imported((), (one.key_identifier.hex(),), ())
    assert {record.crl_distribution_point for record in store.authorities.list()} == {
        "http://x.test/a.crl"
    }
    assert len(store.authorities.list()) == 2


def test_another_type_than_the_stored_one_is_a_problem(store: Store, pki: Pki) -> None:
    """What is a root here must not become an intermediate by the way."""
    store.authorities.add(row(1, pki.root, ROOT).authority)
    given = row(1, pki.root, ROOT)
    changed = Row("row 1", replace(given.authority, authority_type=INTERMEDIATE))
    (problem,) = refusal(store, changed)
    assert "is a record of another authorityType" in problem
