"""Reading a client certificate: every part that is used, and every way in which it can be wrong."""

import contextlib
import hashlib
import warnings
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.certificate import ClientCertificate, _utf8_string, subject_key_id
from gateway.core.names import PrincipalName, Rfc822Name
from gateway.errors import CertificateError
from gateway.pki.authority import CertificateAuthority
from gateway.pki.crl import AnyExtension, extension
from gateway.pki.names import principal_name, tlv
from tests.helpers import (
    Pki,
    der_content_length,
    der_header_length,
    san_extension,
    unknown_extension,
)

ROOT = CertificateAuthority.root("Root")
DEVICE = ROOT.issue_device(upn="alice@example.test", email="alice@mail.test").certificate_der
UPN_OID = tlv(0x06, bytes.fromhex("2b060104018237140203"))
UTF8, IA5 = 0x0C, 0x16


def read(
    *extensions: AnyExtension, omit: tuple[x509.ObjectIdentifier, ...] = ()
) -> ClientCertificate:
    """A device certificate with these extensions in place of the usual ones, read."""
    device = ROOT.issue_device(extensions=extensions, omit=omit)
    return ClientCertificate.from_der(device.certificate_der)


def upn(value: bytes, oid: bytes = UPN_OID) -> tuple[int, bytes]:
    """An OtherName whose value is `value`, as `san_extension` takes it."""
    return 0xA0, oid + tlv(0xA0, value)


def der_children(der: bytes) -> list[bytes]:
    """The values inside the constructed value `der`."""
    found, content = [], der[der_header_length(der) :]
    while content:
        size = der_header_length(content) + der_content_length(content)
        found.append(content[:size])
        content = content[size:]
    return found


class TestFields:
    """What is read of a right certificate."""

    def test_all_of_them(self, pki: Pki) -> None:
        """Each field is what the library, or arithmetic on the bytes, says it is."""
        stored = pki.alice
        certificate, read_one = stored.certificate, ClientCertificate.from_der(stored.der)
        public = certificate.public_key().public_bytes(
            Encoding.X962, PublicFormat.UncompressedPoint
        )
        assert read_one.serial_number == certificate.serial_number
        assert read_one.issuer == pki.issuing.certificate.subject.public_bytes()
        assert read_one.subject == "CN=alice@example.test"
        assert read_one.authority_key_id == pki.issuing.key_identifier
        assert read_one.subject_key_id == hashlib.sha1(public, usedforsecurity=False).digest()
        assert read_one.fingerprint == hashlib.sha256(stored.der).digest()
        assert read_one.not_before == certificate.not_valid_before_utc
        assert read_one.not_after == certificate.not_valid_after_utc
        assert read_one.principal_names == (PrincipalName("alice@example.test"),)
        assert read_one.rfc822_names == (Rfc822Name("alice@example.test"),)
        assert read_one.may_authenticate
        assert not read_one.is_authority
        assert read_one.distribution_points == ()

    def test_times_are_utc(self) -> None:
        """Both ends of the validity carry their zone, past 2049 (GeneralizedTime) as well."""
        begins, ends = datetime(2020, 1, 1, tzinfo=UTC), datetime(2051, 1, 1, tzinfo=UTC)
        device = ROOT.issue_device(upn="a@b", not_before=begins, not_after=ends)
        certificate = ClientCertificate.from_der(device.certificate_der)
        assert (certificate.not_before, certificate.not_after) == (begins, ends)

    def test_authority(self) -> None:
        """The certificate of a CA says so."""
        der = ROOT.certificate.public_bytes(Encoding.DER)
        assert ClientCertificate.from_der(der).is_authority

    def test_without_extensions(self) -> None:
        """What no extension says has no value, and the SKI is computed (RFC 5280, method 1)."""
        every = (
            x509.SubjectKeyIdentifier.oid,
            x509.AuthorityKeyIdentifier.oid,
            x509.BasicConstraints.oid,
            x509.KeyUsage.oid,
            x509.ExtendedKeyUsage.oid,
        )
        device = ROOT.issue_device(omit=every)
        certificate = ClientCertificate.from_der(device.certificate_der)
        assert certificate.authority_key_id is None
        key = device.key.public_key()
        computed = x509.SubjectKeyIdentifier.from_public_key(key).digest
        assert certificate.subject_key_id == computed
        assert subject_key_id(device.certificate) == computed
        assert (certificate.principal_names, certificate.rfc822_names) == ((), ())
        assert certificate.may_authenticate
        assert not certificate.is_authority

    def test_key_id_is_the_extension_s(self) -> None:
        """A CA may choose another identifier than method 1 gives."""
        own = extension(x509.SubjectKeyIdentifier(b"chosen"))
        assert read(own).subject_key_id == b"chosen"
        assert subject_key_id(ROOT.issue_device(extensions=[own]).certificate) == b"chosen"

    def test_distribution_points(self) -> None:
        """Their names are kept, for the scope of a CRL to be compared with."""
        name = x509.UniformResourceIdentifier("http://ca.test/a.crl")
        points = x509.CRLDistributionPoints([x509.DistributionPoint([name], None, None, None)])
        assert read(extension(points)).distribution_points == tuple(points)

    def test_parsed_already(self) -> None:
        """A certificate that was parsed gives what its bytes give."""
        parsed = x509.load_der_x509_certificate(DEVICE)
        assert ClientCertificate.from_x509(parsed) == ClientCertificate.from_der(DEVICE)

    def test_version_1(self) -> None:
        """A certificate of before extensions is read, issuer and all: it says very little."""
        body, algorithm, signature = der_children(DEVICE)
        _version, *fields = der_children(body)
        body = tlv(0x30, b"".join(fields[:-1]))
        certificate = ClientCertificate.from_der(tlv(0x30, body + algorithm + signature))
        assert certificate.issuer == ROOT.certificate.subject.public_bytes()
        assert certificate.principal_names == ()

    def test_unknown_extensions_are_no_error(self) -> None:
        """TLS decides about critical ones."""
        assert read(unknown_extension(critical=False), san_extension(upn(tlv(UTF8, b"a@b"))))


class TestUsage:
    """Whether the certificate may authenticate a client."""

    @pytest.mark.parametrize(
        ("usages", "may"),
        [
            ([ExtendedKeyUsageOID.CLIENT_AUTH], True),
            ([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH], True),
            ([ExtendedKeyUsageOID.SERVER_AUTH], False),
            ([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE], False),
        ],
    )
    def test_extended(self, usages: list[x509.ObjectIdentifier], *, may: bool) -> None:
        """ClientAuth has to be among the extended key usages; `any` is not it, nor for OpenSSL."""
        assert read(extension(x509.ExtendedKeyUsage(usages))).may_authenticate is may

    @pytest.mark.parametrize(
        ("set_bits", "may"),
        [
            ({"digital_signature"}, True),
            ({"key_agreement"}, True),
            ({"key_encipherment"}, False),
            ({"content_commitment", "data_encipherment"}, False),
        ],
    )
    def test_key_usage(self, set_bits: set[str], *, may: bool) -> None:
        """A key that may neither sign nor agree on keys cannot take part in a handshake."""
        names = ["digital_signature", "content_commitment", "key_encipherment"]
        names += ["data_encipherment", "key_agreement", "key_cert_sign", "crl_sign"]
        names += ["encipher_only", "decipher_only"]
        usage = x509.KeyUsage(**{name: name in set_bits for name in names})
        assert read(extension(usage)).may_authenticate is may


class TestNames:
    """Principal names and RFC822 names."""

    def test_order_and_kinds(self) -> None:
        """Each kind in the certificate's order; DNS names and other OtherNames are passed over."""
        other = tlv(0x06, bytes.fromhex("2b0601040182371401"))
        certificate = read(
            san_extension(
                (0x81, b"b@mail.test"),
                upn(tlv(UTF8, b"b@example.test")),
                (0x82, b"phone.example.test"),
                upn(tlv(IA5, b"not a UPN"), other),
                upn(tlv(UTF8, b"a@example.test")),
                (0x81, b"a@mail.test"),
            )
        )
        assert [name.value for name in certificate.principal_names] == [
            "b@example.test",
            "a@example.test",
        ]
        assert [name.value for name in certificate.rfc822_names] == ["b@mail.test", "a@mail.test"]

    def test_non_ascii_upn(self) -> None:
        """A UPN is UTF-8 and is kept as it is written: KELVIN SIGN is no k."""
        for text in ("älice@bücher.example", "\u212aim@example.test", "李@example.test"):
            certificate = read(san_extension(upn(tlv(UTF8, text.encode()))))
            assert certificate.principal_names == (PrincipalName(text),)

    @pytest.mark.parametrize("size", [1, 127, 128, 255, 256, 1024])
    def test_length_forms(self, size: int) -> None:
        """A length of one octet, and one of several."""
        value = b"a" * size
        certificate = read(san_extension(upn(tlv(UTF8, value))))
        assert certificate.principal_names == (PrincipalName(value.decode()),)

    @pytest.mark.parametrize(
        ("value", "words"),
        [
            (tlv(IA5, b"a@b"), "is not a UTF8String"),
            (b"", "cannot be read|is not a UTF8String"),
            (b"\x0c", "cannot be read|is not a UTF8String"),
            (b"\x0c\x05a@b", "cannot be read|length does not fit"),
            (b"\x0c\x02a@b", "cannot be read|length does not fit"),
            (b"\x0c\x80a@b", "cannot be read|length does not fit"),
            (b"\x0c\x89a@b", "cannot be read|length does not fit"),
            (tlv(UTF8, b"a\xff@b"), "is not UTF-8"),
            (tlv(UTF8, b"\xed\xa0\x80@b"), "is not UTF-8"),
            (tlv(UTF8, b"a\x00@b"), "has a control character"),
            (tlv(UTF8, b""), "has 0 characters"),
            (tlv(UTF8, b"a" * 1025), "has 1025 characters"),
            (tlv(UTF8, b"a@b "), "white space"),
        ],
    )
    def test_wrong_upn(self, value: bytes, words: str) -> None:
        """One name that cannot be read makes the certificate unreadable: it is not passed over."""
        with pytest.raises(CertificateError, match=words):
            read(san_extension((0x81, b"alice@mail.test"), upn(value)))

    @pytest.mark.parametrize(
        ("value", "words"),
        [
            (b"alice\x00@example.test", "has a control character"),
            (b"", "has 0 characters"),
            (b" alice@example.test", "white space"),
            (b"alice@example.test\r\nX: y", "has a control character"),
        ],
    )
    def test_wrong_address(self, value: bytes, words: str) -> None:
        """An address that another program would read differently is refused."""
        with pytest.raises(CertificateError, match=words):
            read(san_extension((0x81, value)))

    @pytest.mark.parametrize(
        "name",
        [
            (0x81, b"\xff@example.test"),
            (0xA0, b""),
            (0xA0, UPN_OID),
            (0xA3, b"\x30\x00"),  # x400Address, which the library does not read
            (0xA5, b"\x30\x00"),  # ediPartyName, likewise
            (0x87, b"abc"),  # an IP address of three octets
            (0xC9, b"x"),  # no kind of name
        ],
    )
    def test_unreadable_san(self, name: tuple[int, bytes]) -> None:
        """A SAN that cannot be read whole is not read at all."""
        with pytest.raises(CertificateError):
            read(san_extension((0x81, b"alice@mail.test"), name))

    def test_san_is_no_sequence(self) -> None:
        """An extension of other content than its identifier says."""
        oid = x509.SubjectAlternativeName.oid
        with pytest.raises(CertificateError, match="cannot be read"):
            read(extension(x509.UnrecognizedExtension(oid, b"\x04\x03abc")))


class TestUtf8String:
    """The reader of a UPN's value, where the library has not looked at it before."""

    @pytest.mark.parametrize(
        ("value", "words"),
        [
            (b"", "is not a UTF8String"),
            (b"\x0c", "is not a UTF8String"),
            (b"\x16\x01a", "is not a UTF8String"),
            (b"\x0c\x02a", "length does not fit"),
            (b"\x0c\x01ab", "length does not fit"),
            (b"\x0c\x80a", "length does not fit"),
            (b"\x0c\x82\x01", "length does not fit"),
            (b"\x0c\xff" + b"a" * 20, "length does not fit"),
            (b"\x0c\x01\xff", "is not UTF-8"),
        ],
    )
    def test_wrong(self, value: bytes, words: str) -> None:
        """Another type, a length that is not the content's, and octets that are no text."""
        with pytest.raises(CertificateError, match=words):
            _utf8_string(value)


class TestUnreadable:
    """What is no certificate, or not one that can be read."""

    @pytest.mark.parametrize("der", [b"", b"\x30\x00", b"<html>", DEVICE[:-1], DEVICE + b"\x00"])
    def test_no_certificate(self, der: bytes) -> None:
        """Neither less nor more than one certificate."""
        with pytest.raises(CertificateError, match="cannot be read"):
            ClientCertificate.from_der(der)

    def test_duplicate_extension(self) -> None:
        """RFC 5280 section 4.2 allows each extension once: which of two would count?"""
        two = [
            san_extension((0x81, b"alice@mail.test")),
            extension(x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.16"), b"\x05\x00")),
        ]
        der = ROOT.issue_device(extensions=two).certificate_der
        with pytest.raises(CertificateError, match="cannot be read"):
            ClientCertificate.from_der(der.replace(b"\x55\x1d\x10", b"\x55\x1d\x11"))

    def test_unknown_version(self) -> None:
        """A version that does not exist yet may mean anything."""
        der = DEVICE.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x09", 1)
        with pytest.raises(CertificateError, match="cannot be read"):
            ClientCertificate.from_der(der)

    @pytest.mark.parametrize("subject", [b"\x0c\x03\xff\xff\xff", b"\x03\x03\x00dd"])
    def test_subject(self, subject: bytes) -> None:
        """A subject that is no text decides nothing: the serial number stands for it."""
        odd = ROOT.issue_device(common_name="odd", serial_number=0xABC).certificate_der
        der = odd.replace(b"\x0c\x03odd", subject)
        assert ClientCertificate.from_der(der).subject == "serial number 0xabc"

    def test_issuer(self) -> None:
        """An issuer that is no text has none to show."""
        der = CertificateAuthority.root("odd").issue_device().certificate_der
        assert ClientCertificate.from_der(der).issuer_text == "CN=odd"
        odd = der.replace(b"\x0c\x03odd", b"\x0c\x03\xff\xff\xff")
        assert ClientCertificate.from_der(odd).issuer_text == ""

    def test_unknown_key(self) -> None:
        """A key of an unknown kind has no identifier that could be computed."""
        device = ROOT.issue_device(omit=[x509.SubjectKeyIdentifier.oid]).certificate_der
        ec_public_key = bytes.fromhex("06072a8648ce3d0201")
        odd = device.replace(ec_public_key, bytes.fromhex("06072a8648ce3d0209"), 1)
        with pytest.raises(CertificateError, match="cannot be read"):
            ClientCertificate.from_der(odd)


def read_or_refused(der: bytes) -> ClientCertificate | None:
    """The certificate, or None where it is a CertificateError; anything else fails the test."""
    with contextlib.suppress(CertificateError), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names and numbers that are wrong
        return ClientCertificate.from_der(der)
    return None


class TestAnyBytes:
    """There is no third outcome."""

    @given(st.binary(max_size=200))
    def test_bytes(self, der: bytes) -> None:
        """Arbitrary bytes are no certificate."""
        assert read_or_refused(der) is None

    @given(st.data())
    def test_mutated_certificate(self, data: st.DataObject) -> None:
        """A few octets changed, or the rest cut off."""
        der = bytearray(DEVICE)
        for position in data.draw(st.lists(st.integers(0, len(der) - 1), min_size=1, max_size=4)):
            der[position] = data.draw(st.integers(0, 255))
        read_one = read_or_refused(bytes(der[: data.draw(st.sampled_from([len(der), 300, 60]))]))
        for name in () if read_one is None else read_one.principal_names:
            assert name.value.isprintable()

    @given(
        st.one_of(
            st.binary(max_size=200),
            st.binary(max_size=200).map(lambda content: tlv(UTF8, content)),
            st.binary(max_size=10).map(lambda rest: bytes([UTF8]) + rest),
        )
    )
    def test_utf8_string(self, value: bytes) -> None:
        """What is read is the content of the value, whose length says where it ends."""
        try:
            text = _utf8_string(value)
        except CertificateError:
            return
        content = text.encode()
        head = value[: len(value) - len(content)]
        assert value == head + content
        assert head[0] == UTF8
        length = head[1] if len(head) == 2 else int.from_bytes(head[2:])
        assert length == len(content) or (head, content) == (b"\x0c\x80", b"")

    @given(st.text(max_size=200))
    def test_utf8_string_of_any_text(self, text: str) -> None:
        """Every text that UTF-8 can hold comes back."""
        value = tlv(UTF8, text.encode(errors="ignore"))
        assert _utf8_string(value) == text.encode(errors="ignore").decode()

    @given(st.text(min_size=1, max_size=30))
    def test_any_upn(self, text: str) -> None:
        """What can be a name comes back as it was written."""
        try:
            wanted = PrincipalName(text)
            name = principal_name(text)
        except CertificateError:
            return
        san = extension(x509.SubjectAlternativeName([name]))
        device = ROOT.issue_device(extensions=[san], key=ROOT.key)
        found = ClientCertificate.from_der(device.certificate_der)
        assert found.principal_names == (wanted,)
