"""What CRLs in force say of one certificate."""

import re
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from cryptography import x509

from gateway.core.authority import CrlSource
from gateway.core.certificate import ClientCertificate
from gateway.core.crl_scope import ALL_REASONS
from gateway.core.crl_status import CrlPair, revocation_status
from gateway.core.revocation import RevocationState, RevocationStatus
from gateway.pki.authority import CertificateAuthority
from gateway.pki.crl import Revocation
from tests.core.crl_samples import NOW, authority_of
from tests.core.in_force import HOUR, InForce, in_force

CA = CertificateAuthority.root("Issuing CA")
OTHER = CertificateAuthority.root("Other CA")
WITHOUT_DELTA = authority_of(CA)
WITH_DELTA = authority_of(CA, delta_url="http://127.0.0.1:9/delta.crl")
DEVICE = CA.issue_device(upn="alice@example.test").certificate
ALICE = ClientCertificate.from_x509(DEVICE)
DAY = timedelta(days=1)
ACCEPTED_AT = NOW - timedelta(minutes=7)
Reason = x509.ReasonFlags


def listed(reason: Reason | None = None) -> Revocation:
    """An entry for alice's certificate."""
    return Revocation(serial_number=ALICE.serial_number, revocation_date=NOW - DAY, reason=reason)


def base(
    *revoked: Revocation, number: int | None = 7, next_update: datetime = NOW + DAY
) -> InForce:
    """A base CRL of an hour ago."""
    return in_force(
        CA,
        WITHOUT_DELTA,
        revoked,
        number=number,
        next_update=next_update,
        accepted_at=ACCEPTED_AT,
    )


def delta(
    *revoked: Revocation,
    number: int = 8,
    base_number: int = 6,
    next_update: datetime = NOW + HOUR,
) -> InForce:
    """A delta CRL of half an hour ago."""
    return in_force(
        CA,
        WITH_DELTA,
        revoked,
        number=number,
        base_number=base_number,
        this_update=NOW - HOUR / 2,
        next_update=next_update,
        accepted_at=ACCEPTED_AT + HOUR / 60,
    )


def partition(
    *revoked: Revocation,
    reasons: frozenset[Reason] | None = None,
    indirect: bool = False,
    this_update: datetime = NOW - HOUR,
    next_update: datetime = NOW + DAY,
) -> InForce:
    """A base CRL for some reasons or other CAs' certificates."""
    point = x509.IssuingDistributionPoint(None, None, False, False, reasons, indirect, False)
    return in_force(
        CA,
        WITHOUT_DELTA,
        revoked,
        issuing_distribution_point=point,
        this_update=this_update,
        next_update=next_update,
    )


def status(pair: CrlPair) -> RevocationStatus:
    """Alice's certificate now; with a delta CRL configured if the pair has one."""
    authority = WITHOUT_DELTA if pair.delta is None else WITH_DELTA
    return revocation_status(authority, ALICE, pair, NOW)


def test_a_certificate_that_is_not_listed_is_good() -> None:
    """The status carries the times that the decision needs."""
    assert status(CrlPair(base())) == RevocationStatus(
        RevocationState.GOOD,
        WITHOUT_DELTA.id,
        ALICE.serial_number,
        "not revoked by CRL number 7 of 2026-11-24T11:00:00+00:00",
        this_update=NOW - HOUR,
        next_update=NOW + DAY,
        accepted_at=ACCEPTED_AT,
    )


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        (None, "without a reason"),
        (Reason.key_compromise, "for keyCompromise"),
        (Reason.ca_compromise, "for cACompromise"),
        (Reason.aa_compromise, "for aACompromise"),
        (Reason.certificate_hold, "for certificateHold"),
    ],
)
def test_a_listed_certificate_is_revoked_for_any_reason(reason: Reason | None, words: str) -> None:
    """On hold is revoked as well, while it stands."""
    found = status(CrlPair(base(listed(reason))))
    assert found.state is RevocationState.REVOKED
    assert found.detail.startswith(f"revoked at 2026-11-23T12:00:00+00:00 {words} by CRL number 7")


@pytest.mark.parametrize(
    ("pair", "sentence"),
    [
        (CrlPair(), "no CRL was fetched yet"),
        (CrlPair("the index is damaged"), "the index is damaged"),
        (CrlPair(base(next_update=NOW)), "the CRL expired at 2026-11-24T12:00:00"),
        (CrlPair(base(), "no delta here"), "no delta here"),
        (CrlPair(base(), delta(next_update=NOW)), "the delta CRL expired at"),
        (CrlPair(None, delta()), "no CRL was fetched yet"),
        (CrlPair(base(next_update=NOW), delta()), "the CRL expired at"),
        (CrlPair(base(number=None), delta()), "base CRL has no CRL number"),
        (CrlPair(base(number=5), delta()), "what changed since CRL number 6, but .* number 5"),
    ],
)
def test_what_is_missing_stale_or_does_not_fit_is_unknown(pair: CrlPair, sentence: str) -> None:
    """Nothing but valid CRLs says that a certificate is good."""
    found = status(pair)
    assert found.state is RevocationState.UNKNOWN
    assert re.search(sentence, found.detail)
    assert (found.this_update, found.next_update, found.accepted_at) == (None, None, None)


def test_a_configured_delta_that_was_never_fetched_is_unknown() -> None:
    """Base and delta must both be there (Entra's rule)."""
    found = revocation_status(WITH_DELTA, ALICE, CrlPair(base()), NOW)
    assert found.state is RevocationState.UNKNOWN
    assert "no delta CRL was fetched yet" in found.detail


def test_an_authority_without_a_distribution_point_is_unknown() -> None:
    """No CRL is asked for where no URL is configured, even if one lies there."""
    authority = replace(WITHOUT_DELTA, crl_distribution_point=None)
    found = revocation_status(authority, ALICE, CrlPair(base()), NOW)
    assert found.state is RevocationState.UNKNOWN
    assert found.detail == "CN=Issuing CA has no CRL distribution point"


@pytest.mark.parametrize("issuer", [OTHER.certificate.subject.public_bytes(), b"\x30\x01"])
def test_a_certificate_of_another_ca_is_unknown(issuer: bytes) -> None:
    """A CRL says nothing of certificates that its CA did not issue."""
    foreign = replace(ALICE, issuer=issuer)
    found = revocation_status(WITHOUT_DELTA, foreign, CrlPair(base()), NOW)
    assert found.state is RevocationState.UNKNOWN
    assert "did not issue" in found.detail


def test_an_issuer_in_another_spelling_is_the_issuer() -> None:
    """Names are compared as RFC 5280 section 7.1 has it."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "issuing ca")])
    same = replace(ALICE, issuer=name.public_bytes())
    found = revocation_status(WITHOUT_DELTA, same, CrlPair(base(listed())), NOW)
    assert found.state is RevocationState.REVOKED


class TestDelta:
    """Base and delta together (RFC 5280 sections 5.2.4 and 6.3.3)."""

    def test_the_times_are_the_deltas_and_the_earlier_end(self) -> None:
        """A delta makes the whole as fresh as it is, and ends with the first of both."""
        found = status(CrlPair(base(), delta()))
        assert found.state is RevocationState.GOOD
        assert found.this_update == NOW - HOUR / 2
        assert found.accepted_at == ACCEPTED_AT + HOUR / 60
        assert found.next_update == NOW + HOUR
        earlier = status(CrlPair(base(next_update=NOW + HOUR / 2), delta()))
        assert earlier.next_update == NOW + HOUR / 2

    def test_a_certificate_on_the_delta_is_revoked(self) -> None:
        """The delta is asked first."""
        found = status(CrlPair(base(), delta(listed(Reason.key_compromise))))
        assert found.state is RevocationState.REVOKED
        assert "by delta CRL number 8" in found.detail

    def test_a_certificate_on_the_base_alone_is_revoked(self) -> None:
        """A delta that does not list it leaves the base's word standing."""
        assert status(CrlPair(base(listed()), delta())).state is RevocationState.REVOKED

    def test_remove_from_crl_lifts_what_the_base_says(self) -> None:
        """A hold that was lifted lets the certificate in again."""
        pair = CrlPair(base(listed(Reason.certificate_hold)), delta(listed(Reason.remove_from_crl)))
        found = status(pair)
        assert found.state is RevocationState.GOOD
        assert found.detail.startswith("taken off the list by delta CRL number 8")

    @pytest.mark.parametrize("number", [8, 9])
    def test_a_base_as_new_as_the_delta_stands_alone(self, number: int) -> None:
        """An older delta changes nothing; its end still counts, for a newer one is due then."""
        pair = CrlPair(base(number=number), delta(listed(), number=8))
        found = status(pair)
        assert found.state is RevocationState.GOOD
        assert found.this_update == NOW - HOUR
        assert found.next_update == NOW + HOUR

    def test_a_delta_that_is_no_longer_configured_is_not_asked(self) -> None:
        """Without its URL what is left of it on disk does not count."""
        pair = CrlPair(base(), delta(listed()))
        found = revocation_status(WITHOUT_DELTA, ALICE, pair, NOW)
        assert found.state is RevocationState.GOOD

    def test_a_delta_of_another_scope_does_not_go_with_the_base(self) -> None:
        """Their issuing distribution points must be the same (section 6.3.3 c)."""
        point = x509.IssuingDistributionPoint(None, None, True, False, None, False, False)
        users = in_force(CA, WITH_DELTA, number=8, base_number=6, issuing_distribution_point=point)
        found = status(CrlPair(base(), users))
        assert found.state is RevocationState.UNKNOWN
        assert "another issuing distribution point" in found.detail

    def test_a_delta_of_another_signer_does_not_go_with_the_base(self) -> None:
        """Base and delta must be signed with the same key."""
        changes = delta()
        facts = replace(changes.accepted.facts, signer=b"another")
        other = replace(changes, accepted=replace(changes.accepted, facts=facts))
        found = status(CrlPair(base(), other))
        assert found.state is RevocationState.UNKNOWN
        assert "signed by another" in found.detail

    @pytest.mark.parametrize(
        "bad", [None, "no delta here", delta(next_update=NOW), delta(listed(), base_number=8)]
    )
    def test_a_record_may_let_a_valid_base_stand_alone(self, bad: InForce | str | None) -> None:
        """Where the delta is missing, stale or does not fit, if the record waives it."""
        waived = replace(WITH_DELTA, delta_required=False)
        found = revocation_status(waived, ALICE, CrlPair(base(), bad), NOW)
        assert found.state is RevocationState.GOOD
        assert found.this_update == NOW - HOUR
        assert found.next_update == NOW + DAY

    def test_a_valid_delta_counts_where_it_is_waived(self) -> None:
        """It is not needed, but what it says is known."""
        waived = replace(WITH_DELTA, delta_required=False)
        found = revocation_status(waived, ALICE, CrlPair(base(), delta(listed())), NOW)
        assert found.state is RevocationState.REVOKED

    def test_a_further_source_may_have_a_delta(self) -> None:
        """Of the CRLs after the first the delta counts if there is one."""
        pairs = [CrlPair(base()), CrlPair(base(), delta(listed()))]
        found = revocation_status(WITHOUT_DELTA, ALICE, pairs, NOW)
        assert found.state is RevocationState.REVOKED


class TestSeveral:
    """Several CRLs of one CA (RFC 5280 section 6.3.3)."""

    KEY = frozenset({Reason.key_compromise, Reason.ca_compromise})
    REST = ALL_REASONS - KEY

    def judge(self, *crls: InForce | str | None) -> RevocationStatus:
        """Alice's certificate by these."""
        return revocation_status(WITHOUT_DELTA, ALICE, [CrlPair(one) for one in crls], NOW)

    def test_reasons_add_up(self) -> None:
        """Together they answer for all, and are as fresh as the oldest of them."""
        found = self.judge(
            partition(reasons=self.KEY, next_update=NOW + HOUR),
            partition(reasons=self.REST, this_update=NOW - 2 * HOUR),
        )
        assert found.state is RevocationState.GOOD
        assert found.this_update == NOW - 2 * HOUR
        assert found.next_update == NOW + HOUR
        assert found.detail.count("not revoked by CRL number 1") == 2

    def test_reasons_that_none_answers_for_leave_it_unknown(self) -> None:
        """Nothing assumes that they do not apply."""
        found = self.judge(partition(reasons=self.KEY), "the index is damaged")
        assert found.state is RevocationState.UNKNOWN
        assert found.detail == (
            "CN=Issuing CA: the index is damaged; no CRL answers for the reasons aACompromise, "
            "affiliationChanged, certificateHold, cessationOfOperation, privilegeWithdrawn, "
            "superseded"
        )

    def test_a_listing_in_any_of_them_revokes(self) -> None:
        """Even while others are missing."""
        found = self.judge(None, partition(listed(Reason.certificate_hold), reasons=self.REST))
        assert found.state is RevocationState.REVOKED
        contrary = self.judge(base(), base(listed()))
        assert contrary.state is RevocationState.REVOKED

    def test_one_complete_crl_is_enough(self) -> None:
        """What another source lacks does not matter then."""
        assert self.judge("not found", base()).state is RevocationState.GOOD

    def test_none_at_all_is_unknown(self) -> None:
        """As before the first fetch."""
        found = self.judge()
        assert found.state is RevocationState.UNKNOWN
        assert "no CRL was fetched yet" in found.detail

    def test_a_record_may_have_further_sources_alone(self) -> None:
        """Without a URL of its own."""
        record = replace(
            WITHOUT_DELTA,
            crl_distribution_point=None,
            sources=(CrlSource("http://127.0.0.1:9/further"),),
        )
        assert revocation_status(record, ALICE, [CrlPair(base())], NOW).state is (
            RevocationState.GOOD
        )


def test_an_indirect_crl_lists_by_issuer_and_serial_number() -> None:
    """An entry of another CA with the same serial number is another certificate's."""
    foreign = replace(listed(), certificate_issuer=OTHER.certificate.subject)
    found = status(CrlPair(partition(foreign, indirect=True)))
    assert found.state is RevocationState.GOOD
    own = replace(listed(), certificate_issuer=CA.certificate.subject)
    found = status(CrlPair(partition(foreign, own, indirect=True)))
    assert found.state is RevocationState.REVOKED


def test_a_crl_that_does_not_answer_for_the_certificate_is_as_good_as_none() -> None:
    """Here one of CA certificates alone."""
    point = x509.IssuingDistributionPoint(None, None, False, True, None, False, False)
    crl = in_force(CA, WITHOUT_DELTA, [listed()], issuing_distribution_point=point)
    found = status(CrlPair(crl))
    assert found.state is RevocationState.UNKNOWN
    assert "does not answer for this certificate" in found.detail


def test_a_certificate_whose_issuer_is_no_name_is_unknown() -> None:
    """What cannot be compared is not the CRL's."""
    crl = base(listed())
    facts = replace(crl.accepted.facts, signer=b"another")
    signed = replace(crl, accepted=replace(crl.accepted, facts=facts))
    record = replace(WITHOUT_DELTA, subject=b"\x30\x01")
    found = revocation_status(record, replace(ALICE, issuer=b"\x30\x01"), CrlPair(signed), NOW)
    assert found.state is RevocationState.UNKNOWN
    assert "does not answer for this certificate" in found.detail
