"""What CRLs in force say of one certificate."""

import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.core.certificate import ClientCertificate
from gateway.core.crl import AcceptedCrl, RevocationList, verify_crl, verify_delta_crl
from gateway.core.crl_entries import RevokedEntries
from gateway.core.crl_status import CrlPair, revocation_status
from gateway.core.revocation import RevocationState, RevocationStatus
from gateway.pki.authority import CertificateAuthority
from gateway.pki.crl import Revocation
from tests.core.crl_samples import NOW, SKEW, authority_of

CA = CertificateAuthority.root("Issuing CA")
OTHER = CertificateAuthority.root("Other CA")
WITHOUT_DELTA = authority_of(CA)
WITH_DELTA = authority_of(CA, delta_url="http://127.0.0.1:9/delta.crl")
DEVICE = CA.issue_device(upn="alice@example.test").certificate
ALICE = ClientCertificate.from_x509(DEVICE)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
ACCEPTED_AT = NOW - timedelta(minutes=7)
Reason = x509.ReasonFlags


@dataclass(frozen=True)
class InForce:
    """A verified CRL that was accepted."""

    crl: RevocationList
    accepted: AcceptedCrl

    @property
    def issuer(self) -> bytes:
        """As the CRL has it."""
        return self.crl.issuer

    @property
    def entries(self) -> RevokedEntries:
        """As the CRL has them."""
        return self.crl.entries


def listed(reason: Reason | None = None) -> Revocation:
    """An entry for alice's certificate."""
    return Revocation(serial_number=ALICE.serial_number, revocation_date=NOW - DAY, reason=reason)


def base(
    *revoked: Revocation, number: int | None = 7, next_update: datetime = NOW + DAY
) -> InForce:
    """A base CRL of an hour ago."""
    signed = CA.sign_crl(
        revoked, number=number, this_update=NOW - HOUR, next_update=next_update
    ).public_bytes(Encoding.DER)
    crl = verify_crl(signed, WITHOUT_DELTA, now=NOW - HOUR, clock_skew=SKEW, previous=None)
    return InForce(crl, AcceptedCrl(crl.facts, ACCEPTED_AT))


def delta(
    *revoked: Revocation,
    number: int = 8,
    base_number: int = 6,
    next_update: datetime = NOW + HOUR,
) -> InForce:
    """A delta CRL of half an hour ago."""
    signed = CA.sign_crl(
        revoked,
        number=number,
        base_number=base_number,
        this_update=NOW - HOUR / 2,
        next_update=next_update,
    ).public_bytes(Encoding.DER)
    crl = verify_delta_crl(signed, WITH_DELTA, now=NOW - HOUR / 2, clock_skew=SKEW, previous=None)
    return InForce(crl, AcceptedCrl(crl.facts, ACCEPTED_AT + HOUR / 60))


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
