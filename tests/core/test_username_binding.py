"""Which bindings there can be, and which certificates' fields they find in a directory."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from gateway.core.binding import Binding, bind, lookup_keys
from gateway.core.certificate import ClientCertificate
from gateway.core.mailbox import Mailbox
from gateway.core.names import PrincipalName, Rfc822Name, fold
from gateway.core.username_binding import (
    ATTRIBUTES,
    Affinity,
    BindingRules,
    CertificateField,
    DirectoryAttribute,
    SerialNumberOrder,
    UsernameBinding,
)
from gateway.errors import CertificateError
from gateway.pki.authority import CertificateAuthority
from gateway.pki.crl import AnyExtension, extension
from gateway.pki.identity import ec_key
from gateway.pki.names import principal_name, tlv

SID = "S-1-5-21-1-2-3"
OTHER_SID = "S-1-5-21-1-2-4"
SERIAL = 0xB24134
KEY = ec_key()
SKI = x509.SubjectKeyIdentifier(b"\x12\x34\xab")
ROOT = CertificateAuthority.root("Contoso, CA")


def sid_extension(sid: bytes) -> AnyExtension:
    """The extension that a Microsoft CA writes (MS-WCCE section 2.2.2.7.7.4)."""
    kind = tlv(0x06, bytes.fromhex("2b060104018237190201"))
    name = tlv(0xA0, kind + tlv(0xA0, tlv(0x04, sid)))
    oid = x509.ObjectIdentifier("1.3.6.1.4.1.311.25.2")
    return extension(x509.UnrecognizedExtension(oid, tlv(0x30, name)))


def device(
    *extensions: AnyExtension,
    serial_number: int = SERIAL,
    omit: Sequence[x509.ObjectIdentifier] = (),
) -> ClientCertificate:
    """The certificate of Alice with these extensions."""
    found = ROOT.issue_device(
        upn="alice@x.test",
        email="a@mail.test",
        common_name="Alice",
        key=KEY,
        serial_number=serial_number,
        extensions=extensions,
        omit=omit,
    )
    return ClientCertificate.from_der(found.certificate_der)


DEVICE = device(extension(SKI), sid_extension(SID.encode()))


@dataclass
class Directory:
    """These mailboxes."""

    mailboxes: tuple[Mailbox, ...]

    def find_by_upn(self, upn: str) -> Mailbox | None:
        """By userPrincipalName."""
        return next((m for m in self.mailboxes if m.key == fold(upn)), None)

    def find_by_address(self, address: str) -> Mailbox | None:
        """By any address."""
        return next((m for m in self.mailboxes if fold(address) in m.addresses), None)

    def find_by_identifier(self, key: str) -> Mailbox | None:
        """By any identifier."""
        return next((m for m in self.mailboxes if key in m.identifiers), None)


def holder(*values: str, upn: str = "m@x.test") -> Mailbox:
    """A mailbox with these values of certificateUserIds."""
    return Mailbox(upn, certificate_user_ids=values)


def rules(*fields: CertificateField | UsernameBinding, **changes: object) -> BindingRules:
    """Rules with these bindings, those of a field to certificateUserIds where it may be."""
    bindings = tuple(_binding(one) for one in fields)
    return replace(BindingRules(bindings), **changes)  # type: ignore[arg-type]  # any field


def _binding(one: CertificateField | UsernameBinding) -> UsernameBinding:
    if isinstance(one, UsernameBinding):
        return one
    ids = DirectoryAttribute.CERTIFICATE_USER_IDS
    return UsernameBinding(one, ids if ids in ATTRIBUTES[one] else ATTRIBUTES[one][0])


def bound(
    mailbox: Mailbox, *fields: CertificateField, certificate: ClientCertificate = DEVICE
) -> Binding:
    """What the certificate leads to if this is the only mailbox."""
    return bind(certificate, rules(*fields), Directory((mailbox,)))


F = CertificateField
ISSUER = r"CN=Contoso\, CA"
CERTIFICATE_HASH = DEVICE.sha1_hashes[0].hex()
KEY_HASH = hashlib.sha1(
    KEY.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
).hexdigest()


def written(value: str) -> str:
    """`value` with the hashes in their places; keys are new in each process that collects."""
    return value.format(certificate=CERTIFICATE_HASH.upper(), key=KEY_HASH)


class TestFields:
    """Each field with certificateUserIds."""

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            (F.PRINCIPAL_NAME, "X509:<PN>ALICE@x.test"),
            (F.RFC822_NAME, "X509:<RFC822>a@MAIL.test"),
            (F.SKI, "X509:<SKI>1234AB"),
            (F.SHA1_PUBLIC_KEY, "X509:<SHA1-PUKEY>{certificate}"),
            (F.SHA1_PUBLIC_KEY, "X509:<SHA1-PUKEY>{key}"),
            (F.SUBJECT, "X509:<S>cn=alice"),
            (F.ISSUER_AND_SUBJECT, f"X509:<I>{ISSUER}<S>CN=Alice"),
            (F.ISSUER_AND_SUBJECT, 'X509:<I>CN="Contoso, CA"<S>CN=Alice'),
            (F.ISSUER_AND_SERIAL_NUMBER, f"X509:<I>{ISSUER}<SR>b24134"),
            (F.ISSUER_AND_SERIAL_NUMBER, f"X509:<I>{ISSUER}<SR>00B24134"),
        ],
    )
    def test_leads_to_the_mailbox(self, field: CertificateField, value: str) -> None:
        """By its own form, by no other binding, and so that a change of the mailbox is noticed."""
        mailbox = holder(written(value))
        assert bound(mailbox, field).mailboxes == (mailbox,)
        assert bound(mailbox, *(one for one in F if one is not field)).mailboxes == ()
        assert set(mailbox.identifiers) <= lookup_keys(DEVICE, rules(field))

    @pytest.mark.parametrize(
        "value",
        [
            "X509:<PN>bob@x.test",
            "alice@x.test",
            "X509:<SKI>1234",
            "X509:<SKI>{key}",
            f"X509:<SHA1-PUKEY>{'00' * 20}",
            "X509:<S>CN=Alice,CN=Alice",
            f"X509:<I>CN=Alice<S>{ISSUER}",
            f"X509:<I>{ISSUER}<SR>3441b2",
            f"X509:<I>{ISSUER}<SR>b2413400",
            f"X509:<I>{ISSUER}<SR>0000b24134",
            "X509:<I>CN=Contoso<SR>b24134",
        ],
    )
    def test_leads_nowhere(self, value: str) -> None:
        """Another value, free text and another certificate's issuer are no match."""
        assert bound(holder(written(value)), *F).mailboxes == ()

    def test_sid_is_that_of_the_directory(self) -> None:
        """From the extension or the SAN; both count once."""
        mailbox = Mailbox("m@x.test", security_identifier=SID)
        uri = x509.UniformResourceIdentifier(f"tag:microsoft.com,2022-09-14:sid:{SID}")
        san = extension(x509.SubjectAlternativeName([uri, x509.UniformResourceIdentifier("x:y")]))
        both = device(san, sid_extension(SID.encode()))
        for certificate in (DEVICE, device(san), both):
            found = bound(mailbox, F.SID, certificate=certificate)
            assert found.mailboxes == (mailbox,)
            assert [name.text for name in found.names] == [f"SID {SID}"]
        assert bound(replace(mailbox, security_identifier=OTHER_SID), F.SID).mailboxes == ()

    @pytest.mark.parametrize("field", [F.PRINCIPAL_NAME, F.RFC822_NAME])
    def test_names_with_other_attributes(self, field: CertificateField) -> None:
        """UPN and on-premises UPN are two attributes, for either name."""
        name = "alice@x.test" if field is F.PRINCIPAL_NAME else "a@mail.test"
        cloud, on_premises = Mailbox(name), Mailbox("z@x.test", on_premises_upn=name.upper())
        directory = Directory((cloud, on_premises))
        for attribute, wanted in (
            (DirectoryAttribute.USER_PRINCIPAL_NAME, cloud),
            (DirectoryAttribute.ON_PREMISES_USER_PRINCIPAL_NAME, on_premises),
        ):
            binding = UsernameBinding(field, attribute)
            assert bind(DEVICE, rules(binding), directory).mailboxes == (wanted,)

    def test_what_is_not_there_is_passed_over(self) -> None:
        """No SKI extension, no subject, no SID, no serial number that could be one."""
        bare = device(omit=[x509.SubjectKeyIdentifier.oid, x509.SubjectAlternativeName.oid])
        nameless = replace(bare, _der=_nameless(), serial_number=-5)
        without_serial = (one for one in F if one is not F.SHA1_PUBLIC_KEY)
        assert bound(holder(), *without_serial, certificate=nameless).names == ()
        assert bare.key_identifier is None

    def test_what_cannot_be_read_is_passed_over(self) -> None:
        """A SID extension of another shape is as none, and the other bindings count."""
        mailbox = holder("X509:<S>CN=Alice")
        odd = device(sid_extension(b"alice"))
        assert bound(mailbox, F.SID, F.SUBJECT, certificate=odd).mailboxes == (mailbox,)
        assert bound(mailbox, F.SID, certificate=odd).names == ()

    def test_people_read_what_was_looked_up(self) -> None:
        """Each value says which field it is."""
        fields = (F.SKI, F.SHA1_PUBLIC_KEY, F.SUBJECT, F.ISSUER_AND_SERIAL_NUMBER)
        assert [name.text for name in bound(holder(), *fields).names] == [
            "SKI 1234ab",
            f"SHA1PublicKey {CERTIFICATE_HASH} or {KEY_HASH}",
            "Subject CN=Alice",
            "IssuerAndSerialNumber 0xb24134",
        ]


def _nameless() -> bytes:
    """A certificate with an empty subject and no extensions but the plain ones."""
    builder = x509.CertificateBuilder(
        issuer_name=ROOT.certificate.subject,
        subject_name=x509.Name([]),
        public_key=KEY.public_key(),
        serial_number=5,
        not_valid_before=ROOT.certificate.not_valid_before_utc,
        not_valid_after=ROOT.certificate.not_valid_after_utc,
    )
    return builder.sign(ROOT.key, SHA256()).public_bytes(Encoding.DER)


class TestSerialNumberOrder:
    """`serial_number_order`."""

    @pytest.mark.parametrize("written", ["3441b2", "3441b200"])
    def test_reversed(self, written: str) -> None:
        """The octets of a serial number may be stored as AD's mappings have them."""
        mailbox = holder(f"X509:<I>{ISSUER}<SR>{written}")
        reverse = rules(F.ISSUER_AND_SERIAL_NUMBER, serial_number_order=SerialNumberOrder.REVERSED)
        assert bind(DEVICE, reverse, Directory((mailbox,))).mailboxes == (mailbox,)
        forward = holder(f"X509:<I>{ISSUER}<SR>b24134")
        assert bind(DEVICE, reverse, Directory((forward,))).mailboxes == ()

    def test_numbers_do_not_run_together(self) -> None:
        """Zeros at either end of a number belong to it."""
        reverse = rules(F.ISSUER_AND_SERIAL_NUMBER, serial_number_order=SerialNumberOrder.REVERSED)
        keys = [
            lookup_keys(device(serial_number=number), one)
            - lookup_keys(device(serial_number=number), rules())
            for number in (0xB2, 0xB200, 0x12, 0x1200)
            for one in (rules(F.ISSUER_AND_SERIAL_NUMBER), reverse)
        ]
        for order in (keys[::2], keys[1::2]):
            assert sum(map(len, order)) == len(frozenset().union(*order))


class TestRules:
    """Priorities, affinity and the SID that has to match."""

    ALICE = Mailbox("alice@x.test")
    OTHER = holder("X509:<SKI>1234ab", upn="other@x.test")
    BOTH = (F.SKI, UsernameBinding.usual(F.PRINCIPAL_NAME))

    def test_without_priorities_all_have_to_agree(self) -> None:
        """Two mailboxes are found, which the decision refuses."""
        found = bind(DEVICE, rules(*self.BOTH), Directory((self.ALICE, self.OTHER)))
        assert found.mailboxes == (self.OTHER, self.ALICE)

    def test_with_priorities_the_first_match_decides(self) -> None:
        """What comes after it is not looked at; what names nobody is passed over."""
        by_priority = rules(*self.BOTH, by_priority=True)
        found = bind(DEVICE, by_priority, Directory((self.ALICE, self.OTHER)))
        assert (found.mailboxes, len(found.names)) == ((self.OTHER,), 1)
        found = bind(DEVICE, by_priority, Directory((self.ALICE,)))
        assert (found.mailboxes, len(found.names)) == ((self.ALICE,), 2)

    def test_one_binding_may_still_be_ambiguous(self) -> None:
        """Two values of one field that name different mailboxes have one priority."""
        san = x509.SubjectAlternativeName([principal_name("alice@x.test"), principal_name("b@y")])
        two = device(extension(san))
        upn = UsernameBinding.usual(F.PRINCIPAL_NAME)
        directory = Directory((self.ALICE, Mailbox("b@y")))
        assert len(bind(two, rules(upn, by_priority=True), directory).mailboxes) == 2

    def test_high_affinity_passes_names_over(self) -> None:
        """Neither looked up nor among what was tried."""
        high = rules(*self.BOTH, required_affinity=Affinity.HIGH)
        found = bind(DEVICE, high, Directory((self.ALICE,)))
        assert (found.mailboxes, [one.field for one in found.tried]) == ((), [F.SKI])

    def test_affinity_is_entra_s(self) -> None:
        """What can be given to somebody else is low."""
        low = {F.PRINCIPAL_NAME, F.RFC822_NAME, F.ISSUER_AND_SUBJECT, F.SUBJECT}
        found = {one for one in F if UsernameBinding.usual(one).affinity is Affinity.LOW}
        assert found == low

    @pytest.mark.parametrize(
        ("own", "certificate", "refusal"),
        [
            (SID, DEVICE, None),
            (None, DEVICE, None),
            (OTHER_SID, device(), None),
            (
                OTHER_SID,
                DEVICE,
                f"the certificate has the SID {SID}, and alice@x.test has {OTHER_SID}",
            ),
            (
                SID,
                device(sid_extension(b"x")),
                (
                    "the certificate's SID 'x' is not a SID, such as "
                    "S-1-5-21-1004336348-1177238915-682003330-512, "
                    f"and alice@x.test has the SID {SID}"
                ),
            ),
        ],
    )
    def test_sid_match(
        self, own: str | None, certificate: ClientCertificate, refusal: str | None
    ) -> None:
        """Another SID, or one that cannot be read, refuses; where either has none nothing does."""
        directory = Directory((replace(self.ALICE, security_identifier=own),))
        upn = UsernameBinding.usual(F.PRINCIPAL_NAME)
        assert bind(certificate, rules(upn), directory).refusal is None
        assert bind(certificate, rules(upn, require_sid_match=True), directory).refusal == refusal

    def test_sid_match_is_of_one_mailbox(self) -> None:
        """Nobody's SID is compared where no mailbox or two are named."""
        strict = rules(*self.BOTH, require_sid_match=True)
        for mailboxes in ((), (self.OTHER, replace(self.ALICE, security_identifier=OTHER_SID))):
            assert bind(DEVICE, strict, Directory(mailboxes)).refusal is None

    def test_each_sid_of_the_certificate_has_to_match(self) -> None:
        """An extension and a SAN that differ are no proof of either."""
        uri = x509.UniformResourceIdentifier(f"tag:microsoft.com,2022-09-14:sid:{OTHER_SID}")
        san = x509.SubjectAlternativeName([uri, principal_name("alice@x.test")])
        two = device(extension(san), sid_extension(SID.encode()))
        directory = Directory((replace(self.ALICE, security_identifier=SID),))
        strict = rules(UsernameBinding.usual(F.PRINCIPAL_NAME), require_sid_match=True)
        assert bind(two, strict, directory).refusal == (
            f"the certificate has the SID {OTHER_SID}, and alice@x.test has {SID}"
        )


def test_identifiers_that_are_wrong_are_left_out() -> None:
    """A mailbox is read as it is stored; what no certificate can have leads nowhere."""
    assert holder("X509:<SKI>x", "bob@local").identifiers == {
        "Other:bob@local": "certificateUserIds value bob@local"
    }


def test_names_are_the_certificate_s_own() -> None:
    """The default bindings keep the names as the certificate writes them."""
    found = bound(holder(), F.PRINCIPAL_NAME, F.RFC822_NAME)
    assert found.names == (PrincipalName("alice@x.test"), Rfc822Name("a@mail.test"))
    assert NameOID.COMMON_NAME.dotted_string == DEVICE.names[1][0][0][0]


class TestUnreadable:
    """Parts of a certificate that only bindings look at, and that are wrong."""

    def test_a_subject(self) -> None:
        """Bindings to issuer and subject are passed over; others count."""
        der = _der().replace(tlv(0x0C, b"Alice"), tlv(0x0C, b"\xff\xff\xff\xff\xff"), 1)
        odd = ClientCertificate.from_der(der)
        with pytest.raises(CertificateError, match="issuer or subject cannot be read"):
            _ = odd.names
        assert bound(holder(), F.SUBJECT, F.ISSUER_AND_SERIAL_NUMBER, certificate=odd).names == ()

    def test_a_public_key(self) -> None:
        """A key of a kind that is not known has no hash."""
        ec_public_key = bytes.fromhex("06072a8648ce3d0201")
        der = _der().replace(ec_public_key, ec_public_key[:-1] + b"\x09", 1)
        odd = ClientCertificate.from_der(der)
        with pytest.raises(CertificateError, match="the public key cannot be read"):
            _ = odd.sha1_hashes
        assert bound(holder(), F.SHA1_PUBLIC_KEY, certificate=odd).names == ()


def _der() -> bytes:
    return ROOT.issue_device(upn="alice@x.test", common_name="Alice", key=KEY).certificate_der
