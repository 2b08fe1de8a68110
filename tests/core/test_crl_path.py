"""CRLs that another certificate's key signs, and what becomes of them with that certificate."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.core.authority import Authority, AuthorityType, CrlSource
from gateway.core.certificate import ClientCertificate
from gateway.core.crl_path import CrlPaths
from gateway.core.crl_status import CrlPair, revocation_status
from gateway.core.revocation import RevocationState, RevocationStatus
from gateway.pki.authority import CertificateAuthority
from gateway.pki.crl import Revocation, extension
from tests.core.crl_samples import NOW, authority_of
from tests.core.in_force import HOUR, InForce, in_force

DAY = timedelta(days=1)
LONG_AGO, LATER = NOW - 10 * DAY, NOW + 100 * DAY
ROOT = CertificateAuthority.root("Root", not_before=LONG_AGO, not_after=LATER)
ISSUING = ROOT.intermediate("Issuing CA", not_before=LONG_AGO, not_after=LATER)
# The same CA with the key that it signs its CRLs with.
CRL_KEY = ROOT.intermediate("Issuing CA", not_before=LONG_AGO, not_after=LATER)
ELSEWHERE = CertificateAuthority.root("Other Root", not_before=LONG_AGO, not_after=LATER)
FOREIGN = ELSEWHERE.intermediate("Issuing CA", not_before=LONG_AGO, not_after=LATER)
ALICE = ClientCertificate.from_x509(ISSUING.issue_device(upn="alice@example.test").certificate)


def der(ca: CertificateAuthority) -> bytes:
    """Its certificate."""
    return ca.certificate.public_bytes(Encoding.DER)


def anchor(ca: CertificateAuthority) -> Authority:
    """The record of a root."""
    return replace(authority_of(ca), authority_type=AuthorityType.ROOT)


def delegating(ca: CertificateAuthority, *signers: CertificateAuthority) -> Authority:
    """The record of a CA whose CRLs others sign."""
    sources = tuple(CrlSource(f"http://127.0.0.1:9/{i}", der(s)) for i, s in enumerate(signers))
    return replace(authority_of(ca, None), sources=sources)


ROOT_RECORD, OTHER_RECORD = anchor(ROOT), anchor(ELSEWHERE)
RECORD = delegating(ISSUING, CRL_KEY)


def status(
    crls: Mapping[str, Sequence[InForce]],
    *others: Authority,
    record: Authority = RECORD,
    now: datetime = NOW,
    certificate: ClientCertificate = ALICE,
) -> RevocationStatus:
    """Alice's certificate, with the CRLs in force by the id of the record that they are for."""
    paths = CrlPaths((record, *others), lambda one: [CrlPair(crl) for crl in crls.get(one.id, ())])
    return paths.status(record, certificate, now)


DELEGATED = in_force(CRL_KEY, RECORD, is_delegated=True)
OF_ROOT = in_force(ROOT, ROOT_RECORD, next_update=NOW + HOUR)
BOTH = {RECORD.id: [DELEGATED], ROOT_RECORD.id: [OF_ROOT]}


def revoking(ca: CertificateAuthority) -> Revocation:
    """An entry for the certificate of `ca`."""
    return Revocation(serial_number=ca.certificate.serial_number)


def test_a_crl_signed_with_another_key_of_the_ca_decides() -> None:
    """As long as its signer's certificate is good: no longer than that is known."""
    found = status(BOTH, ROOT_RECORD)
    assert found.state is RevocationState.GOOD
    assert found.this_update == NOW - HOUR
    assert found.next_update == NOW + HOUR


def test_an_entry_of_such_a_crl_revokes() -> None:
    """It is a CRL like others."""
    listed = in_force(
        CRL_KEY, RECORD, [Revocation(serial_number=ALICE.serial_number)], is_delegated=True
    )
    assert status({**BOTH, RECORD.id: [listed]}, ROOT_RECORD).state is RevocationState.REVOKED


@pytest.mark.parametrize(
    ("crls", "others", "sentence"),
    [
        (
            {**BOTH, ROOT_RECORD.id: [in_force(ROOT, ROOT_RECORD, [revoking(CRL_KEY)])]},
            [ROOT_RECORD],
            "is not to be believed: revoked at",
        ),
        ({RECORD.id: [DELEGATED]}, [ROOT_RECORD], "no CRL was fetched yet"),
        (BOTH, [], "does not chain to the same root"),
        (BOTH, [OTHER_RECORD], "does not chain to the same root"),
        (BOTH, [replace(ROOT_RECORD, not_after=NOW - DAY)], "does not chain to the same root"),
    ],
)
def test_a_signer_that_is_not_good_makes_its_crl_worthless(
    crls: Mapping[str, Sequence[InForce]], others: Sequence[Authority], sentence: str
) -> None:
    """Revoked, of unknown status, or without a path to a root."""
    found = status(crls, *others)
    assert found.state is RevocationState.UNKNOWN
    assert sentence in found.detail


def test_a_signer_of_another_anchor_is_not_believed() -> None:
    """RFC 5280 section 6.3.3 f: the trust anchor must be that of the certificate on the CRL."""
    record = delegating(ISSUING, FOREIGN)
    crls = {
        record.id: [in_force(FOREIGN, record, is_delegated=True)],
        OTHER_RECORD.id: [in_force(ELSEWHERE, OTHER_RECORD)],
        ROOT_RECORD.id: [OF_ROOT],
    }
    found = status(crls, ROOT_RECORD, OTHER_RECORD, record=record)
    assert found.state is RevocationState.UNKNOWN
    assert "does not chain to the same root" in found.detail


def test_a_signer_is_believed_no_longer_than_its_certificate_is_valid() -> None:
    """Whatever its CRL says of nextUpdate."""
    long = {
        RECORD.id: [in_force(CRL_KEY, RECORD, is_delegated=True, next_update=LATER + 2 * DAY)],
        ROOT_RECORD.id: [in_force(ROOT, ROOT_RECORD, next_update=LATER + 2 * DAY)],
    }
    found = status(long, ROOT_RECORD, now=LATER + DAY)
    assert found.state is RevocationState.UNKNOWN
    assert "CN=Issuing CA is not valid now" in found.detail


def test_an_exempt_ca_vouches_for_the_signers_that_it_issued() -> None:
    """No CRL is consulted about what it issued, and so none sets an end."""
    found = status({RECORD.id: [DELEGATED]}, replace(ROOT_RECORD, exempt=True))
    assert found.state is RevocationState.GOOD
    assert found.next_update == DELEGATED.accepted.facts.next_update


def test_the_cas_above_the_signer_are_judged_as_well() -> None:
    """A path of two CAs: the signer's issuer, and the root above it."""
    middle = ROOT.intermediate("Middle CA", not_before=LONG_AGO, not_after=LATER)
    signer = middle.intermediate("Issuing CA", not_before=LONG_AGO, not_after=LATER)
    record, middle_record = delegating(ISSUING, signer), authority_of(middle)
    crls: dict[str, list[InForce]] = {
        record.id: [in_force(signer, record, is_delegated=True)],
        middle_record.id: [in_force(middle, middle_record, next_update=NOW + 2 * HOUR)],
        ROOT_RECORD.id: [OF_ROOT],
    }
    found = status(crls, middle_record, ROOT_RECORD, record=record)
    assert found.state is RevocationState.GOOD
    assert found.next_update == NOW + HOUR
    sooner = [in_force(middle, middle_record, next_update=NOW + HOUR / 2)]
    found = status({**crls, middle_record.id: sooner}, middle_record, ROOT_RECORD, record=record)
    assert found.next_update == NOW + HOUR / 2
    crls[ROOT_RECORD.id] = [in_force(ROOT, ROOT_RECORD, [revoking(middle)])]
    found = status(crls, middle_record, ROOT_RECORD, record=record)
    assert found.state is RevocationState.UNKNOWN
    assert "is not to be believed: revoked at" in found.detail


def test_any_path_that_holds_will_do() -> None:
    """Two certificates of one issuing CA, of which only the second is not revoked."""
    middle = ROOT.intermediate("Middle CA", not_before=LONG_AGO, not_after=LATER)
    again = ROOT.intermediate("Middle CA", key=middle.key, not_before=LONG_AGO, not_after=LATER)
    signer = middle.intermediate("Issuing CA", not_before=LONG_AGO, not_after=LATER)
    record, first, second = delegating(ISSUING, signer), authority_of(middle), authority_of(again)
    crls = {
        record.id: [in_force(signer, record, is_delegated=True)],
        first.id: [in_force(middle, first)],
        ROOT_RECORD.id: [in_force(ROOT, ROOT_RECORD, [revoking(middle)])],
    }
    found = status(crls, first, second, ROOT_RECORD, record=record)
    assert found.state is RevocationState.GOOD


def test_a_namesake_of_the_issuer_is_passed_over() -> None:
    """Its key identifier is not the one that the signer's certificate names."""
    namesake = anchor(CertificateAuthority.root("Root", not_before=LONG_AGO, not_after=LATER))
    assert status(BOTH, namesake, ROOT_RECORD).state is RevocationState.GOOD
    assert status(BOTH, namesake).state is RevocationState.UNKNOWN


class TestItself:
    """A CRL that would have to answer for its own signer."""

    def signer(self, *points: x509.DistributionPoint) -> CertificateAuthority:
        """A certificate for signing CRLs that the issuing CA itself issued."""
        named = [extension(x509.CRLDistributionPoints(points))] if points else []
        return ISSUING.intermediate(
            "CRL Issuer", not_before=LONG_AGO, not_after=LATER, extensions=named
        )

    def outcome(self, signer: CertificateAuthority) -> RevocationStatus:
        """What an indirect CRL of `signer`, the only one there is, says of a device."""
        name = [x509.DirectoryName(signer.certificate.subject)]
        points = x509.CRLDistributionPoints([x509.DistributionPoint(None, None, None, name)])
        device = ISSUING.issue_device(upn="bob@example.test", extensions=[extension(points)])
        record = delegating(ISSUING, signer)
        point = x509.IssuingDistributionPoint(None, None, False, False, None, True, False)
        crl = in_force(signer, record, is_delegated=True, issuing_distribution_point=point)
        certificate = ClientCertificate.from_x509(device.certificate)
        crls = {record.id: [crl], ROOT_RECORD.id: [OF_ROOT]}
        return status(crls, ROOT_RECORD, record=record, certificate=certificate)

    def test_it_does_so_where_the_signers_certificate_says_so(self) -> None:
        """Its distribution point names itself as cRLIssuer."""
        name = [x509.DirectoryName(self.signer().certificate.subject)]
        signer = self.signer(x509.DistributionPoint(None, None, None, name))
        assert self.outcome(signer).state is RevocationState.GOOD

    def test_it_does_not_otherwise(self) -> None:
        """Who has stolen the key could vouch for himself."""
        found = self.outcome(self.signer())
        assert found.state is RevocationState.UNKNOWN

    def test_a_complete_crl_does_not_answer_for_its_signer(self) -> None:
        """Another CRL of the same CA must."""
        signer = ISSUING.intermediate("Issuing CA", not_before=LONG_AGO, not_after=LATER)
        record = delegating(ISSUING, signer)
        crls = {
            record.id: [in_force(signer, record, is_delegated=True)],
            ROOT_RECORD.id: [OF_ROOT],
        }
        found = status(crls, ROOT_RECORD, record=record)
        assert found.state is RevocationState.UNKNOWN
        assert "no other CRL answers for its own certificate" in found.detail
        both = replace(record, crl_distribution_point="http://127.0.0.1:9/own")
        crls[record.id].insert(0, in_force(ISSUING, both))
        assert status(crls, ROOT_RECORD, record=both).state is RevocationState.GOOD


def test_a_signer_that_is_the_ca_itself_is_judged_with_the_chain() -> None:
    """Naming the CA's own certificate, or its root, as the signer changes nothing."""
    record = delegating(ISSUING, ISSUING)
    crls = {record.id: [in_force(ISSUING, record, is_delegated=True)]}
    assert status(crls, ROOT_RECORD, record=record).state is RevocationState.GOOD
    root = replace(delegating(ROOT, ROOT), authority_type=AuthorityType.ROOT)
    below = ClientCertificate.from_x509(ISSUING.certificate)
    crls = {root.id: [in_force(ROOT, root, is_delegated=True)]}
    assert status(crls, record=root, certificate=below).state is RevocationState.GOOD


def test_a_signer_whose_certificate_cannot_be_read_is_unknown() -> None:
    """It was read when its CRL was accepted, so that only damage explains it."""
    facts = replace(DELEGATED.crl.facts, signer=b"\x30\x00")
    accepted = replace(DELEGATED.accepted, facts=facts)
    found = status({RECORD.id: [replace(DELEGATED, accepted=accepted)]}, ROOT_RECORD)
    assert found.state is RevocationState.UNKNOWN
    assert "a certificate of its path cannot be read" in found.detail


def test_without_paths_no_signer_is_believed() -> None:
    """Who asks for the status alone cannot know."""
    found = revocation_status(RECORD, ALICE, CrlPair(DELEGATED), NOW)
    assert found.state is RevocationState.UNKNOWN
    assert "is not known" in found.detail
