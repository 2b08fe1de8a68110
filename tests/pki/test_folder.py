"""A PKI folder keeps what it issued and revoked, and refuses what would lose something."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import pkcs12

from gateway.errors import CertificateError
from gateway.pki.folder import PkiFolder, is_pki, read_certificates

NOW = datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC)
DEVICES = {
    "alice",
    "bob",
    "upn-only",
    "email-only",
    "no-san",
    "wrong-eku",
    "expired",
    "not-yet-valid",
}


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A new PKI of this test's own."""
    PkiFolder.create(tmp_path / "pki", now=NOW)
    return tmp_path / "pki"


def crl_of(directory: Path, name: str) -> x509.CertificateRevocationList:
    """The CRL that lies in the folder."""
    return x509.load_der_x509_crl((directory / f"{name}.crl").read_bytes())


def number_of(crl: x509.CertificateRevocationList) -> int:
    """The CRL number."""
    return crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number


class TestCreate:
    """Making a PKI."""

    def test_files_are_the_documented_ones(self, directory: Path) -> None:
        """A certificate and a key for each name, the foreign root without its key, CRLs, state."""
        pairs = {"root", "issuing", "server", "foreign", *DEVICES}
        expected = {f"{name}.{suffix}" for name in pairs for suffix in ("pem", "key")}
        expected |= {"foreign-root.pem", "root.crl", "issuing.crl", "pki.json"}
        assert {one.name for one in directory.iterdir()} == expected

    def test_crls_are_empty_and_of_the_right_ca(self, directory: Path) -> None:
        """The first CRLs revoke nothing, have number 1, and verify with their CA's key."""
        with PkiFolder.open(directory) as folder:
            for name, ca in {"root": folder.root, "issuing": folder.issuing}.items():
                crl = crl_of(directory, name)
                assert crl.is_signature_valid(ca.key.public_key())
                assert (len(crl), number_of(crl), crl.last_update_utc) == (0, 1, NOW)

    def test_what_is_there_is_not_overwritten(self, directory: Path) -> None:
        """A second PKI in the same folder is refused, and the first stays as it was."""
        before = {one.name: one.read_bytes() for one in directory.iterdir()}
        with pytest.raises(CertificateError, match="is there already"):
            PkiFolder.create(directory)
        assert {one.name: one.read_bytes() for one in directory.iterdir()} == before

    def test_a_single_file_in_the_way_is_named(self, tmp_path: Path) -> None:
        """Somebody's own server.key is not overwritten, and nothing is written beside it."""
        (tmp_path / "server.key").write_bytes(b"mine")
        with pytest.raises(CertificateError, match=r"server\.key is there already"):
            PkiFolder.create(tmp_path)
        assert [one.name for one in tmp_path.iterdir()] == ["server.key"]

    def test_a_wrong_host_leaves_no_folder(self, tmp_path: Path) -> None:
        """A host name that is none is refused before anything is made."""
        with pytest.raises(CertificateError, match="'a b' is no host name"):
            PkiFolder.create(tmp_path / "pki", hosts=["a b"])
        assert not (tmp_path / "pki").exists()


class TestOpen:
    """Opening a PKI, whole or damaged."""

    def test_opened_cas_are_those_that_were_made(self, tmp_path: Path) -> None:
        """The folder brings back certificates, keys, chain and state."""
        made = PkiFolder.create(tmp_path)
        with PkiFolder.open(tmp_path) as folder:
            assert folder.issuing.certificate == made.issuing.certificate
            assert folder.issuing.chain == (made.issuing.certificate,)
            assert folder.root.chain == ()
            assert folder.root.key.private_numbers() == made.root.key.private_numbers()
            assert folder.state == made.state

    def test_a_folder_without_state_is_no_pki(self, tmp_path: Path) -> None:
        """The error says how to make one."""
        assert not is_pki(tmp_path)
        with pytest.raises(CertificateError, match="pki init"), PkiFolder.open(tmp_path):
            pass

    @pytest.mark.parametrize(
        ("name", "content", "said"),
        [
            ("pki.json", b"{", r"pki\.json is damaged at JSON"),
            ("pki.json", b'{"version": 2}', r"pki\.json is damaged at version"),
            ("issuing.key", b"no key", r"issuing\.key: holds no private key"),
            ("root.pem", b"no certificate", r"root\.pem: holds no PEM certificate"),
        ],
    )
    def test_a_damaged_file_is_named(
        self, directory: Path, name: str, content: bytes, said: str
    ) -> None:
        """Each file that cannot be read is named in the error."""
        (directory / name).write_bytes(content)
        with pytest.raises(CertificateError, match=said), PkiFolder.open(directory):
            pass

    def test_a_key_of_another_certificate_is_refused(self, directory: Path) -> None:
        """A key that does not belong to the CA's certificate would sign what nobody believes."""
        (directory / "root.key").write_bytes((directory / "bob.key").read_bytes())
        with (
            pytest.raises(CertificateError, match=r"root\.key is not the key of .*root\.pem"),
            PkiFolder.open(directory),
        ):
            pass

    def test_a_missing_file_is_named(self, directory: Path) -> None:
        """A missing CA certificate is an error about that file."""
        (directory / "root.pem").unlink()
        with (
            pytest.raises(CertificateError, match=r"root\.pem"),
            PkiFolder.open(directory),
        ):
            pass


class TestIssue:
    """Issuing device certificates."""

    def test_the_certificate_is_written_and_remembered(self, directory: Path) -> None:
        """Certificate, key and PKCS#12 are there, and another process finds the serial number."""
        with PkiFolder.open(directory) as folder:
            made = folder.issue("carol", upn="carol@example.test", pkcs12_password=b"pw")
        assert read_certificates(directory / "carol.pem") == [
            made.certificate,
            made.chain[0],
        ]
        assert pkcs12.load_pkcs12((directory / "carol.p12").read_bytes(), b"pw").key is not None
        with PkiFolder.open(directory) as folder:
            assert folder.find(made.serial_number).name == "carol"

    def test_a_name_in_use_is_refused(self, directory: Path) -> None:
        """No file is overwritten and no serial number is remembered for nothing."""
        with PkiFolder.open(directory) as folder:
            before = folder.state
            with pytest.raises(CertificateError, match=r"bob\.key is there already"):
                folder.issue("bob", upn="bob@example.test")
            assert folder.state == before


class TestRevoke:
    """Revoking certificates and signing CRLs."""

    def test_a_revoked_device_is_on_the_issuing_cas_crl(self, directory: Path) -> None:
        """The entry has the serial number, the time and the reason; the root's CRL stays empty."""
        serial = read_certificates(directory / "alice.pem")[0].serial_number
        later = NOW + timedelta(hours=1)
        with PkiFolder.open(directory) as folder:
            folder.revoke(serial, reason="keyCompromise", now=later)
        crl = crl_of(directory, "issuing")
        (entry,) = crl
        assert (entry.serial_number, entry.revocation_date_utc) == (serial, later)
        reason = entry.extensions.get_extension_for_class(x509.CRLReason).value.reason
        assert reason is x509.ReasonFlags.key_compromise
        assert (number_of(crl), crl.last_update_utc) == (2, later)
        assert len(crl_of(directory, "root")) == 0

    def test_a_revoked_issuing_ca_is_on_the_roots_crl(self, directory: Path) -> None:
        """The CA above lists it."""
        with PkiFolder.open(directory) as folder:
            folder.revoke(folder.issuing.certificate.serial_number)
        (entry,) = crl_of(directory, "root")
        assert list(entry.extensions) == []
        assert len(crl_of(directory, "issuing")) == 0

    def test_revoking_twice_changes_nothing(self, directory: Path) -> None:
        """The first date and reason stay, and no new CRL is signed."""
        serial = read_certificates(directory / "alice.pem")[0].serial_number
        with PkiFolder.open(directory) as folder:
            first = folder.revoke(serial, now=NOW)
            again = folder.revoke(serial, reason="superseded", now=NOW + timedelta(days=1))
        assert again == first
        assert number_of(crl_of(directory, "issuing")) == 2

    def test_what_was_not_issued_here_is_refused(self, directory: Path) -> None:
        """The foreign CA's certificate cannot be revoked, nor anything for a made-up reason."""
        foreign = read_certificates(directory / "foreign.pem")[0].serial_number
        alice = read_certificates(directory / "alice.pem")[0].serial_number
        with PkiFolder.open(directory) as folder:
            with pytest.raises(CertificateError, match=f"{foreign:x}"):
                folder.revoke(foreign)
            with pytest.raises(CertificateError, match="removeFromCRL"):
                folder.revoke(alice, reason="removeFromCRL")
        assert number_of(crl_of(directory, "issuing")) == 1

    def test_fresh_crls_keep_the_revoked_and_rise(self, directory: Path) -> None:
        """Over several openings the number rises by one and the entries stay."""
        serial = read_certificates(directory / "alice.pem")[0].serial_number
        with PkiFolder.open(directory) as folder:
            folder.revoke(serial)
        with PkiFolder.open(directory) as folder:
            assert folder.sign_crls(this_update=NOW, lifetime=timedelta(days=2)) == 3
        crl = crl_of(directory, "issuing")
        assert [one.serial_number for one in crl] == [serial]
        assert (number_of(crl), number_of(crl_of(directory, "root"))) == (3, 3)
        assert crl.next_update_utc == NOW + timedelta(days=2)
