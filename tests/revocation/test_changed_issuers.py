"""About whose certificates two views of the CRLs may say something else."""

from dataclasses import replace
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding

from gateway.core.authority import CrlSource
from gateway.revocation.view import RevocationView
from tests.core.crl_samples import authority_of
from tests.revocation.test_view import AUTHORITY, CA, OTHER, publish

BOTH = (AUTHORITY, authority_of(OTHER))


def test_only_the_ca_whose_crl_was_replaced(tmp_path: Path) -> None:
    """Another one's stays as it was."""
    publish(tmp_path)
    publish(tmp_path, ca=OTHER)
    before = RevocationView.load(tmp_path, authorities=BOTH)
    publish(tmp_path, 5, ca=OTHER)
    after = RevocationView.load(tmp_path, before, authorities=BOTH)
    assert after.changed_issuers(before) == frozenset((BOTH[1].id,))
    assert after.changed_issuers(after) == frozenset()


def test_a_crl_that_is_lost_is_another(tmp_path: Path) -> None:
    """Nothing is known of its CA's certificates any more."""
    publish(tmp_path)
    before = RevocationView.load(tmp_path, authorities=BOTH)
    for path in tmp_path.iterdir():
        path.write_bytes(b"odd")
    after = RevocationView.load(tmp_path, before, authorities=BOTH)
    assert after.changed_issuers(before) == frozenset((AUTHORITY.id,))


def test_other_records_or_rules_concern_everybody(tmp_path: Path) -> None:
    """A CRL may be needed that was not, or the other way round."""
    view = RevocationView.load(tmp_path, authorities=BOTH)
    assert view.changed_issuers(replace(view, authorities=(AUTHORITY,))) is None
    assert view.changed_issuers(replace(view, require_crl_validation=False)) is None


def test_a_delegated_signer_may_be_on_any_crl(tmp_path: Path) -> None:
    """So that a new CRL of one CA concerns the certificates of all."""
    signer = CA.certificate.public_bytes(Encoding.DER)
    source = CrlSource("http://127.0.0.1/x", signer)
    records = (replace(AUTHORITY, sources=(source,)), BOTH[1])
    publish(tmp_path, ca=OTHER)
    before = RevocationView.load(tmp_path, authorities=records)
    assert (
        RevocationView.load(tmp_path, before, authorities=records).changed_issuers(before)
        == frozenset()
    )
    publish(tmp_path, 5, ca=OTHER)
    after = RevocationView.load(tmp_path, before, authorities=records)
    assert after.changed_issuers(before) is None
