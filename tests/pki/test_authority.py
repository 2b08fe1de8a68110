"""The certificate authority: its certificates hold in real handshakes and say what was asked."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.certificate import ClientCertificate
from gateway.pki.authority import CertificateAuthority
from gateway.pki.crl import extension
from gateway.pki.identity import Identity, rsa_key
from tests.helpers import (
    Pki,
    StoredCertificate,
    client_context,
    handshake,
    san_extension,
    server_context,
    unknown_extension,
)

THEN = datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC)
ISSUING = CertificateAuthority.root("Property root").intermediate("Property issuing CA")


def stored(directory: Path, identity: Identity) -> StoredCertificate:
    """`identity` as the two files that the standard library's TLS wants."""
    found = StoredCertificate(directory / "it.pem", directory / "it.key")
    found.pem.write_bytes(identity.certificate_pem)
    found.key.write_bytes(identity.key_pem)
    return found


class TestHandshake:
    """Certificates of the folder, judged by a TLS library."""

    @pytest.mark.parametrize("name", ["alice", "bob", "upn-only", "email-only", "no-san"])
    def test_device_certificate_passes(self, pki: Pki, name: str) -> None:
        """A right device certificate passes TLS whatever its names are."""
        device = pki.stored(name)
        assert handshake(server_context(pki), client_context(pki, device)) == device.der

    @pytest.mark.parametrize(
        ("name", "said"),
        [
            ("wrong-eku", "unsuitable certificate purpose"),
            ("expired", "certificate has expired"),
            ("not-yet-valid", "certificate is not yet valid"),
            ("foreign", "unable to get local issuer certificate"),
        ],
    )
    def test_wrong_device_certificate_fails(self, pki: Pki, name: str, said: str) -> None:
        """TLS itself refuses a wrong purpose, a wrong time and a CA that is not configured."""
        with pytest.raises(ssl.SSLCertVerificationError, match=said):
            handshake(server_context(pki), client_context(pki, pki.stored(name)))

    @pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1", "gateway.example.test"])
    def test_server_certificate_is_for_every_name(self, pki: Pki, host: str) -> None:
        """A client that checks the name accepts each of the server's."""
        client = client_context(pki, pki.alice)
        assert handshake(server_context(pki), client, hostname=host) == pki.alice.der

    def test_strict_verification_passes(self, pki: Pki) -> None:
        """The chains hold under OpenSSL's strict reading of RFC 5280."""
        server, client = server_context(pki), client_context(pki, pki.alice)
        server.verify_flags |= ssl.VERIFY_X509_STRICT
        client.verify_flags |= ssl.VERIFY_X509_STRICT
        assert handshake(server, client) == pki.alice.der

    def test_deep_chain_with_an_rsa_leaf_passes(self, pki: Pki, tmp_path: Path) -> None:
        """A leaf below two intermediates brings both along, and its key may be RSA."""
        deep = pki.root.intermediate("Policy CA").intermediate("Issuing CA below it")
        device = deep.issue_device(upn="x@example.test", key=rsa_key())
        assert len(device.chain) == 2
        shown = handshake(server_context(pki), client_context(pki, stored(tmp_path, device)))
        assert shown == device.certificate_der

    def test_path_length_is_kept(self, pki: Pki, tmp_path: Path) -> None:
        """No CA may follow below one whose path length is 0."""
        too_deep = pki.issuing.intermediate("One too many")
        device = stored(tmp_path, too_deep.issue_device(upn="x@example.test"))
        with pytest.raises(ssl.SSLCertVerificationError, match="path length"):
            handshake(server_context(pki), client_context(pki, device))


class TestContent:
    """What is in an issued certificate."""

    def test_device_is_read_as_it_was_asked_for(self) -> None:
        """Serial number, validity, key identifiers and names come out as they went in."""
        device = ISSUING.issue_device(
            upn="ann@example.test",
            email="ann@mail.test",
            not_before=THEN,
            not_after=THEN + timedelta(hours=1),
            serial_number=77,
        )
        read = ClientCertificate.from_der(device.certificate_der)
        assert (read.serial_number, read.not_before) == (77, THEN)
        assert read.not_after == THEN + timedelta(hours=1)
        assert read.authority_key_id == ISSUING.key_identifier
        assert read.may_authenticate
        assert not read.is_authority
        assert [str(one.value) for one in read.principal_names] == ["ann@example.test"]
        assert [str(one.value) for one in read.rfc822_names] == ["ann@mail.test"]

    @given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=100))
    def test_any_principal_name_can_be_issued(self, upn: str) -> None:
        """However long or foreign the UPN, the certificate has it, and a common name that fits."""
        device = ISSUING.issue_device(upn=upn, key=ISSUING.key)
        names = device.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        (name,) = names.value.get_values_for_type(x509.OtherName)
        assert name.value.endswith(upn.encode())

    def test_extended_key_usages_can_be_others_or_none(self) -> None:
        """A test can ask for another purpose, or for no statement of purpose."""
        usages = [ExtendedKeyUsageOID.SERVER_AUTH]
        wrong = ISSUING.issue_device(upn="x@example.test", extended_key_usages=usages)
        none = ISSUING.issue_device(upn="x@example.test", extended_key_usages=())
        assert not ClientCertificate.from_der(wrong.certificate_der).may_authenticate
        assert x509.ExtendedKeyUsage.oid not in {one.oid for one in none.certificate.extensions}

    def test_extensions_replace_add_and_vanish(self) -> None:
        """An extension given takes the usual one's place or is added; one can be left out."""
        device = ISSUING.issue_device(
            upn="x@example.test",
            extensions=[san_extension((0x81, b"a\0b@x.test")), unknown_extension(critical=True)],
            omit=[x509.KeyUsage.oid],
        )
        assert b"a\0b@x.test" in device.certificate_der
        assert b"x@example.test\x0c" not in device.certificate_der
        oids = [one.oid.dotted_string for one in _extensions(device.certificate)]
        assert "1.3.6.1.4.1.55555.1" in oids
        assert x509.KeyUsage.oid.dotted_string not in oids

    def test_path_length_and_usage_of_a_ca(self) -> None:
        """A CA may sign certificates and CRLs, and says how deep."""
        found = ISSUING.intermediate("Below", path_length=3).certificate.extensions
        constraints = found.get_extension_for_class(x509.BasicConstraints)
        usage = found.get_extension_for_class(x509.KeyUsage)
        assert (constraints.critical, constraints.value.path_length) == (True, 3)
        assert (usage.value.key_cert_sign, usage.value.crl_sign) == (True, True)
        assert not usage.value.digital_signature

    def test_a_given_key_identifier_is_what_leaves_point_to(self) -> None:
        """Leaves name the key identifier that their issuer's certificate really has."""
        other = extension(x509.SubjectKeyIdentifier(b"another identifier"))
        ca = ISSUING.intermediate("Special", extensions=[other])
        device = ClientCertificate.from_der(ca.issue_device(upn="x@y.test").certificate_der)
        assert device.authority_key_id == b"another identifier"


def _extensions(certificate: x509.Certificate) -> list[x509.Extension[x509.ExtensionType]]:
    return list(certificate.extensions)
