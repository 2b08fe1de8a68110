"""`profile test` names each point of an embedded identity that would make sign-in fail."""

from cryptography.hazmat.primitives.serialization import BestAvailableEncryption
from cryptography.hazmat.primitives.serialization.pkcs12 import serialize_key_and_certificates
from cryptography.x509.oid import ExtendedKeyUsageOID

from gateway.pki.authority import CertificateAuthority
from gateway.pki.crl import now
from gateway.pki.identity import Identity
from tests.profiles.bed import DAY, PASSWORD, Bed

MAIL_AT = "PayloadContent[1]"
OTHER_CA = CertificateAuthority.root("Other root", not_before=now() - 9 * DAY)


class TestIdentityPoints:
    """Each point of an embedded identity that would make sign-in fail."""

    KEY = "PayloadContent[0].PayloadContent"

    def failures(self, bed: Bed, identity: Identity) -> str:
        """What fails, all at the identity."""
        failing = bed.failing_identity(identity)
        assert {subject for subject, _ in failing} == {self.KEY}
        return "\n".join(detail for _, detail in failing)

    def test_expired(self, bed: Bed) -> None:
        """The end is named, and it is the only failure."""
        old = bed.device(not_before=now() - 30 * DAY, not_after=now() - DAY)
        (line,) = self.failures(bed, old).splitlines()
        assert line.startswith("its certificate expired at ")

    def test_expired_and_revoked(self, bed: Bed) -> None:
        """Both are said: a new validity alone would not help."""
        details = self.failures(bed, bed.revoked)
        assert "its certificate expired at " in details
        assert "CERTIFICATE_REVOKED" in details

    def test_not_yet_valid(self, bed: Bed) -> None:
        """The begin is named."""
        assert "is valid only from" in self.failures(bed, bed.device(not_before=now() + DAY))

    def test_wrong_eku(self, bed: Bed) -> None:
        """A server's certificate."""
        wrong = bed.device(extended_key_usages=[ExtendedKeyUsageOID.SERVER_AUTH])
        assert "the extended key usage needs clientAuth" in self.failures(bed, wrong)

    def test_no_san(self, bed: Bed) -> None:
        """Without UPN and address it leads to no mailbox."""
        without = bed.pki.issuing.issue_device(common_name="alice", not_before=now() - DAY)
        assert "has no PrincipalName or RFC822Name" in self.failures(bed, without)

    def test_weak_key(self, bed: Bed) -> None:
        """What TLS refuses by its size."""
        assert "has a key of 1024 bits (RSA)" in self.failures(bed, bed.device(key=bed.weak_key()))

    def test_of_a_ca(self, bed: Bed) -> None:
        """A CA's certificate is no device's."""
        authority = bed.pki.issuing
        identity = Identity(authority.certificate, authority.key)
        assert "is a CA's, not a device's" in self.failures(bed, identity)

    def test_without_key(self, bed: Bed) -> None:
        """A certificate that nobody can sign in with."""
        device = bed.device()
        content = serialize_key_and_certificates(
            None, None, device.certificate, None, BestAvailableEncryption(PASSWORD.encode())
        )
        profile = bed.identity_profile(device)
        (payload,) = [one for one in profile["PayloadContent"] if "Password" in one]
        payload["PayloadContent"] = content
        (failing,) = bed.failing(bed.plist(profile))
        assert failing == (self.KEY, "it holds no private key, so nobody can sign in with it")

    def test_expires_soon(self, bed: Bed) -> None:
        """The phone works until then."""
        soon = bed.plist(bed.identity_profile(bed.device(not_after=now() + DAY)))
        assert bed.failing(soon) == []
        assert self.KEY in bed.not_ok(soon)

    def test_foreign(self, bed: Bed) -> None:
        """The gateway does not know the CA."""
        foreign = OTHER_CA.issue_device(upn="alice@example.test", not_before=now() - DAY)
        assert "the gateway does not know the chain" in self.failures(bed, foreign)

    def test_unknown_mailbox(self, bed: Bed) -> None:
        """Nobody has the UPN that it names."""
        carol = bed.pki.issuing.issue_device(upn="carol@example.test", not_before=now() - DAY)
        assert "UNKNOWN_MAILBOX: no mailbox has UPN carol" in self.failures(bed, carol)

    def test_of_another(self, bed: Bed) -> None:
        """Bob's certificate does not open Alice's mailbox."""
        bob = bed.pki.issuing.issue_device(upn="bob@example.test", not_before=now() - DAY)
        assert "USER_MISMATCH" in self.failures(bed, bob)

    def test_wrong_password(self, bed: Bed) -> None:
        """The password in the profile does not open the identity."""
        profile = bed.identity_profile(bed.device())
        profile["PayloadContent"][0]["Password"] = "other"
        assert "no PKCS#12 that this password opens" in bed.failure(profile, self.KEY)

    def test_password_in_the_profile(self, bed: Bed) -> None:
        """Whoever reads the file has the key, which is warned of and keeps nobody out."""
        path = bed.plist(bed.identity_profile(bed.device()))
        assert bed.not_ok(path) == ["signature", "PayloadContent[0].Password"]

    def test_not_opened(self, bed: Bed) -> None:
        """Without the password there is a warning, as nothing can be said."""
        profile = bed.identity_profile(bed.device())
        del profile["PayloadContent"][0]["Password"]
        assert bed.failures(profile) == {}
        assert self.KEY in bed.not_ok(bed.plist(profile))

    def test_in_the_mail_payload(self, bed: Bed) -> None:
        """The older form, a PKCS#12 in Certificate, is tested as well."""
        profile = bed.identity_profile(bed.device(not_after=now() - DAY / 2))
        identity, mail = profile["PayloadContent"]
        del mail["PayloadCertificateUUID"]
        mail["Certificate"], mail["CertificatePassword"] = (
            identity["PayloadContent"],
            identity["Password"],
        )
        assert "expired at" in bed.failure(profile, f"{MAIL_AT}.Certificate")
