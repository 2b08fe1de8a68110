"""What a CRL answers for, by its issuing distribution point and the certificate's own points."""

import json
from collections.abc import Iterable

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.certificate import ClientCertificate
from gateway.core.crl_names import canonical_name
from gateway.core.crl_scope import (
    ALL_REASONS,
    COMPLETE,
    NO_REASONS,
    CrlContents,
    CrlScope,
    Reasons,
    names_crl_issuer,
)
from gateway.errors import CrlError
from gateway.pki.authority import CertificateAuthority
from gateway.pki.crl import extension

CA = CertificateAuthority.root("Issuing CA")
OTHER = CertificateAuthority.root("CRL Issuer")
Flags = x509.ReasonFlags
KEY = frozenset({Flags.key_compromise})
HOLD = frozenset({Flags.certificate_hold})


def name(*common_names: str) -> x509.Name:
    """A name of these RDNs."""
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, one) for one in common_names])


def canonical(one: x509.Name) -> bytes:
    """The name as CRLs are compared by."""
    return canonical_name(one.public_bytes())


OWN = canonical(CA.certificate.subject)
DELEGATE = canonical(OTHER.certificate.subject)


def directory(*common_names: str) -> list[x509.GeneralName]:
    """A directoryName."""
    return [x509.DirectoryName(name(*common_names))]


def uri(text: str) -> list[x509.GeneralName]:
    """A URI."""
    return [x509.UniformResourceIdentifier(text)]


def relative(text: str) -> x509.RelativeDistinguishedName:
    """A nameRelativeToCRLIssuer."""
    return x509.RelativeDistinguishedName(
        [x509.NameAttribute(x509.NameOID.COMMON_NAME, text)],
    )


def issuing(
    full: Iterable[x509.GeneralName] | None = None,
    below: x509.RelativeDistinguishedName | None = None,
    *,
    users: bool = False,
    authorities: bool = False,
    attributes: bool = False,
    reasons: frozenset[Flags] | None = None,
    indirect: bool = False,
    issuer: bytes = OWN,
) -> CrlScope:
    """The scope of a CRL of the issuing CA."""
    point = x509.IssuingDistributionPoint(
        full, below, users, authorities, reasons, indirect, attributes
    )
    return CrlScope.of(point, issuer)


def point(
    full: Iterable[x509.GeneralName] | None = None,
    below: x509.RelativeDistinguishedName | None = None,
    reasons: frozenset[Flags] | None = None,
    crl_issuer: Iterable[x509.GeneralName] | None = None,
) -> x509.DistributionPoint:
    """A distribution point of a certificate."""
    return x509.DistributionPoint(full, below, reasons, crl_issuer)


def device(*points: x509.DistributionPoint) -> ClientCertificate:
    """A device's certificate with these distribution points."""
    extensions = [extension(x509.CRLDistributionPoints(points))] if points else []
    return ClientCertificate.from_x509(
        CA.issue_device(upn="alice@example.test", extensions=extensions).certificate
    )


def answers(scope: CrlScope, certificate: ClientCertificate, crl_issuer: bytes = OWN) -> Reasons:
    """For which reasons a CRL of `scope` answers."""
    return scope.reasons_for(certificate, OWN, crl_issuer)


PLAIN = device()
DELEGATED = device(point(crl_issuer=directory("CRL Issuer")))


class TestNames:
    """The names of distribution points (RFC 5280 sections 4.2.1.13 and 6.3.3 b 2 i)."""

    @pytest.mark.parametrize("points", [(), (point(uri("http://ca.test/a.crl")),)])
    def test_a_crl_without_a_point_answers_for_all(
        self, points: tuple[x509.DistributionPoint, ...]
    ) -> None:
        """Whatever points the certificate has."""
        assert answers(COMPLETE, device(*points)) == ALL_REASONS

    @pytest.mark.parametrize(
        ("scope", "one"),
        [
            (issuing(directory("Issuing CA", "p1")), point(directory("issuing  ca", "P1"))),
            (issuing(directory("Issuing CA", "p1")), point(below=relative("p1"))),
            (issuing(below=relative("p1")), point(directory("Issuing CA", "p1"))),
            (issuing(below=relative("p1")), point(below=relative("P1"))),
            (issuing(uri("http://CA.test/p1?A")), point(uri("HTTP://ca.test/p1?A"))),
            (issuing(uri("urn:p1")), point(uri("urn:p1"))),
            (issuing([*uri("http://ca.test/p1"), *uri("urn:1")]), point(uri("urn:1"))),
        ],
    )
    def test_one_name_in_common_is_enough(
        self, scope: CrlScope, one: x509.DistributionPoint
    ) -> None:
        """Names are compared as section 7 has it; a relative one means the issuer's name and it."""
        assert answers(scope, device(one)) == ALL_REASONS

    @pytest.mark.parametrize(
        ("scope", "one"),
        [
            (issuing(directory("Issuing CA", "p1")), point(directory("Issuing CA", "p2"))),
            (issuing(below=relative("p1")), point(directory("p1"))),
            (issuing(uri("http://ca.test/p1")), point(uri("http://ca.test/P1"))),
            (issuing(uri("http://ca.test/p1")), point(directory("Issuing CA"))),
            (issuing([x509.DNSName("ca.test")]), point([x509.DNSName("ca.test")])),
        ],
    )
    def test_a_partition_does_not_answer_for_another(
        self, scope: CrlScope, one: x509.DistributionPoint
    ) -> None:
        """Nor does a name of a kind that names no distribution point."""
        assert answers(scope, device(one)) == NO_REASONS

    def test_without_points_the_issuers_name_is_assumed(self) -> None:
        """Section 6.3.3: a CRL that no point specifies is one at the issuer's name."""
        assert answers(issuing(directory("Issuing CA")), PLAIN) == ALL_REASONS
        assert answers(issuing(uri("http://ca.test/p1")), PLAIN) == NO_REASONS

    def test_a_crl_of_another_ca_does_not_answer(self) -> None:
        """Only a point with cRLIssuer makes another's CRL count."""
        assert answers(COMPLETE, PLAIN, DELEGATE) == NO_REASONS
        assert answers(issuing(indirect=True), PLAIN, DELEGATE) == NO_REASONS


class TestContents:
    """OnlyContainsUserCerts, CACerts and AttributeCerts (section 6.3.3 b 2 ii to iv)."""

    AUTHORITY = ClientCertificate.from_x509(CA.intermediate("Lower CA").certificate)

    def test_users_and_authorities_are_told_apart(self) -> None:
        """By basicConstraints."""
        users, authorities = issuing(users=True), issuing(authorities=True)
        assert answers(users, PLAIN) == answers(authorities, self.AUTHORITY) == ALL_REASONS
        assert answers(authorities, PLAIN) == answers(users, self.AUTHORITY) == NO_REASONS

    def test_a_crl_of_attribute_certificates_is_refused(self) -> None:
        """It could answer for nothing here."""
        with pytest.raises(CrlError, match="attribute certificates alone"):
            issuing(attributes=True)


class TestReasons:
    """OnlySomeReasons and the reasons of a point (section 6.3.3 d)."""

    def test_they_are_those_of_the_crl(self) -> None:
        """Without points of the certificate."""
        assert answers(issuing(reasons=KEY | HOLD), PLAIN) == KEY | HOLD

    def test_they_are_those_that_crl_and_point_share(self) -> None:
        """Each point that the CRL is at adds its own."""
        scope = issuing(uri("urn:p"), reasons=KEY | HOLD)
        certificate = device(
            point(uri("urn:p"), reasons=KEY),
            point(uri("urn:p"), reasons=frozenset({Flags.superseded})),
            point(uri("urn:q"), reasons=HOLD),
        )
        assert answers(scope, certificate) == KEY


class TestIndirect:
    """A CRL of another issuer, whom the certificate names (section 6.3.3 b 1)."""

    def test_the_named_issuer_answers_with_an_indirect_crl_alone(self) -> None:
        """IndirectCRL must be asserted."""
        indirect = issuing(indirect=True, issuer=DELEGATE)
        assert answers(indirect, DELEGATED, DELEGATE) == ALL_REASONS
        assert answers(COMPLETE, DELEGATED, DELEGATE) == NO_REASONS

    def test_a_point_without_a_name_is_at_its_crl_issuers(self) -> None:
        """Section 6.3.3 b 2 i: then cRLIssuer stands for the name."""
        here = issuing(directory("CRL Issuer"), indirect=True, issuer=DELEGATE)
        there = issuing(directory("CRL Issuer", "p1"), indirect=True, issuer=DELEGATE)
        assert answers(here, DELEGATED, DELEGATE) == ALL_REASONS
        assert answers(there, DELEGATED, DELEGATE) == NO_REASONS

    def test_a_relative_name_is_below_the_crl_issuer(self) -> None:
        """Not below the certificate's issuer."""
        certificate = device(point(below=relative("p1"), crl_issuer=directory("CRL Issuer")))
        scope = issuing(directory("CRL Issuer", "p1"), indirect=True, issuer=DELEGATE)
        assert answers(scope, certificate, DELEGATE) == ALL_REASONS

    def test_the_certificates_own_issuer_answers_as_well(self) -> None:
        """Its complete CRL is one that no point specifies."""
        assert answers(COMPLETE, DELEGATED) == ALL_REASONS

    def test_who_names_a_crl_issuer_is_known(self) -> None:
        """By name, in any of the points."""
        assert names_crl_issuer(DELEGATED, DELEGATE)
        assert not names_crl_issuer(DELEGATED, OWN)
        assert not names_crl_issuer(device(point(uri("urn:p"))), DELEGATE)


@given(
    st.builds(
        CrlScope,
        names=st.none() | st.frozensets(st.binary(max_size=20), max_size=3),
        contents=st.sampled_from(CrlContents),
        reasons=st.frozensets(st.sampled_from(sorted(ALL_REASONS, key=str))),
        indirect=st.booleans(),
    )
)
def test_a_scope_comes_back_from_json(scope: CrlScope) -> None:
    """What is written beside an index is read as it was."""
    assert CrlScope.from_json(json.loads(json.dumps(scope.to_json()))) == scope
