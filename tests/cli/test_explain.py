"""`eas-gateway explain` says what a gateway with the same store would decide, and why."""

import asyncio
import contextlib
import json
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import given
from hypothesis import strategies as st

from gateway.cli.chain import build, read_certificates
from gateway.cli.main import main
from gateway.config import load
from gateway.core.authority import Authority, AuthorityType
from gateway.core.device import Access, Characteristic, Device, DeviceCertificate, WipeKind
from gateway.core.mailbox import Mailbox
from gateway.core.reasons import Reason
from gateway.errors import CertificateError
from gateway.pki.authority import CertificateAuthority
from gateway.pki.crl import Revocation, extension, now
from gateway.pki.identity import Identity, certificates_pem, ec_key, rsa_key
from gateway.pki.names import principal_name
from gateway.revocation.engine import RevocationEngine
from gateway.store.store import Store, open_store
from tests.helpers import san_extension

Output = pytest.CaptureFixture[str]
ALICE = Mailbox("alice@example.test", primary_address="alice@mail.test")
BOB = Mailbox("bob@example.test")
NAME = ALICE.key, "applf4"
CHECKS = [
    "chain",
    "validity",
    "key usage",
    "key strength",
    "san",
    "block",
    "revocation",
    "revocation known",
    "mailbox",
    "session",
    "readmission",
    "user",
    "device",
    "command",
]
DAY = timedelta(days=1)
DEVICE = CertificateAuthority.root("Any root").issue_device(upn=ALICE.upn)


@dataclass
class CrlServer:
    """CRLs by path, on loopback."""

    url: str
    content: dict[str, bytes] = field(default_factory=dict)


@pytest.fixture
def crl_server() -> Iterator[CrlServer]:
    """A web server for the CRLs of a test."""
    content: dict[str, bytes] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = content.get(self.path)
            self.send_response(404 if found is None else 200)
            self.send_header("Content-Length", str(len(found or b"")))
            self.end_headers()
            self.wfile.write(found or b"")

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            """Stay silent."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), name="crl-server")
        thread.start()
        try:
            yield CrlServer(f"http://127.0.0.1:{server.server_port}", content)
        finally:
            server.shutdown()
            thread.join()


@dataclass
class Bed:
    """A configuration with a store, and the CRLs of its CAs on a server."""

    directory: Path
    crls: CrlServer
    store: Store

    def trust(
        self, certificate: x509.Certificate, crl: bytes | None, *, kind: AuthorityType
    ) -> Authority:
        """Add a CA with its CRL, which is fetched at once; None leaves it unfetched."""
        authority = Authority.from_der(
            certificate.public_bytes(Encoding.DER),
            authority_type=kind,
            crl_distribution_point=f"{self.crls.url}/{certificate.serial_number:x}.crl",
        )
        self.store.authorities.add(authority)
        if crl is not None:
            self.publish(authority, certificate, crl)
        return authority

    def publish(self, authority: Authority, certificate: x509.Certificate, crl: bytes) -> None:
        """The CRL is at its URL, and fetched."""
        self.crls.content[f"/{certificate.serial_number:x}.crl"] = crl
        config = load(self.directory / "config.toml")
        engine = RevocationEngine(config.state.crl_directory, config.revocation)
        result = asyncio.run(engine.refresh(authority))
        assert result.ok, result.detail

    def add_pki(
        self,
        root: CertificateAuthority,
        *issuing: CertificateAuthority,
        revoked: Sequence[int] = (),
    ) -> None:
        """Add the CAs, each with its CRL; the last one revoked the serial numbers `revoked`."""
        for one in (root, *issuing):
            numbers = revoked if one is (root, *issuing)[-1] else ()
            crl = one.sign_crl([Revocation(serial_number=number) for number in numbers])
            kind = AuthorityType.ROOT if one is root else AuthorityType.INTERMEDIATE
            self.trust(one.certificate, crl.public_bytes(Encoding.DER), kind=kind)

    def file(self, content: bytes, name: str = "device.pem") -> Path:
        """A file with this content."""
        path = self.directory / name
        path.write_bytes(content)
        return path

    def explain(self, content: bytes, *arguments: str) -> int:
        """The status of `explain` for a file with this content."""
        return main(["explain", str(self.file(content)), *arguments, *self.config])

    def configure(self, text: str) -> None:
        """The configuration is this."""
        (self.directory / "config.toml").write_text(text, encoding="utf-8")

    @property
    def config(self) -> list[str]:
        """The option that names the configuration."""
        return ["-c", str(self.directory / "config.toml")]


@pytest.fixture
def bed(tmp_path: Path, crl_server: CrlServer) -> Iterator[Bed]:
    """A store with Alice and Bob and without CAs."""
    (tmp_path / "config.toml").write_text("")
    with open_store(tmp_path / "state") as store:
        for mailbox in (ALICE, BOB):
            store.mailboxes.add(mailbox)
        yield Bed(tmp_path, crl_server, store)


@pytest.fixture
def root() -> CertificateAuthority:
    """A root of this test's own."""
    return CertificateAuthority.root("Root", not_before=now() - 30 * DAY)


@pytest.fixture
def issuing(root: CertificateAuthority) -> CertificateAuthority:
    """An issuing CA below it."""
    return root.intermediate("Issuing CA", not_before=now() - 30 * DAY)


def device(authority: CertificateAuthority, **options: Any) -> Identity:
    """Alice's device, valid since a week, unless `options` say otherwise."""
    usual = {"upn": ALICE.upn, "not_before": now() - 7 * DAY}
    return authority.issue_device(**{**usual, **options})


def printed(capsys: Output) -> dict[str, Any]:
    """The JSON on standard output."""
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def failed(explanation: dict[str, Any]) -> str:
    """The name of the check that failed; each before it passed, none after it was reached."""
    results = [step["result"] for step in explanation["steps"]]
    position = results.index("fail")
    rest = len(CHECKS) - position - 1
    assert results == ["pass"] * position + ["fail"] + ["not reached"] * rest
    assert explanation["steps"][position]["detail"] == explanation["detail"]
    return str(explanation["steps"][position]["check"])


class TestAllow:
    """A certificate that is let in."""

    def test_json(
        self, bed: Bed, root: CertificateAuthority, issuing: CertificateAuthority, capsys: Output
    ) -> None:
        """Decision, mailbox and every check, with what the certificate says; the status is 0."""
        bed.add_pki(root, issuing)
        alice = device(issuing, email="alice@mail.test")
        assert bed.explain(alice.certificate_pem, "--json", "--user", "alice@example.test") == 0
        found = printed(capsys)
        assert (found["decision"], found["reason"], found["detail"]) == ("allow", None, None)
        assert found["mailbox"] == ALICE.upn
        assert [step["check"] for step in found["steps"]] == CHECKS
        assert all(step["result"] == "pass" and step["detail"] for step in found["steps"])
        certificate = found["certificate"]
        assert certificate["serialNumber"] == f"{alice.serial_number:#x}"
        assert certificate["issuerId"] == issuing.key_identifier.hex()
        assert certificate["issuer"] == "CN=Issuing CA"
        assert certificate["principalNames"] == [ALICE.upn]
        assert certificate["rfc822Names"] == ["alice@mail.test"]
        assert found["at"] < found["expiresAt"] <= certificate["notAfter"]

    def test_table(self, bed: Bed, root: CertificateAuthority, capsys: Output) -> None:
        """For people there is a line for each check, and the decision below."""
        bed.add_pki(root)
        assert bed.explain(device(root).certificate_pem) == 0
        lines = capsys.readouterr().out.splitlines()
        assert f"names        UPN {ALICE.upn}" in lines
        assert [line[13:31].strip() for line in lines if line.startswith("pass ")] == CHECKS
        assert lines[-1].startswith(f"allow        {ALICE.upn}, until ")

    @pytest.mark.parametrize("suffix", ["der", "pem alone", "pem and root", "crlf"])
    def test_forms(
        self,
        bed: Bed,
        root: CertificateAuthority,
        issuing: CertificateAuthority,
        suffix: str,
    ) -> None:
        """PEM with or without what the device sends along, and DER, are all read."""
        bed.add_pki(root, issuing)
        alice = device(issuing)
        contents = {
            "der": alice.certificate_der,
            "pem alone": certificates_pem(alice.certificate),
            "pem and root": alice.certificate_pem + root.certificate_pem,
            "crlf": b"Bag Attributes\r\n" + alice.certificate_pem.replace(b"\n", b"\r\n"),
        }
        assert bed.explain(contents[suffix]) == 0

    def test_rsa(self, bed: Bed) -> None:
        """A PKI of RSA keys."""
        authority = CertificateAuthority.root("RSA root", key=rsa_key())
        bed.add_pki(authority)
        assert bed.explain(device(authority, not_before=now(), key=rsa_key()).certificate_pem) == 0

    def test_ed25519(self, bed: Bed) -> None:
        """A PKI of Ed25519 keys, which no helper of ours made."""
        certificate, crl, leaf = ed25519_pki()
        bed.trust(certificate, crl, kind=AuthorityType.ROOT)
        assert bed.explain(certificates_pem(leaf)) == 0

    def test_time(self, bed: Bed, root: CertificateAuthority, capsys: Output) -> None:
        """The time of the question may be another than now; without an offset it is UTC."""
        bed.add_pki(root)
        alice = device(root)
        moment = (now() - 8 * DAY).replace(tzinfo=None).isoformat()
        assert bed.explain(alice.certificate_pem, "--at", moment, "--json") == 1
        found = printed(capsys)
        assert (found["reason"], failed(found)) == ("OUTSIDE_VALIDITY", "validity")
        assert found["at"] == f"{moment}Z"


class TestHandshake:
    """What TLS refuses before there is a request."""

    def refused(self, bed: Bed, capsys: Output, content: bytes, *arguments: str) -> tuple[str, ...]:
        """Reason, check and detail of a refusal."""
        assert bed.explain(content, "--json", *arguments) == 1
        found = printed(capsys)
        assert (found["decision"], found["mailbox"]) == ("deny", None)
        return found["reason"], failed(found), found["detail"]

    def test_foreign_ca(self, bed: Bed, root: CertificateAuthority, capsys: Output) -> None:
        """The CA is not among the records; the hint says what to look at."""
        bed.add_pki(root)
        foreign = CertificateAuthority.root("Foreign")
        content = device(foreign, not_before=now()).certificate_pem + foreign.certificate_pem
        reason, check, detail = self.refused(bed, capsys, content)
        assert (reason, check) == ("UNTRUSTED_CHAIN", "chain")
        assert detail.startswith("CN=Foreign, certificate 1 of the chain: ")

    def test_no_ca(self, bed: Bed, root: CertificateAuthority, capsys: Output) -> None:
        """Without CAs nobody is trusted, not even with a root of its own."""
        content = device(root).certificate_pem
        assert self.refused(bed, capsys, content)[:2] == ("UNTRUSTED_CHAIN", "chain")
        content = root.certificate_pem
        assert self.refused(bed, capsys, content)[:2] == ("UNTRUSTED_CHAIN", "chain")

    def test_intermediate_is_missing(
        self, bed: Bed, root: CertificateAuthority, issuing: CertificateAuthority, capsys: Output
    ) -> None:
        """A device that does not send its issuing CA is refused; with --chain it is trusted."""
        bed.add_pki(root)
        alice = certificates_pem(device(issuing).certificate)
        assert self.refused(bed, capsys, alice)[:2] == ("UNTRUSTED_CHAIN", "chain")
        chain = bed.file(issuing.certificate.public_bytes(Encoding.DER), "chain.der")
        reason, check, detail = self.refused_for_revocation(bed, capsys, alice, chain)
        assert (reason, check) == ("REVOCATION_UNKNOWN", "revocation known")
        assert "has no record" in detail

    def refused_for_revocation(
        self, bed: Bed, capsys: Output, content: bytes, chain: Path
    ) -> tuple[str, ...]:
        """The refusal of a device whose issuing CA is found in a file and has no record."""
        assert bed.explain(content, "--json", "--chain", str(chain)) == 1
        found = printed(capsys)
        return found["reason"], failed(found), found["detail"]

    def test_root_as_a_device(self, bed: Bed, root: CertificateAuthority, capsys: Output) -> None:
        """A root that is trusted is no device."""
        bed.add_pki(root)
        reason, _, _ = self.refused(bed, capsys, root.certificate_pem)
        assert reason == "UNTRUSTED_CHAIN"

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"not_after": now() - DAY}, "and it is"),
            ({"not_before": now() + DAY}, "and it is"),
        ],
    )
    def test_validity(
        self,
        bed: Bed,
        root: CertificateAuthority,
        capsys: Output,
        options: dict[str, Any],
        words: str,
    ) -> None:
        """An expired certificate and one that is not yet valid have a chain nevertheless."""
        bed.add_pki(root)
        content = device(root, **options).certificate_pem
        reason, check, detail = self.refused(bed, capsys, content)
        assert (reason, check) == ("OUTSIDE_VALIDITY", "validity")
        assert words in detail

    def test_validity_of_a_ca(self, bed: Bed, root: CertificateAuthority, capsys: Output) -> None:
        """The CA that expires before the device is named."""
        short = root.intermediate("Short CA", not_before=now() - 9 * DAY, not_after=now() + DAY)
        bed.add_pki(root, short)
        later = (now() + 2 * DAY).isoformat()
        content = device(short).certificate_pem
        reason, check, detail = self.refused(bed, capsys, content, "--at", later)
        assert (reason, check) == ("OUTSIDE_VALIDITY", "validity")
        assert detail.startswith("the CA CN=Short CA is valid from ")

    def test_wrong_usage(self, bed: Bed, root: CertificateAuthority, capsys: Output) -> None:
        """A server's certificate does not authenticate a client."""
        bed.add_pki(root)
        content = device(root, extended_key_usages=[ExtendedKeyUsageOID.SERVER_AUTH])
        reason, check, _ = self.refused(bed, capsys, content.certificate_pem)
        assert (reason, check) == ("NOT_CLIENT_AUTH", "key usage")

    def test_wrong_usage_of_a_ca(
        self, bed: Bed, root: CertificateAuthority, capsys: Output
    ) -> None:
        """A CA for servers issues no client certificates, whatever these say."""
        usage = extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]))
        servers = root.intermediate("Server CA", not_before=now() - 9 * DAY, extensions=[usage])
        bed.add_pki(root, servers)
        reason, check, detail = self.refused(bed, capsys, device(servers).certificate_pem)
        assert (reason, check) == ("NOT_CLIENT_AUTH", "key usage")
        assert detail.startswith("the CA CN=Server CA may not issue client certificates")

    def test_right_usage_of_a_ca(self, bed: Bed, root: CertificateAuthority) -> None:
        """A CA that is limited to clients is the right one."""
        usage = extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]))
        clients = root.intermediate("Client CA", not_before=now() - 9 * DAY, extensions=[usage])
        bed.add_pki(root, clients)
        assert bed.explain(device(clients).certificate_pem) == 0

    @pytest.mark.parametrize(
        ("key", "words"),
        [
            (rsa_key(1024), "has a key of 1024 bits (RSA); 2048 are the least"),
            (ec_key(ec.SECP192R1()), "has a key of 192 bits (EC); 224 are the least"),
        ],
    )
    def test_weak_key(
        self,
        bed: Bed,
        root: CertificateAuthority,
        capsys: Output,
        key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey,
        words: str,
    ) -> None:
        """A key below 112 bits of security is refused, the device's as well as a CA's."""
        weak = root.intermediate("Weak CA", key=key, not_before=now() - 9 * DAY)
        bed.add_pki(root)  # the device sends the weak CA along: it cannot be a record
        contents = {
            ALICE.upn: device(root, key=key).certificate_pem,
            "Weak CA": device(weak).certificate_pem,
        }
        for name, content in contents.items():
            reason, check, detail = self.refused(bed, capsys, content)
            assert (reason, check) == ("WEAK_KEY", "key strength")
            assert detail == f"CN={name} {words}"

    def test_weak_signature(self, bed: Bed, capsys: Output) -> None:
        """A device whose certificate is signed with SHA-1 may be somebody else's."""
        authority = CertificateAuthority.root("RSA root", key=rsa_key())
        bed.add_pki(authority)
        content = signed_with_sha1(device(authority, not_before=now()), authority)
        reason, check, detail = self.refused(bed, capsys, content)
        assert (reason, check) == ("WEAK_KEY", "key strength")
        assert detail == f"CN={ALICE.upn} is signed with SHA1, which can be forged"


class TestDeny:
    """What the gateway refuses with an answer."""

    def refused(self, bed: Bed, capsys: Output, content: bytes, *arguments: str) -> dict[str, Any]:
        """The explanation of a refusal."""
        assert bed.explain(content, "--json", *arguments) == 1
        found = printed(capsys)
        assert found["decision"] == "deny"
        assert found["expiresAt"] is None
        failed(found)
        return found

    def test_revoked(self, bed: Bed, root: CertificateAuthority, capsys: Output) -> None:
        """The CRL lists it: the mailbox is known all the same."""
        alice = device(root)
        bed.add_pki(root, revoked=[alice.serial_number])
        found = self.refused(bed, capsys, alice.certificate_pem)
        assert (found["reason"], found["mailbox"]) == ("CERTIFICATE_REVOKED", ALICE.upn)
        assert failed(found) == "revocation"
        assert found["hint"] is None

    def test_revoked_ca(
        self, bed: Bed, root: CertificateAuthority, issuing: CertificateAuthority, capsys: Output
    ) -> None:
        """The CA of the device is on the root's CRL."""
        bed.add_pki(root, issuing)
        (first, *_) = bed.store.authorities.list()
        listed = Revocation(serial_number=issuing.certificate.serial_number)
        crl = root.sign_crl([listed], number=2).public_bytes(Encoding.DER)
        bed.publish(first, root.certificate, crl)
        found = self.refused(bed, capsys, device(issuing).certificate_pem)
        assert found["reason"] == "CERTIFICATE_REVOKED"

    def test_crl_was_never_fetched(
        self, bed: Bed, root: CertificateAuthority, capsys: Output
    ) -> None:
        """Nothing is fetched by asking; the hint says how to."""
        bed.trust(root.certificate, None, kind=AuthorityType.ROOT)
        found = self.refused(bed, capsys, device(root).certificate_pem)
        assert (found["reason"], failed(found)) == ("REVOCATION_UNKNOWN", "revocation known")
        assert "`ca refresh`" in found["hint"]

    def test_crl_will_have_expired(
        self, bed: Bed, root: CertificateAuthority, capsys: Output
    ) -> None:
        """At a time after nextUpdate the CRL of today says nothing any more."""
        bed.add_pki(root)
        later = (datetime.now(UTC) + 60 * DAY).isoformat()
        found = self.refused(bed, capsys, device(root).certificate_pem, "--at", later)
        assert found["reason"] == "REVOCATION_UNKNOWN"
        assert "expired" in found["detail"]

    def test_blocked(self, bed: Bed, root: CertificateAuthority, capsys: Output) -> None:
        """An administrator's block is seen in the store."""
        alice = device(root)
        bed.add_pki(root)
        bed.store.certificates.block(root.key_identifier.hex(), alice.serial_number)
        found = self.refused(bed, capsys, alice.certificate_pem)
        assert (found["reason"], failed(found)) == ("CERTIFICATE_BLOCKED", "block")

    def test_names(self, bed: Bed, root: CertificateAuthority, capsys: Output) -> None:
        """No name, names of two mailboxes, and a name of none."""
        bed.add_pki(root)
        both = san_extension(*(upn_name(one.upn) for one in (ALICE, BOB)))
        cases = {
            "NO_USABLE_SAN": device(root, upn=None),
            "AMBIGUOUS_SAN": device(root, extensions=[both]),
            "UNKNOWN_MAILBOX": device(root, upn="carol@example.test"),
        }
        for reason, one in cases.items():
            found = self.refused(bed, capsys, one.certificate_pem)
            assert (found["reason"], found["mailbox"]) == (reason, None)

    def test_disabled(self, bed: Bed, root: CertificateAuthority, capsys: Output) -> None:
        """A disabled mailbox is named, so that it can be enabled."""
        bed.add_pki(root)
        bed.store.mailboxes.set(ALICE.upn, enabled=False)
        found = self.refused(bed, capsys, device(root).certificate_pem)
        assert (found["reason"], found["mailbox"]) == ("MAILBOX_DISABLED", ALICE.upn)

    def test_revoked_user(self, bed: Bed, root: CertificateAuthority, capsys: Output) -> None:
        """After `user revoke` a new sign-in waits for a CRL; `immediate` does not."""
        bed.add_pki(root)
        bed.store.valid_from.revoke(ALICE.upn)
        content = device(root).certificate_pem
        found = self.refused(bed, capsys, content)
        assert (found["reason"], failed(found)) == (
            "CRL_OLDER_THAN_TOKEN_VALID_FROM",
            "readmission",
        )
        earlier = (now() - DAY).isoformat()
        found = self.refused(bed, capsys, content, "--at", earlier)
        assert (found["reason"], failed(found)) == ("BEFORE_TOKEN_VALID_FROM", "session")
        config = bed.directory / "config.toml"
        config.write_text('[revocation]\nreauthentication = "immediate"\n')
        assert bed.explain(content) == 0

    def test_user(self, bed: Bed, root: CertificateAuthority, capsys: Output) -> None:
        """A request in another's name is refused."""
        bed.add_pki(root)
        found = self.refused(bed, capsys, device(root).certificate_pem, "--user", BOB.upn)
        assert (found["reason"], failed(found)) == ("USER_MISMATCH", "user")

    def test_bindings_are_the_configuration_s(
        self, bed: Bed, root: CertificateAuthority, capsys: Output
    ) -> None:
        """A UPN leads nowhere where only addresses are bound."""
        bed.add_pki(root)
        config = bed.directory / "config.toml"
        config.write_text('[identity]\nusername_bindings = ["RFC822Name"]\n')
        found = self.refused(bed, capsys, device(root).certificate_pem)
        assert found["reason"] == "NO_USABLE_SAN"

    def test_bindings_to_other_fields(
        self, bed: Bed, root: CertificateAuthority, capsys: Output
    ) -> None:
        """An SKI leads to a mailbox, whatever UPN is beside it, unless its SID is another's."""
        bed.add_pki(root)
        config = bed.directory / "config.toml"
        config.write_text(
            "[identity]\nrequire_sid_match = true\n"
            '[[identity.binding]]\nfield = "SKI"\npriority = 1\n'
            '[[identity.binding]]\nfield = "PrincipalName"\npriority = 2\n'
        )
        uri = x509.UniformResourceIdentifier("tag:microsoft.com,2022-09-14:sid:S-1-5-21-7")
        san = x509.SubjectAlternativeName([principal_name(ALICE.upn), uri])
        own = x509.SubjectKeyIdentifier(b"\xab\xcd")
        content = device(root, extensions=[extension(san), extension(own)]).certificate_pem
        bed.store.mailboxes.set(BOB.upn, certificate_user_ids=("X509:<SKI>ABCD",))
        assert bed.explain(content, "--json") == 0
        found = printed(capsys)
        assert found["mailbox"] == BOB.upn
        assert [s["detail"] for s in found["steps"] if s["check"] == "san"] == ["SKI abcd"]
        bed.store.mailboxes.set(BOB.upn, security_identifier="S-1-5-21-8")
        found = self.refused(bed, capsys, content)
        assert (found["reason"], found["detail"]) == (
            "NO_USABLE_SAN",
            f"the certificate has the SID S-1-5-21-7, and {BOB.upn} has S-1-5-21-8",
        )

    def test_table(self, bed: Bed, root: CertificateAuthority, capsys: Output) -> None:
        """For people the last lines are the reason and, where there is something, what to do."""
        bed.trust(root.certificate, None, kind=AuthorityType.ROOT)
        content = device(root).certificate_pem
        assert bed.explain(content, "--at", (now() - 9 * DAY).isoformat()) == 1
        lines = capsys.readouterr().out.splitlines()
        assert lines[-1].startswith("deny         OUTSIDE_VALIDITY: ")
        assert bed.explain(content) == 1
        lines = capsys.readouterr().out.splitlines()
        assert "not reached  mailbox" in lines
        assert lines[-2].startswith("deny         REVOCATION_UNKNOWN: ")
        assert "`ca refresh`" in lines[-1]

    def test_terminal_is_safe(self, bed: Bed, capsys: Output) -> None:
        """What a foreign certificate says is shown, and no terminal obeys it."""
        foreign = CertificateAuthority.root("Foreign \x1b[2J\x9b31m")
        assert bed.explain(device(foreign, not_before=now()).certificate_pem) == 1
        out = capsys.readouterr().out
        assert "Foreign \\x1b[2J\\x9b31m" in out
        assert all(character.isprintable() or character == "\n" for character in out)


class TestRequest:
    """The device and the command of a request, judged after all else."""

    def test_allowed(self, bed: Bed, root: CertificateAuthority, capsys: Output) -> None:
        """A device that is new, one that is known, and one that is to be wiped."""
        bed.add_pki(root)
        content = device(root).certificate_pem
        options = ("--json", "--device-id", "ApplF4", "--command", "sync")
        words = [
            "may sync; it is a new device",
            "may sync",
            "may sync, but is to be wiped at its next request",
        ]
        steps: Sequence[Callable[[], object]] = (
            lambda: None,
            lambda: bed.store.devices.set_access(NAME, Access.ALLOW, device_id="ApplF4"),
            lambda: bed.store.devices.wipe(NAME, WipeKind.FULL),
        )
        for step, expected in zip(steps, words, strict=True):
            step()
            assert bed.explain(content, *options) == 0
            found = printed(capsys)["steps"][-2:]
            assert [one["detail"] for one in found] == [
                f"ApplF4 {expected}",
                "Sync is let through",
            ]

    @pytest.mark.parametrize(
        ("characteristic", "option"),
        [
            (Characteristic.DEVICE_TYPE, ("--device-type", "iPhone")),
            (Characteristic.USER_AGENT, ("--user-agent", "iPhone/1.0")),
            (Characteristic.MAILBOX, ("--command", "Ping")),
        ],
    )
    def test_refused_by_a_rule(
        self,
        bed: Bed,
        root: CertificateAuthority,
        capsys: Output,
        characteristic: Characteristic,
        option: tuple[str, str],
    ) -> None:
        """The rule is named, and the command is not reached."""
        bed.add_pki(root)
        pattern = "alice@*" if characteristic is Characteristic.MAILBOX else "iphone*"
        bed.store.device_rules.add(characteristic, pattern, Access.BLOCK)
        content = device(root).certificate_pem
        assert bed.explain(content, "--json", "--device-id", "ApplF4", *option) == 1
        found = printed(capsys)
        assert (found["reason"], failed(found)) == ("DEVICE_BLOCKED", "device")
        assert "rule 1" in found["detail"]
        assert "`device rule list`" in found["hint"]

    def test_tied_to_another_certificate(
        self, bed: Bed, root: CertificateAuthority, capsys: Output
    ) -> None:
        """Pins see the certificate that is asked about."""
        bed.add_pki(root)
        bed.configure('[devices]\npin = "certificate_to_device"\n')
        alice = device(root)
        shown = DeviceCertificate(
            root.key_identifier.hex(), alice.serial_number, alice.certificate.not_valid_before_utc
        )
        bed.store.devices.record([Device(ALICE.key, "First", now(), now(), certificate=shown)])
        options = ("--json", "--device-id")
        assert bed.explain(alice.certificate_pem, *options, "first") == 0
        printed(capsys)
        assert bed.explain(alice.certificate_pem, *options, "other") == 1
        found = printed(capsys)
        assert found["reason"] == "DEVICE_OF_ANOTHER_MAILBOX"
        assert "first used with the device First" in found["detail"]

    def test_command(self, bed: Bed, root: CertificateAuthority, capsys: Output) -> None:
        """What `[eas]` does not let through is refused last."""
        bed.add_pki(root)
        bed.configure('[eas]\nallowed_commands = ["Sync"]\n')
        assert bed.explain(device(root).certificate_pem, "--json", "--command", "Ping") == 1
        found = printed(capsys)
        assert (found["reason"], failed(found)) == ("COMMAND_NOT_ALLOWED", "command")


class TestError:
    """What cannot be found out: status 2, and a sentence that names the file."""

    def error(self, capsys: Output) -> str:
        """The sentence, which is on standard error and in the JSON."""
        shown = capsys.readouterr()
        found = json.loads(shown.out)
        assert (found["decision"], found["reason"], found["mailbox"]) == ("error", None, None)
        assert found["steps"] == []
        assert shown.err == f"eas-gateway: {found['detail']}\n"
        return str(found["detail"])

    @pytest.mark.parametrize(
        ("content", "words"),
        [
            (b"", "holds no certificate"),
            (b"<html>", "holds no certificate"),
            (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "no certificate"),
            (b"x" * (1024 * 1024 + 1), "is larger than 1048576 bytes"),
        ],
    )
    def test_no_certificate(self, bed: Bed, capsys: Output, content: bytes, words: str) -> None:
        """A file of something else."""
        assert bed.explain(content, "--json") == 2
        error = self.error(capsys)
        assert error.startswith(f"{bed.directory / 'device.pem'}: ")
        assert words in error

    def test_truncated(self, bed: Bed, root: CertificateAuthority, capsys: Output) -> None:
        """A certificate that ends half-way."""
        assert bed.explain(device(root).certificate_der[:-9], "--json") == 2
        assert "holds no certificate" in self.error(capsys)

    def test_missing_files(self, bed: Bed, root: CertificateAuthority, capsys: Output) -> None:
        """Each file that is not there is named: certificate, chain, configuration."""
        missing = bed.directory / "missing.pem"
        assert main(["explain", str(missing), "--json", *bed.config]) == 2
        assert self.error(capsys) == f"{missing}: cannot be read: No such file or directory"
        content = device(root).certificate_pem
        assert bed.explain(content, "--json", "--chain", str(missing)) == 2
        assert self.error(capsys).startswith(f"{missing}: cannot be read")
        device_path = str(bed.directory / "device.pem")
        assert main(["explain", device_path, "--json", "-c", str(missing)]) == 2
        assert self.error(capsys).startswith(f"{missing}: cannot be read")

    @pytest.mark.parametrize(
        ("name", "words"),
        [
            ((0x81, b"alice\x00@example.test"), "has a control character"),
            ((0xA0, b"\x06\x0a+\x06\x01\x04\x01\x827\x14\x02\x03\xa0\x03\x16\x01a"), "UTF8String"),
        ],
    )
    def test_unreadable_names(
        self,
        bed: Bed,
        root: CertificateAuthority,
        capsys: Output,
        name: tuple[int, bytes],
        words: str,
    ) -> None:
        """Names that cannot be read are no names that lead nowhere."""
        bed.add_pki(root)
        content = device(root, extensions=[san_extension(name)]).certificate_pem
        assert bed.explain(content, "--json") == 2
        assert words in self.error(capsys)

    def test_unreadable_subject(self, bed: Bed, root: CertificateAuthority, capsys: Output) -> None:
        """A subject that is not the text it says it is."""
        content = device(root, common_name="odd").certificate_der
        assert bed.explain(content.replace(b"odd", b"\xff\xff\xff"), "--json") == 2
        assert "cannot be read" in self.error(capsys)

    def test_no_store(self, bed: Bed, root: CertificateAuthority, capsys: Output) -> None:
        """Asking makes no store."""
        (bed.directory / "config.toml").write_text('[state]\ndirectory = "elsewhere"\n')
        assert bed.explain(device(root).certificate_pem, "--json") == 2
        assert self.error(capsys).startswith(f"there is no store in {bed.directory / 'elsewhere'}")
        assert not (bed.directory / "elsewhere").exists()

    def test_damaged_store(self, bed: Bed, root: CertificateAuthority, capsys: Output) -> None:
        """A file that is no store is an error and no reason to refuse."""
        (bed.directory / "other").mkdir()
        (bed.directory / "other" / "store.db").write_bytes(b"no database" * 1000)
        (bed.directory / "config.toml").write_text('[state]\ndirectory = "other"\n')
        assert bed.explain(device(root).certificate_pem, "--json") == 2
        assert str(bed.directory / "other" / "store.db") in self.error(capsys)

    def test_without_json(self, bed: Bed, capsys: Output) -> None:
        """Standard output stays empty."""
        assert bed.explain(b"") == 2
        shown = capsys.readouterr()
        assert shown.out == ""
        assert "holds no certificate" in shown.err

    @pytest.mark.parametrize("moment", ["yesterday", "0001-01-01T00:00:00+23:59"])
    def test_no_time(
        self, bed: Bed, root: CertificateAuthority, capsys: Output, moment: str
    ) -> None:
        """--at takes ISO 8601 alone."""
        assert bed.explain(device(root).certificate_pem, "--at", moment) == 2
        assert "is no time like" in capsys.readouterr().err


class TestChain:
    """Chains that no record or no certificate of the field leads to."""

    def test_weak_signature_of_the_root(self) -> None:
        """Nobody relies on the signature of a root: an old one may stay."""
        authority = CertificateAuthority.root("RSA root", key=rsa_key())
        old = signed_with_sha1(Identity(authority.certificate, authority.key), authority)
        record = Authority.from_der(
            old, authority_type=AuthorityType.ROOT, crl_distribution_point=None
        )
        chain = build(device(authority, not_before=now()).certificate, (), (record,), now())
        assert (chain.certificates[1:], chain.denial, chain.handshake) == ((old,), None, ())

    def test_subject_is_unreadable(self, root: CertificateAuthority) -> None:
        """A name that is not the text it says it is cannot be shown."""
        odd = device(root, common_name="odd", serial_number=0xABC).certificate_der
        broken = odd.replace(b"\x0c\x03odd", b"\x03\x03\x00dd")
        denial = build(x509.load_der_x509_certificate(broken), (), (), now()).denial
        assert denial is not None
        assert denial.detail.startswith("serial abc, certificate 0 of the chain: ")

    def test_key_of_an_unknown_kind(self, root: CertificateAuthority) -> None:
        """A key that the library does not know cannot be called strong."""
        alice = device(root)
        ec_public_key = bytes.fromhex("06072a8648ce3d0201")
        odd = alice.certificate_der.replace(ec_public_key, bytes.fromhex("06072a8648ce3d0209"), 1)
        chain = build(x509.load_der_x509_certificate(odd), (), (), now())
        assert Reason.WEAK_KEY in {denial.reason for denial in chain.handshake}

    def test_subject_is_empty(self, root: CertificateAuthority) -> None:
        """A certificate without a subject is named by its serial number."""
        key = ec_key()
        certificate = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([]))
            .issuer_name(root.certificate.subject)
            .public_key(key.public_key())
            .serial_number(0xABC)
            .not_valid_before(now())
            .not_valid_after(now() + DAY)
            .sign(root.key, SHA256())
        )
        denial = build(certificate, (), (), now()).denial
        assert denial is not None
        assert denial.detail.startswith("serial abc, certificate 0 of the chain: ")

    @given(st.data())
    def test_any_certificate_is_judged_or_refused(self, data: st.DataObject) -> None:
        """Whatever a byte of a certificate becomes, there is a chain or a CertificateError."""
        der = bytearray(DEVICE.certificate_der)
        for position in data.draw(st.lists(st.integers(0, len(der) - 1), max_size=3)):
            der[position] = data.draw(st.integers(0, 255))
        try:
            certificate = x509.load_der_x509_certificate(bytes(der))
        except (ValueError, x509.InvalidVersion):
            return
        with contextlib.suppress(CertificateError), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of names and numbers that are wrong
            chain = build(certificate, (DEVICE.certificate,), (), now())
            assert chain.denial is not None
            assert chain.certificates == (bytes(der),)

    def test_directory_is_no_file(self, tmp_path: Path) -> None:
        """A directory cannot be read."""
        with pytest.raises(CertificateError, match="cannot be read: Is a directory"):
            read_certificates(tmp_path)


def upn_name(upn: str) -> tuple[int, bytes]:
    """A UPN as `san_extension` takes it."""
    value = principal_name(upn).value
    oid = bytes.fromhex("060a2b060104018237140203")
    return 0xA0, oid + bytes([0xA0, len(value)]) + value


def ed25519_pki() -> tuple[x509.Certificate, bytes, x509.Certificate]:
    """A root, its empty CRL and Alice's certificate, all of Ed25519 keys."""
    key, own = ed25519.Ed25519PrivateKey.generate(), ed25519.Ed25519PrivateKey.generate()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Ed25519 root")])
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, ALICE.upn)])

    def builder(of: x509.Name, holder: ed25519.Ed25519PrivateKey) -> x509.CertificateBuilder:
        public = holder.public_key()
        return (
            x509.CertificateBuilder(name, of, public, x509.random_serial_number())
            .not_valid_before(now() - DAY)
            .not_valid_after(now() + DAY)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        )

    constraints = x509.BasicConstraints(ca=True, path_length=None)
    root = builder(name, key).add_extension(constraints, critical=True).sign(key, None)
    names = x509.SubjectAlternativeName([principal_name(ALICE.upn)])
    leaf = builder(subject, own).add_extension(names, critical=False).sign(key, None)
    crl = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(name)
        .last_update(now() - DAY)
        .next_update(now() + DAY)
        .add_extension(x509.CRLNumber(1), critical=False)
        .sign(key, None)
    )
    return root, crl.public_bytes(Encoding.DER), leaf


def signed_with_sha1(identity: Identity, authority: CertificateAuthority) -> bytes:
    """The certificate of `identity` as DER, signed anew by `authority` with RSA and SHA-1."""
    assert isinstance(authority.key, rsa.RSAPrivateKey)
    sha256_with_rsa, sha1_with_rsa = (
        bytes.fromhex(f"06092a864886f70d0101{n}") for n in ("0b", "05")
    )
    certificate = identity.certificate
    body = certificate.tbs_certificate_bytes.replace(sha256_with_rsa, sha1_with_rsa, 1)
    signature = authority.key.sign(body, padding.PKCS1v15(), SHA1())
    der = identity.certificate_der
    der = der.replace(certificate.tbs_certificate_bytes, body)
    der = der.replace(certificate.signature, signature)
    return der.replace(sha256_with_rsa, sha1_with_rsa)
