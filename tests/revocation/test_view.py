"""The workers' side: views that do not change, and are replaced when the folder does."""

from datetime import timedelta
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding

from gateway.core.certificate import ClientCertificate
from gateway.core.crl import CrlKind, verify_crl
from gateway.core.revocation import RevocationState
from gateway.pki.authority import CertificateAuthority
from gateway.pki.crl import Revocation
from gateway.revocation.index import index_path, write_index
from gateway.revocation.view import RevocationView, fingerprint
from tests.core.crl_samples import NOW, SKEW, authority_of

CA = CertificateAuthority.root("Issuing CA")
OTHER = CertificateAuthority.root("Other CA")
AUTHORITY = authority_of(CA)
ALICE = ClientCertificate.from_x509(CA.issue_device(upn="alice@example.test").certificate)


def publish(folder: Path, *serial_numbers: int, ca: CertificateAuthority = CA) -> None:
    """Put a CRL of `ca` in force."""
    authority = authority_of(ca)
    revoked = [Revocation(serial_number=one) for one in serial_numbers]
    data = ca.sign_crl(revoked, this_update=NOW).public_bytes(Encoding.DER)
    crl = verify_crl(data, authority, now=NOW, clock_skew=SKEW, previous=None)
    write_index(index_path(folder, authority.id, CrlKind.BASE.value), crl, NOW)


def state(view: RevocationView) -> RevocationState:
    """What the view says of alice."""
    return view.status(AUTHORITY, ALICE, NOW).state


def current(view: RevocationView) -> bool:
    """Whether the view still is what the folder holds, which changes behind its back."""
    return view.is_current


def test_a_view_stays_as_it_was_when_a_crl_is_replaced(tmp_path: Path) -> None:
    """The old one goes on answering, knows that it is old, and the new one has the new CRL."""
    publish(tmp_path)
    old = RevocationView.load(tmp_path)
    assert current(old)
    publish(tmp_path, ALICE.serial_number)
    assert not current(old)
    new = RevocationView.load(tmp_path, old)
    assert (state(old), state(new)) == (RevocationState.GOOD, RevocationState.REVOKED)
    assert new.is_current


def test_an_index_that_did_not_change_is_kept_mapped(tmp_path: Path) -> None:
    """Only what is new is opened."""
    publish(tmp_path)
    publish(tmp_path, ca=OTHER)
    old = RevocationView.load(tmp_path)
    publish(tmp_path, 5, ca=OTHER)
    new = RevocationView.load(tmp_path, old)
    names = [
        index_path(tmp_path, authority_of(ca).id, CrlKind.BASE.value).name for ca in (CA, OTHER)
    ]
    assert new.indexes[names[0]] is old.indexes[names[0]]
    assert new.indexes[names[1]] is not old.indexes[names[1]]


def test_nothing_there_is_unknown(tmp_path: Path) -> None:
    """No folder, an empty folder, an index that is gone again."""
    assert state(RevocationView.load(tmp_path / "none")) is RevocationState.UNKNOWN
    empty = RevocationView.load(tmp_path)
    assert state(empty) is RevocationState.UNKNOWN
    publish(tmp_path)
    view = RevocationView.load(tmp_path, empty)
    index_path(tmp_path, AUTHORITY.id, CrlKind.BASE.value).unlink()
    assert not view.is_current
    assert state(RevocationView.load(tmp_path, view)) is RevocationState.UNKNOWN


def test_a_damaged_index_is_unknown_and_says_so(tmp_path: Path) -> None:
    """The sentence names the file; the other authorities are not touched."""
    publish(tmp_path)
    path = index_path(tmp_path, AUTHORITY.id, CrlKind.BASE.value)
    path.write_bytes(path.read_bytes()[:-1])
    status = RevocationView.load(tmp_path).status(AUTHORITY, ALICE, NOW)
    assert status.state is RevocationState.UNKNOWN
    assert f"{path}: the index is damaged" in status.detail


def test_an_index_under_another_authoritys_name_is_unknown(tmp_path: Path) -> None:
    """A file that was copied or renamed decides nothing."""
    publish(tmp_path, ca=OTHER)
    other = index_path(tmp_path, authority_of(OTHER).id, CrlKind.BASE.value)
    other.rename(index_path(tmp_path, AUTHORITY.id, CrlKind.BASE.value))
    status = RevocationView.load(tmp_path).status(AUTHORITY, ALICE, NOW)
    assert status.state is RevocationState.UNKNOWN
    assert "the index is that of another CRL" in status.detail


def test_a_view_grows_stale_by_the_clock_alone(tmp_path: Path) -> None:
    """Nothing has to be loaded for a CRL to expire."""
    publish(tmp_path)
    view = RevocationView.load(tmp_path)
    late = NOW + timedelta(days=30)
    assert view.status(AUTHORITY, ALICE, late - timedelta(seconds=1)).state is RevocationState.GOOD
    assert view.status(AUTHORITY, ALICE, late).state is RevocationState.UNKNOWN


def test_the_fingerprint_is_of_indexes_alone(tmp_path: Path) -> None:
    """Locks, states and raw CRLs make no worker load anything."""
    publish(tmp_path)
    before = fingerprint(tmp_path)
    (tmp_path / "a.json").write_text("{}")
    (tmp_path / ".a.lock").touch()
    assert fingerprint(tmp_path) == before
