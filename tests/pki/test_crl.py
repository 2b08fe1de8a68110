"""CRLs: the plain one is right, and every wrong one is wrong in the way asked for."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.pki.authority import CertificateAuthority
from gateway.pki.crl import LIFETIME, Revocation
from tests.helpers import Pki, crl_without_next_update, unknown_extension

THEN = datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC)


def public_key(ca: CertificateAuthority) -> CertificateIssuerPublicKeyTypes:
    """The key that a CRL of `ca` is verified with."""
    return ca.key.public_key()


def oids(crl: x509.CertificateRevocationList) -> set[x509.ObjectIdentifier]:
    """What extensions a CRL has."""
    return {one.oid for one in crl.extensions}


def test_plain_crl_is_signed_named_and_numbered(pki: Pki) -> None:
    """Signature, issuer, key identifier, number and dates are those of the CA and the moment."""
    crl = pki.issuing.sign_crl(this_update=THEN, number=7)
    assert crl.is_signature_valid(public_key(pki.issuing))
    assert crl.issuer == pki.issuing.certificate.subject
    assert crl.last_update_utc == THEN
    assert crl.next_update_utc == THEN + LIFETIME
    key_id = crl.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    assert key_id.key_identifier == pki.issuing.key_identifier
    assert crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number == 7
    assert len(crl) == 0


def test_entries_say_when_and_why(pki: Pki) -> None:
    """An entry has its own date, or that of the CRL, and a reason only if there is one."""
    earlier = THEN - timedelta(days=1)
    held = Revocation(
        serial_number=1,
        revocation_date=earlier,
        reason=x509.ReasonFlags.certificate_hold,
        extensions=(unknown_extension(critical=True),),
    )
    crl = pki.issuing.sign_crl([held, Revocation(serial_number=2)], this_update=THEN)
    first, second = crl
    assert (first.serial_number, first.revocation_date_utc) == (1, earlier)
    reason = first.extensions.get_extension_for_class(x509.CRLReason).value.reason
    assert reason is x509.ReasonFlags.certificate_hold
    assert [one.critical for one in first.extensions] == [False, True]
    assert (second.serial_number, second.revocation_date_utc) == (2, THEN)
    assert list(second.extensions) == []


def test_indirect_entry_names_its_issuer(pki: Pki) -> None:
    """The entry extension is critical and holds the other CA's name (RFC 5280, 5.3.3)."""
    name = pki.root.certificate.subject
    crl = pki.issuing.sign_crl([Revocation(serial_number=1, certificate_issuer=name)])
    (entry,) = crl
    found = entry.extensions.get_extension_for_class(x509.CertificateIssuer)
    assert found.critical
    assert found.value.get_values_for_type(x509.DirectoryName) == [name]


def test_delta_and_scope_are_critical(pki: Pki) -> None:
    """A delta CRL indicator and an issuing distribution point are critical, as they must be."""
    scope = x509.IssuingDistributionPoint(
        full_name=[x509.UniformResourceIdentifier("http://crl.example.test/a.crl")],
        relative_name=None,
        only_contains_user_certs=False,
        only_contains_ca_certs=True,
        only_some_reasons=None,
        indirect_crl=False,
        only_contains_attribute_certs=False,
    )
    crl = pki.issuing.sign_crl(number=9, base_number=4, issuing_distribution_point=scope)
    delta = crl.extensions.get_extension_for_class(x509.DeltaCRLIndicator)
    assert (delta.critical, delta.value.crl_number) == (True, 4)
    found = crl.extensions.get_extension_for_class(x509.IssuingDistributionPoint)
    assert (found.critical, found.value) == (True, scope)


def test_extensions_can_be_left_out_and_added(pki: Pki) -> None:
    """No number, no key identifier, an unknown critical extension: each can be had."""
    crl = pki.issuing.sign_crl(
        number=None,
        omit=[x509.AuthorityKeyIdentifier.oid],
        extensions=[unknown_extension(critical=True)],
    )
    (only,) = crl.extensions
    assert (only.oid.dotted_string, only.critical) == ("1.3.6.1.4.1.55555.1", True)


def test_a_crl_can_claim_another_signer(pki: Pki) -> None:
    """Signed by a stranger in the CA's name: only the signature gives it away."""
    crl = CertificateAuthority.root("Stranger").sign_crl(
        issuer_name=pki.issuing.certificate.subject,
        authority_key_identifier=pki.issuing.key_identifier,
    )
    plain = pki.issuing.sign_crl()
    assert crl.issuer == plain.issuer
    assert oids(crl) == oids(plain)
    assert not crl.is_signature_valid(public_key(pki.issuing))


def test_crl_without_next_update_is_signed_all_the_same(pki: Pki) -> None:
    """What the library cannot build, it reads: no nextUpdate, and a signature that holds."""
    crl = x509.load_der_x509_crl(crl_without_next_update(pki.issuing))
    assert crl.next_update_utc is None
    assert crl.is_signature_valid(public_key(pki.issuing))
    assert oids(crl) == oids(pki.issuing.sign_crl())


def test_the_library_refuses_next_update_before_this_update(pki: Pki) -> None:
    """The one order of dates that cannot be had is refused, not turned round."""
    with pytest.raises(ValueError, match="next update"):
        pki.issuing.sign_crl(this_update=THEN, next_update=THEN - timedelta(seconds=1))


def test_a_large_crl_is_whole(pki: Pki) -> None:
    """Twenty thousand entries are signed in order."""
    crl = pki.issuing.sign_crl(Revocation(serial_number=one) for one in range(1, 20_001))
    assert len(crl) == 20_000
    assert crl[19_999].serial_number == 20_000
    assert len(crl.public_bytes(Encoding.DER)) > 20_000 * 20
