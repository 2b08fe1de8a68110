"""Which certificates can be a record of the trust store."""

import contextlib
import warnings
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.authority import Authority, AuthorityType, CrlSource
from gateway.errors import CertificateError
from gateway.pki.authority import CertificateAuthority
from gateway.pki.crl import extension
from tests.helpers import Pki, san_extension

ROOT = CertificateAuthority.root("Root")
ROOT_DER = ROOT.certificate.public_bytes(Encoding.DER)


def record(der: bytes, authority_type: AuthorityType = AuthorityType.ROOT) -> Authority:
    """The record of a CA certificate, without CRLs."""
    return Authority.from_der(der, authority_type=authority_type, crl_distribution_point=None)


def root_with(value: x509.ExtensionType) -> bytes:
    """A root with this extension in place of the usual one."""
    made = CertificateAuthority.root("Odd root", extensions=[extension(value)])
    return made.certificate.public_bytes(Encoding.DER)


class TestRecord:
    """What a record says."""

    def test_fields(self, pki: Pki) -> None:
        """The id is the SKI, and all else is the certificate's or as given."""
        certificate = pki.issuing.certificate
        der = certificate.public_bytes(Encoding.DER)
        authority = Authority.from_der(
            der,
            authority_type=AuthorityType.INTERMEDIATE,
            crl_distribution_point="http://ca.test/base.crl",
            delta_crl_distribution_point="http://ca.test/delta.crl",
            backdating=timedelta(minutes=10),
        )
        assert authority == Authority(
            id=pki.issuing.key_identifier.hex(),
            authority_type=AuthorityType.INTERMEDIATE,
            certificate=der,
            crl_distribution_point="http://ca.test/base.crl",
            delta_crl_distribution_point="http://ca.test/delta.crl",
            backdating=timedelta(minutes=10),
            trusted_issuer="CN=Development issuing CA",
            subject=certificate.subject.public_bytes(),
            not_before=certificate.not_valid_before_utc,
            not_after=certificate.not_valid_after_utc,
        )

    def test_types_are_entra_s(self) -> None:
        """AuthorityType is a number in records that move to and from Entra."""
        assert (AuthorityType.ROOT, AuthorityType.INTERMEDIATE) == (0, 1)

    def test_without_key_id(self) -> None:
        """A CA without the extension is known by the SHA-1 of its key."""
        without = CertificateAuthority.root("Old root", omit=[x509.SubjectKeyIdentifier.oid])
        computed = x509.SubjectKeyIdentifier.from_public_key(without.key.public_key()).digest
        assert record(without.certificate.public_bytes(Encoding.DER)).id == computed.hex()

    def test_without_key_usage(self) -> None:
        """Where no key usage is said, none is forbidden."""
        without = CertificateAuthority.root("Old root", omit=[x509.KeyUsage.oid])
        assert (
            record(without.certificate.public_bytes(Encoding.DER)).trusted_issuer == "CN=Old root"
        )


class TestCrls:
    """Where the CRLs of a record are."""

    def test_every_url_is_asked(self) -> None:
        """The record's own, and those of its further sources."""
        bare = record(ROOT_DER)
        assert (bare.has_crl, bare.urls) == (False, ())
        more = replace(bare, sources=(CrlSource("http://ca.test/2.crl"),))
        assert (more.has_crl, more.urls) == (True, ("http://ca.test/2.crl",))
        own = replace(
            more,
            crl_distribution_point="http://ca.test/1.crl",
            delta_crl_distribution_point="http://ca.test/d.crl",
        )
        assert own.urls == ("http://ca.test/1.crl", "http://ca.test/d.crl", "http://ca.test/2.crl")

    def test_a_source_is_called_alike_for_the_same_url_alone(self) -> None:
        """Its files are found again, and are nobody else's."""
        one, other = CrlSource("http://ca.test/1.crl"), CrlSource("http://ca.test/2.crl")
        assert one.name == CrlSource(one.url, signer=ROOT_DER).name
        assert one.name != other.name
        assert one.name.startswith("source-")

    def test_the_key_id_is_without_what_tells_namesakes_apart(self) -> None:
        """Two CAs may have one SKI: the second has an id of its own."""
        first = record(ROOT_DER)
        assert replace(first, id=f"{first.id}-2").key_id == first.key_id == first.id


class TestRefused:
    """What is no CA, or not one of that type."""

    def test_device(self, pki: Pki) -> None:
        """BasicConstraints says that it is none."""
        with pytest.raises(
            CertificateError, match=r"^CN=alice@example\.test is not a CA certificate"
        ):
            record(pki.alice.der, AuthorityType.INTERMEDIATE)

    def test_without_basic_constraints(self) -> None:
        """A certificate that does not say that it is a CA is none (RFC 5280 section 4.2.1.9)."""
        without = CertificateAuthority.root("V1 root", omit=[x509.BasicConstraints.oid])
        with pytest.raises(CertificateError, match="basicConstraints does not say CA"):
            record(without.certificate.public_bytes(Encoding.DER))

    def test_key_usage(self) -> None:
        """A key that may not sign certificates has signed none that count."""
        usage = x509.KeyUsage(
            digital_signature=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=False,
            crl_sign=True,
            encipher_only=False,
            decipher_only=False,
        )
        with pytest.raises(CertificateError, match="key usage lacks keyCertSign"):
            record(root_with(usage))

    def test_intermediate_as_root(self, pki: Pki) -> None:
        """The sentence says what to add it as."""
        der = pki.issuing.certificate.public_bytes(Encoding.DER)
        with pytest.raises(CertificateError, match="its issuer is another; add it as intermediate"):
            record(der)

    @pytest.mark.parametrize("size", [0, 65])
    def test_key_id(self, size: int) -> None:
        """The id names records and files: it is there, and not long."""
        with pytest.raises(CertificateError, match=f"identifier has {size} octets"):
            record(root_with(x509.SubjectKeyIdentifier(b"k" * size)))

    @pytest.mark.parametrize("der", [b"", b"<html>", ROOT_DER[:-1], ROOT_DER + b"\x00"])
    def test_no_certificate(self, der: bytes) -> None:
        """Neither less nor more than one certificate."""
        with pytest.raises(CertificateError, match=r"^the CA certificate cannot be read: "):
            record(der)

    def test_parts_that_cannot_be_read(self) -> None:
        """A name or a version that the library does not know is no reason to end with a trace."""
        odd = CertificateAuthority.root("Odd", extensions=[san_extension((0xA5, b"\x30\x00"))])
        with pytest.raises(CertificateError, match="cannot be read"):
            record(odd.certificate.public_bytes(Encoding.DER))
        with pytest.raises(CertificateError, match="cannot be read"):
            record(ROOT_DER.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x09", 1))

    @given(st.data())
    def test_any_mutation_is_a_record_or_refused(self, data: st.DataObject) -> None:
        """Whatever a few octets become, there is no third outcome."""
        der = bytearray(ROOT_DER)
        for position in data.draw(st.lists(st.integers(0, len(der) - 1), max_size=4)):
            der[position] = data.draw(st.integers(0, 255))
        with contextlib.suppress(CertificateError), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of names and numbers that are wrong
            assert record(bytes(der)).id
