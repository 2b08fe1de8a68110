"""`explain` and a handshake with the listener agree about every chain."""

import contextlib
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from gateway.cli.chain import build
from gateway.core.authority import Authority, AuthorityType
from gateway.core.certificate import ClientCertificate
from gateway.pki.authority import CertificateAuthority
from gateway.pki.crl import extension, now
from gateway.pki.identity import Identity, rsa_key
from gateway.tls.context import ServerIdentity, server_context
from gateway.tls.session import TlsSession
from tests.helpers import Pki

# OpenSSL's list of client CAs is filled with names of a type that pyOpenSSL calls deprecated.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:gateway.tls.context")

DAY = timedelta(days=1)
UPN = "alice@example.test"


@dataclass
class Authorities:
    """CAs, of which `trusted` are records."""

    root: CertificateAuthority
    issuing: CertificateAuthority
    servers: CertificateAuthority
    expired: CertificateAuthority
    leaf_only: CertificateAuthority
    weak: CertificateAuthority
    unrecorded: CertificateAuthority
    foreign: CertificateAuthority

    @property
    def trusted(self) -> tuple[Authority, ...]:
        """The records: all but the last two."""
        made = [
            (self.root, AuthorityType.ROOT),
            *[
                (one, AuthorityType.INTERMEDIATE)
                for one in (self.issuing, self.servers, self.expired, self.leaf_only, self.weak)
            ],
        ]
        return tuple(
            Authority.from_der(
                one.certificate.public_bytes(Encoding.DER),
                authority_type=kind,
                crl_distribution_point=None,
            )
            for one, kind in made
        )


@pytest.fixture(scope="module")
def authorities() -> Authorities:
    """Right CAs and wrong ones."""
    long_ago = now() - 30 * DAY
    root = CertificateAuthority.root("Root", not_before=long_ago)
    servers = extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]))
    issuing = root.intermediate("Issuing CA", not_before=long_ago)
    return Authorities(
        root=root,
        issuing=issuing,
        servers=root.intermediate("Server CA", not_before=long_ago, extensions=[servers]),
        expired=root.intermediate("Old CA", not_before=long_ago, not_after=now() - DAY),
        leaf_only=root.intermediate("Last CA", not_before=long_ago, path_length=0),
        weak=root.intermediate("Weak CA", not_before=long_ago, key=rsa_key(1024)),
        unrecorded=root.intermediate("Unrecorded CA", not_before=long_ago),
        foreign=CertificateAuthority.root("Foreign", not_before=long_ago),
    )


def device(authority: CertificateAuthority, **options: object) -> Identity:
    """A device that this CA issued."""
    return authority.issue_device(upn=UPN, **options)  # type: ignore[arg-type]  # any option


def alone(identity: Identity) -> Identity:
    """The device without the CAs that it should send along."""
    return Identity(identity.certificate, identity.key)


DEVICES: dict[str, tuple[str, Callable[[Authorities], Identity]]] = {
    "right": ("", lambda made: device(made.issuing)),
    "root's own": ("", lambda made: device(made.root)),
    "alone": ("", lambda made: alone(device(made.issuing))),
    "unrecorded CA": ("", lambda made: device(made.unrecorded)),
    "RSA": ("", lambda made: device(made.issuing, key=rsa_key())),
    "unrecorded CA, alone": ("untrusted_chain", lambda made: alone(device(made.unrecorded))),
    "foreign": ("untrusted_chain", lambda made: device(made.foreign)),
    "path length": (
        "untrusted_chain",
        lambda made: device(made.leaf_only.intermediate("Too deep")),
    ),
    "device as CA": (
        "untrusted_chain",
        lambda made: device(
            CertificateAuthority(
                (holder := device(made.issuing)).certificate,
                holder.key,
                (holder.certificate, *holder.chain),
            )
        ),
    ),
    "expired": (
        "outside_validity",
        lambda made: device(made.issuing, not_before=now() - 9 * DAY, not_after=now() - DAY),
    ),
    "not yet valid": (
        "outside_validity",
        lambda made: device(made.issuing, not_before=now() + DAY),
    ),
    "expired CA": ("outside_validity", lambda made: device(made.expired)),
    "server": (
        "not_client_auth",
        lambda made: device(made.issuing, extended_key_usages=[ExtendedKeyUsageOID.SERVER_AUTH]),
    ),
    "any usage": (
        "not_client_auth",
        lambda made: device(
            made.issuing, extended_key_usages=[ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE]
        ),
    ),
    "CA of servers": ("not_client_auth", lambda made: device(made.servers)),
    "weak key": ("weak_key", lambda made: device(made.issuing, key=rsa_key(1024))),
    "weak CA": ("weak_key", lambda made: device(made.weak)),
}


def shaken_hands(
    pki: Pki, records: tuple[Authority, ...], identity: Identity, folder: Path
) -> TlsSession:
    """The listener's side after a handshake in memory with a device that has this identity."""
    (folder / "device.pem").write_bytes(identity.certificate_pem + identity.key_pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("DEFAULT:@SECLEVEL=0")  # a phone that does not mind its own weak key
    context.load_cert_chain(folder / "device.pem")
    to_device, to_gateway = ssl.MemoryBIO(), ssl.MemoryBIO()
    phone = context.wrap_bio(to_device, to_gateway)
    server = ServerIdentity(pki.server.pem, pki.server.key)
    session = TlsSession(server_context(server, records, minimum_version="1.2"))
    for _ in range(10):
        with contextlib.suppress(ssl.SSLError):  # it wants more, or got the alert
            phone.do_handshake()
        session.feed(to_gateway.read())
        if session.established or session.failure:
            break
        to_device.write(session.output())
    return session


@pytest.mark.parametrize("name", DEVICES)
def test_agrees_with_tls(name: str, pki: Pki, authorities: Authorities, tmp_path: Path) -> None:
    """The handshake's outcome is what `explain` finds: the same chain, or the same reason."""
    outcome, make = DEVICES[name]
    identity, records = make(authorities), authorities.trusted
    session = shaken_hands(pki, records, identity, tmp_path)
    chain = build(identity.certificate, identity.chain, records, now())
    assert (session.failure.outcome if session.failure else "") == outcome
    if session.failure is None:
        assert chain.denial is None
        assert chain.handshake == ()
        assert chain.certificates == session.verified_chain()
        return
    found = [chain.denial, *chain.handshake] if chain.denial else [*chain.handshake]
    reasons = {denial.reason.lower() for denial in found if denial is not None}
    # The device's own validity and usage are checks of the decision.
    leaf = ClientCertificate.from_der(identity.certificate_der)
    if not leaf.not_before <= now() <= leaf.not_after:
        reasons.add("outside_validity")
    if not leaf.may_authenticate:
        reasons.add("not_client_auth")
    assert reasons == {outcome}
