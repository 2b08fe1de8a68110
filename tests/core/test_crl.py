"""Which CRLs are believed: one sample for each defect, refused for its own reason."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.core.crl import (
    AcceptedCrl,
    CrlKind,
    RevocationList,
    verify_crl,
    verify_delta_crl,
)
from gateway.core.crl_entries import CrlReason, RevokedEntry
from gateway.errors import CrlError
from gateway.pki.authority import CertificateAuthority
from gateway.pki.crl import Revocation
from gateway.pki.crl import extension as library_extension
from tests.core import crl_samples as samples
from tests.core.crl_samples import NOW, SKEW, authority_of
from tests.helpers import crl_without_next_update, unknown_extension

CA = CertificateAuthority.root("Issuing CA")
OTHER = CertificateAuthority.root("Other CA")
# The same name, another key: the old and the new CA of a rollover, or an impostor.
NAMESAKE = CertificateAuthority.root("Issuing CA")
RSA = CertificateAuthority.root("RSA CA", key=rsa.generate_private_key(65537, 2048))
AUTHORITY = authority_of(CA)
HOUR = timedelta(hours=1)


def der(crl: x509.CertificateRevocationList) -> bytes:
    """Its bytes."""
    return crl.public_bytes(Encoding.DER)


def base(*revoked: Revocation, ca: CertificateAuthority = CA, number: int | None = 7) -> bytes:
    """A base CRL of an hour ago."""
    return der(ca.sign_crl(revoked, this_update=NOW - HOUR, number=number))


def verify(data: bytes, previous: AcceptedCrl | None = None) -> RevocationList:
    """The CRL of the issuing CA, as it is judged now."""
    return verify_crl(data, AUTHORITY, now=NOW, clock_skew=SKEW, previous=previous)


def verify_delta(data: bytes, previous: AcceptedCrl | None = None) -> RevocationList:
    """The delta CRL of the issuing CA, as it is judged now."""
    return verify_delta_crl(data, AUTHORITY, now=NOW, clock_skew=SKEW, previous=previous)


def accepted(number: int | None, this_update: datetime = NOW - HOUR) -> AcceptedCrl:
    """A CRL that was accepted before."""
    facts = replace(verify(base()).facts, crl_number=number, this_update=this_update)
    return AcceptedCrl(facts, NOW)


def test_a_right_crl_is_read_whole() -> None:
    """Number, times, size and entries are what the CA signed."""
    data = base(Revocation(serial_number=5, reason=x509.ReasonFlags.key_compromise))
    crl = verify(data)
    assert crl.facts.issuer_id == AUTHORITY.id
    assert crl.facts.kind is CrlKind.BASE
    assert crl.facts.crl_number == 7
    assert crl.facts.this_update == NOW - HOUR
    assert crl.facts.next_update == NOW - HOUR + timedelta(days=30)
    assert crl.facts.source_size == len(data)
    assert len(crl.entries) == 1
    assert crl.find(5) == RevokedEntry(CrlReason.KEY_COMPROMISE, NOW - HOUR)
    assert crl.find(6) is None


def test_a_crl_without_entries_revokes_nothing() -> None:
    """An absent revokedCertificates is an empty list (RFC 5280 section 5.1.2.6)."""
    assert len(verify(base()).entries) == 0


def test_pem_is_read_as_a_courtesy() -> None:
    """PEM and DER of one CRL are the same CRL."""
    crl = CA.sign_crl([Revocation(serial_number=5)], this_update=NOW - HOUR)
    assert verify(crl.public_bytes(Encoding.PEM)) == verify(der(crl))


@pytest.mark.parametrize(
    "key",
    [
        rsa.generate_private_key(65537, 2048),
        ec.generate_private_key(ec.SECP384R1()),
    ],
    ids=lambda key: type(key).__name__,
)
def test_a_signature_of_any_usual_key_is_verified(
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey,
) -> None:
    """RSA and EC signatures are verified, and refused once the list was changed."""
    ca = CertificateAuthority.root("Some CA", key=key)
    data = base(Revocation(serial_number=0x11223344), ca=ca)
    authority = authority_of(ca)
    crl = verify_crl(data, authority, now=NOW, clock_skew=SKEW, previous=None)
    assert crl.find(0x11223344) is not None
    changed = data.replace(b"\x11\x22\x33\x44", b"\x11\x22\x33\x45")
    with pytest.raises(CrlError, match="is not signed by"):
        verify_crl(changed, authority, now=NOW, clock_skew=SKEW, previous=None)


@pytest.mark.parametrize("kind", [ed25519.Ed25519PrivateKey, ed448.Ed448PrivateKey])
def test_a_signature_of_an_edwards_key_is_verified(
    kind: type[ed25519.Ed25519PrivateKey] | type[ed448.Ed448PrivateKey],
) -> None:
    """Ed25519 and Ed448 sign without a hash of their own (RFC 8410)."""
    certificate, crl = edwards(kind.generate())
    authority = replace(AUTHORITY, certificate=certificate.public_bytes(Encoding.DER))
    data = der(crl)
    assert verify_crl(data, authority, now=NOW, clock_skew=SKEW, previous=None).find(5) is not None
    changed = bytearray(data)
    changed[-1] ^= 1
    with pytest.raises(CrlError, match="is not signed by"):
        verify_crl(bytes(changed), authority, now=NOW, clock_skew=SKEW, previous=None)


def edwards(
    key: ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey,
) -> tuple[x509.Certificate, x509.CertificateRevocationList]:
    """A certificate of `key` in the issuing CA's name, and a CRL signed with it."""
    name = CA.certificate.subject
    certificate = x509.CertificateBuilder(name, name, key.public_key(), 1, NOW, NOW + HOUR).sign(
        key, None
    )
    entry = x509.RevokedCertificateBuilder(5, NOW).build()
    builder = x509.CertificateRevocationListBuilder(name, NOW - HOUR, NOW + HOUR, [], [entry])
    return certificate, builder.sign(key, None)


def test_rsa_pss_is_verified() -> None:
    """The parameters of the signature algorithm count."""
    name = RSA.certificate.subject
    builder = x509.CertificateRevocationListBuilder(name, NOW - HOUR, NOW + HOUR)
    assert isinstance(RSA.key, rsa.RSAPrivateKey)
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
    data = der(builder.sign(RSA.key, hashes.SHA256(), rsa_padding=pss))
    verify_crl(data, authority_of(RSA), now=NOW, clock_skew=SKEW, previous=None)


def test_a_name_in_another_spelling_is_the_same_name() -> None:
    """Case, blanks and string type of the issuer do not count (RFC 5280 section 7.1)."""
    issuer = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "ISSUING  ca")])
    assert verify(samples.signed(CA, issuer=issuer)).facts.crl_number is None


def test_a_crl_of_version_1_is_read() -> None:
    """A CRL without extensions needs no version (RFC 5280 section 5.1.2.1)."""
    plain = samples.entry(samples.serial(b"\x05"), samples.crl_time(NOW))
    assert verify(samples.signed(CA, version=b"", entries=plain)).find(5) is not None


def test_the_clock_skew_is_allowed_for() -> None:
    """ThisUpdate may lie in the future by the skew, and no second more."""
    verify(der(CA.sign_crl(this_update=NOW + SKEW)))
    with pytest.raises(CrlError, match="lies in the future"):
        verify(der(CA.sign_crl(this_update=NOW + SKEW + timedelta(seconds=1))))


def test_next_crl_publish_is_read() -> None:
    """Microsoft's hint is known; one that cannot be read is none."""
    oid = x509.ObjectIdentifier("1.3.6.1.4.1.311.21.4")

    def hint(value: bytes) -> datetime | None:
        one = library_extension(x509.UnrecognizedExtension(oid, value))
        return verify(der(CA.sign_crl(this_update=NOW - HOUR, extensions=[one]))).facts.next_publish

    assert hint(b"\x17\x0d261125000000Z") == datetime(2026, 11, 25, tzinfo=UTC)
    assert hint(b"\x17\x0d2611") is None


def corrupted(data: bytes, at: int) -> bytes:
    """`data` with one bit changed."""
    return data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :]


def with_extension(oid: str, value: bytes, *, critical: bool) -> bytes:
    """A CRL with one more extension, and no number."""
    return samples.signed(CA, extensions=samples.extension(oid, value, critical=critical))


FRESHEST = x509.FreshestCRL(
    [x509.DistributionPoint([x509.UniformResourceIdentifier("urn:d")], None, None, None)]
).public_bytes()
NUMBER_7 = samples.extension("2.5.29.20", b"\x02\x01\x07")
NO_CRL_SIGN = CertificateAuthority.root(
    "Issuing CA",
    extensions=[
        library_extension(
            x509.KeyUsage(
                digital_signature=True,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                key_cert_sign=True,
                crl_sign=False,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
    ],
)
DEFECTS: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty": (lambda: b"", "is empty"),
    "html": (lambda: b"<!DOCTYPE html><html><body>404</body></html>", "an HTML page"),
    "text": (lambda: b"not found", "this is no CRL|truncated"),
    "truncated": (lambda: base()[:-20], "truncated"),
    "truncated_in_the_length": (lambda: base()[:2], "length at byte 1 cannot be read"),
    "one_octet": (lambda: b"\x30", "truncated"),
    "indefinite_length": (lambda: b"\x30\x80\x00\x00", "length at byte 1 cannot be read"),
    "length_too_long": (lambda: b"\x30\x81\x02\x05\x00", "not the shortest"),
    "high_tag": (lambda: b"\x3f\x02\x05\x00", "no tag 0x3f"),
    "followed_by_something": (lambda: base() + b"\n", "followed by 1 octets"),
    "an_octet_string": (lambda: b"\x04\x02\x05\x00", "this is no CRL"),
    "a_certificate": (lambda: CA.certificate.public_bytes(Encoding.DER), "this is no CRL"),
    "a_certificate_in_pem": (lambda: CA.certificate_pem, "PEM file must hold one X509 CRL"),
    "two_parts": (lambda: b"\x30\x04\x30\x00\x30\x00", "not a list, an algorithm and a signature"),
    "pem_cut_short": (lambda: CA.sign_crl().public_bytes(Encoding.PEM)[:-30], "PEM file must hold"),
    "pem_of_no_base64": (
        lambda: b"-----BEGIN X509 CRL-----\nMII=I\n-----END X509 CRL-----\n",
        "PEM of the CRL cannot be decoded",
    ),
    "an_empty_list": (lambda: b"\x30\x07\x30\x00\x30\x00\x03\x01\x00", "an algorithm, an issuer"),
    "another_ca": (lambda: base(ca=OTHER), "another CA's: its issuer is CN=Other CA"),
    "another_key_of_the_same_name": (lambda: base(ca=NAMESAKE), "signed with another key"),
    "forged_in_the_name_of_the_ca": (
        lambda: der(
            OTHER.sign_crl(
                this_update=NOW - HOUR,
                issuer_name=CA.certificate.subject,
                authority_key_identifier=CA.key_identifier,
            )
        ),
        "is not signed by CN=Issuing CA",
    ),
    "changed_after_signing": (lambda: corrupted(base(), 60), "not signed by|cannot be read"),
    "signature_changed": (lambda: corrupted(base(), -8 % len(base())), "is not signed by"),
    "two_signature_algorithms": (
        lambda: samples.signed(CA, algorithm=bytes.fromhex("300a06082a8648ce3d040303")),
        "two different signature algorithms",
    ),
    "algorithm_of_another_key": (
        lambda: samples.signed(RSA, issuer=CA.certificate.subject),
        "not one of its CA's key",
    ),
    "signed_with_an_unknown_algorithm": (
        lambda: samples.signed(CA).replace(
            bytes.fromhex("2a8648ce3d040302"), bytes.fromhex("2a8648ce3d04037f")
        ),
        "signature of the CRL cannot be verified",
    ),
    "signed_over_sha1": (
        lambda: samples.signed(RSA, issuer=CA.certificate.subject).replace(
            bytes.fromhex("2a864886f70d01010b"), bytes.fromhex("2a864886f70d010105")
        ),
        "signed over sha1",
    ),
    "expired": (
        lambda: der(CA.sign_crl(this_update=NOW - 2 * HOUR, next_update=NOW)),
        "the CRL is expired",
    ),
    "this_update_in_the_future": (
        lambda: der(CA.sign_crl(this_update=NOW + HOUR)),
        "not yet valid",
    ),
    "next_update_before_this_update": (
        lambda: samples.signed(CA, next_update=NOW - 2 * HOUR),
        "nextUpdate is not after its thisUpdate",
    ),
    "no_next_update": (lambda: crl_without_next_update(CA), "no nextUpdate"),
    "delta_as_base": (
        lambda: der(CA.sign_crl(this_update=NOW - HOUR, number=8, base_number=7)),
        "is a delta CRL",
    ),
    "unknown_critical_extension": (
        lambda: der(
            CA.sign_crl(this_update=NOW - HOUR, extensions=[unknown_extension(critical=True)])
        ),
        "critical extension that is not implemented: 1.3.6.1.4.1.55555.1",
    ),
    "unknown_critical_entry_extension": (
        lambda: base(Revocation(serial_number=5, extensions=(unknown_extension(critical=True),))),
        "an entry of the CRL has a critical extension that is not implemented",
    ),
    "extension_given_twice": (
        lambda: samples.signed(CA, extensions=NUMBER_7 * 2),
        "extensions of the CRL cannot be read",
    ),
    "number_that_is_none": (
        lambda: with_extension("2.5.29.20", b"\x04\x01\x07", critical=False),
        "extensions of the CRL cannot be read",
    ),
    "extensions_in_version_1": (
        lambda: samples.signed(CA, version=b"", extensions=NUMBER_7),
        "but is of version 1",
    ),
    "version_3": (lambda: samples.signed(CA, version=b"\x02\x01\x02"), "cannot be read"),
    "negative_number": (
        lambda: with_extension("2.5.29.20", b"\x02\x01\xff", critical=False),
        "extensions of the CRL cannot be read",
    ),
    "number_of_21_octets": (
        lambda: with_extension("2.5.29.20", b"\x02\x15\x01" + bytes(20), critical=False),
        "CRL number .* is longer than 20 octets",
    ),
    "critical_freshest_crl": (
        lambda: with_extension("2.5.29.46", FRESHEST, critical=True),
        r"not implemented: freshestCRL \(2.5.29.46\)",
    ),
    "empty_issuing_distribution_point": (
        lambda: with_extension("2.5.29.28", b"\x30\x00", critical=True),
        "extensions of the CRL cannot be read",
    ),
    "users_and_authorities_alone": (
        lambda: with_extension("2.5.29.28", bytes.fromhex("30068101ff8201ff"), critical=True),
        "extensions of the CRL cannot be read",
    ),
    "of_attribute_certificates": (
        lambda: with_extension("2.5.29.28", bytes.fromhex("30038501ff"), critical=True),
        "of attribute certificates alone",
    ),
    "certificate_issuer_in_a_direct_crl": (
        lambda: base(Revocation(serial_number=5, certificate_issuer=OTHER.certificate.subject)),
        "names a certificate issuer, but this is no indirect CRL",
    ),
    "remove_from_crl_in_a_base": (
        lambda: base(Revocation(serial_number=5, reason=x509.ReasonFlags.remove_from_crl)),
        "reason removeFromCRL",
    ),
}


@pytest.mark.parametrize("defect", DEFECTS)
def test_a_defective_crl_is_refused_for_its_own_reason(defect: str) -> None:
    """The sentence names what is wrong with exactly this CRL."""
    make, sentence = DEFECTS[defect]
    with pytest.raises(CrlError, match=sentence):
        verify(make())


def test_a_ca_that_may_sign_no_crl_is_refused() -> None:
    """Key usage without cRLSign makes the CA's CRLs worthless (RFC 5280 section 6.3.3 f)."""
    authority, data = authority_of(NO_CRL_SIGN), base(ca=NO_CRL_SIGN)
    with pytest.raises(CrlError, match="key usage lacks cRLSign"):
        verify_crl(data, authority, now=NOW, clock_skew=SKEW, previous=None)


def test_unknown_extensions_that_are_not_critical_are_passed_over() -> None:
    """RFC 5280 section 5.2: in the CRL and in an entry."""
    extra = unknown_extension(critical=False)
    revoked = Revocation(serial_number=5, extensions=(extra,))
    crl = verify(der(CA.sign_crl([revoked], this_update=NOW - HOUR, extensions=[extra])))
    assert crl.find(5) == RevokedEntry(None, NOW - HOUR)


class TestRollback:
    """No CRL older than the last accepted one is accepted (RFC 5280 section 5.2.3)."""

    @pytest.mark.parametrize("last", [None, 6, 7])
    def test_a_number_that_does_not_go_back_is_accepted(self, last: int | None) -> None:
        """The number may rise or, with the same time, stay."""
        assert verify(base(), accepted(last)).facts.crl_number == 7

    def test_a_lower_number_is_refused(self) -> None:
        """A replayed CRL is not believed, though its signature is right."""
        with pytest.raises(CrlError, match="CRL number is 7, the last accepted was 8"):
            verify(base(), accepted(8))

    def test_a_lower_number_is_refused_though_its_time_is_later(self) -> None:
        """The number decides wherever both have one."""
        with pytest.raises(CrlError, match="the last accepted was 8"):
            verify(base(), accepted(8, NOW - 2 * HOUR))

    def test_the_same_number_of_an_earlier_time_is_refused(self) -> None:
        """A number is given once."""
        with pytest.raises(CrlError, match="has the number 7 of another one"):
            verify(base(), accepted(7, NOW))

    def test_the_same_number_of_a_later_time_is_refused(self) -> None:
        """Section 5.2.3: CRLs of one scope and different times have different numbers."""
        with pytest.raises(CrlError, match="has the number 7 of another one"):
            verify(base(), accepted(7, NOW - 2 * HOUR))

    @pytest.mark.parametrize(("number", "last"), [(None, None), (None, 7), (7, None)])
    def test_without_a_number_the_time_may_not_go_back(
        self, number: int | None, last: int | None
    ) -> None:
        """Where either has no number, thisUpdate decides."""
        assert verify(base(number=number), accepted(last)).facts.crl_number == number
        with pytest.raises(CrlError, match="its thisUpdate is"):
            verify(base(number=number), accepted(last, NOW))

    def test_a_rollback_may_be_accepted_on_purpose(self) -> None:
        """After a CA was restored, for base and delta CRLs."""
        crl = verify_crl(
            base(),
            AUTHORITY,
            now=NOW,
            clock_skew=SKEW,
            previous=accepted(8),
            accept_rollback=True,
        )
        assert crl.facts.crl_number == 7
        data = der(CA.sign_crl(this_update=NOW - HOUR, number=7, base_number=5))
        crl = verify_delta_crl(
            data,
            AUTHORITY,
            now=NOW,
            clock_skew=SKEW,
            previous=accepted(8),
            accept_rollback=True,
        )
        assert crl.facts.crl_number == 7

    def test_delta_crls_are_held_to_it_as_well(self) -> None:
        """The last delta CRL bounds the next one."""
        data = der(CA.sign_crl(this_update=NOW - HOUR, number=7, base_number=5))
        with pytest.raises(CrlError, match="the last accepted was 8"):
            verify_delta(data, accepted(8))


class TestDelta:
    """A delta CRL at the delta CRL's URL."""

    def test_it_is_read_with_its_base_number_and_removals(self) -> None:
        """RemoveFromCRL is an entry like others here."""
        revoked = Revocation(serial_number=5, reason=x509.ReasonFlags.remove_from_crl)
        crl = verify_delta(
            der(CA.sign_crl([revoked], this_update=NOW - HOUR, number=9, base_number=7))
        )
        assert crl.facts.kind is CrlKind.DELTA
        assert (crl.facts.crl_number, crl.facts.base_crl_number) == (9, 7)
        assert crl.find(5) == RevokedEntry(CrlReason.REMOVE_FROM_CRL, NOW - HOUR)

    def test_a_base_in_its_place_is_refused(self) -> None:
        """What has no delta CRL indicator is no delta CRL."""
        with pytest.raises(CrlError, match="no delta CRL indicator"):
            verify_delta(base())

    def test_one_without_a_number_is_refused(self) -> None:
        """Without a number nothing says which base CRL it changes."""
        data = der(CA.sign_crl(this_update=NOW - HOUR, number=None, base_number=7))
        with pytest.raises(CrlError, match="delta CRL has no CRL number"):
            verify_delta(data)

    def test_one_that_changes_a_later_crl_is_refused(self) -> None:
        """BaseCRLNumber is that of an earlier CRL, or of one issued together with it."""
        data = der(CA.sign_crl(this_update=NOW - HOUR, number=7, base_number=8))
        with pytest.raises(CrlError, match="would change the later CRL number 8"):
            verify_delta(data)


class TestSigner:
    """A CRL that another certificate's key signs (RFC 5280 section 6.3.3 b, f and g)."""

    def signed(
        self, ca: CertificateAuthority, data: bytes, signer: bytes | None = None
    ) -> RevocationList:
        """The CRL in `data` for the issuing CA, signed by `ca`."""
        return verify_crl(
            data,
            AUTHORITY,
            now=datetime.now(UTC),
            clock_skew=SKEW,
            previous=None,
            signer=signer or ca.certificate.public_bytes(Encoding.DER),
        )

    def test_another_key_of_the_ca_may_sign(self) -> None:
        """The facts say whose certificate it was."""
        crl = self.signed(NAMESAKE, der(NAMESAKE.sign_crl()))
        assert crl.facts.signer == NAMESAKE.certificate.public_bytes(Encoding.DER)
        assert crl.facts.issuer_id == AUTHORITY.id

    def test_the_cas_own_key_is_not_the_signers(self) -> None:
        """Where a signer is named, it alone signs."""
        with pytest.raises(CrlError, match="signed with another key"):
            self.signed(NAMESAKE, der(CA.sign_crl()))

    def test_without_a_key_identifier_the_signature_decides(self) -> None:
        """Which of the CA's keys signed is found out by verifying."""
        omit = [x509.AuthorityKeyIdentifier.oid]
        assert verify(der(CA.sign_crl(omit=omit, this_update=NOW - HOUR))).facts.crl_number == 1
        with pytest.raises(CrlError, match="is not signed by"):
            verify(der(NAMESAKE.sign_crl(omit=omit, this_update=NOW - HOUR)))

    def test_another_ca_may_sign_an_indirect_crl_alone(self) -> None:
        """Any other CRL of it lists its own certificates."""
        point = x509.IssuingDistributionPoint(None, None, False, False, None, True, False)
        crl = self.signed(OTHER, der(OTHER.sign_crl(issuing_distribution_point=point)))
        assert crl.facts.scope.indirect
        with pytest.raises(CrlError, match="CN=Other CA is not indirect"):
            self.signed(OTHER, der(OTHER.sign_crl()))

    def test_a_signer_whose_certificate_is_not_valid_is_refused(self) -> None:
        """Its CRLs end with it."""
        expired = CertificateAuthority.root(
            "Issuing CA", not_before=NOW - 9 * HOUR, not_after=NOW - HOUR
        )
        with pytest.raises(CrlError, match="which signs the CRL, is not valid now"):
            self.signed(expired, der(expired.sign_crl()))

    def test_a_signer_that_cannot_be_read_is_refused(self) -> None:
        """The sentence says which certificate it is."""
        with pytest.raises(CrlError, match="certificate of the CRL's signer cannot be read"):
            self.signed(CA, der(CA.sign_crl()), signer=b"\x30\x00")

    def test_a_signer_without_a_key_usage_may_sign(self) -> None:
        """Section 6.3.3 f: the bit is asked for where the extension is."""
        signer = CertificateAuthority.root("Issuing CA", omit=[x509.KeyUsage.oid])
        assert self.signed(signer, der(signer.sign_crl())).facts.signer is not None
