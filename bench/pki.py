"""A throw-away PKI on disk that every server under comparison can be configured from.

Root, issuing CA and device have ECDSA P-256 keys; the server has one certificate with a P-256 and
one with an RSA-2048 key. Each CA has a CRL, as PEM for the peers and as DER for the gateway.
"""

from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.pki.authority import CertificateAuthority
from gateway.pki.crl import Revocation
from gateway.pki.identity import Identity, PrivateKey, ec_key, rsa_key

SERVER_NAME = "localhost"


@dataclass(frozen=True)
class ServerIdentity:
    """Files of one server certificate: chain (leaf, issuing CA), key, and both in one."""

    chain: Path
    key: Path
    combined: Path


@dataclass(frozen=True)
class Pki:
    """Where the files of the PKI are; `devices` has a file for each, see `device_file`."""

    root: Path
    issuing: Path
    trusted: Path
    root_crl: Path
    issuing_crl: Path
    crls: Path
    devices: Path
    servers: dict[str, ServerIdentity]


def device_file(devices: Path, number: int) -> Path:
    """Key and certificate of a device in one; the devices are numbered from 0."""
    return devices / f"{number}.pem"


def mailbox_of(number: int) -> str:
    """The mailbox that the certificate of a device names; each has its own."""
    return f"phone{number}@example.test"


def create(directory: Path, *, revoked: int, devices: int) -> Pki:
    """Write a fresh PKI to the new folder; the issuing CA's CRL lists `revoked` serial numbers."""
    directory.mkdir()
    root = CertificateAuthority.root("Bench Root CA")
    issuing = root.intermediate("Bench Issuing CA")
    entries = [Revocation(serial_number=x509.random_serial_number()) for _ in range(revoked)]
    root_crl, issuing_crl = root.sign_crl(), issuing.sign_crl(entries)
    folder = directory / "devices"
    folder.mkdir()
    for number in range(devices):
        name = mailbox_of(number)
        device = issuing.issue_device(upn=name, email=name)
        _write(device_file(folder, number), device.certificate_pem + device.key_pem)
    trusted = root.certificate_pem + issuing.certificate_pem
    crls = root_crl.public_bytes(Encoding.PEM) + issuing_crl.public_bytes(Encoding.PEM)
    keys: dict[str, PrivateKey] = {"ecdsa": ec_key(), "rsa": rsa_key()}
    return Pki(
        root=_write(directory / "root.pem", root.certificate_pem),
        issuing=_write(directory / "issuing.pem", issuing.certificate_pem),
        trusted=_write(directory / "trusted.pem", trusted),
        root_crl=_write(directory / "root.crl", root_crl.public_bytes(Encoding.DER)),
        issuing_crl=_write(directory / "issuing.crl", issuing_crl.public_bytes(Encoding.DER)),
        crls=_write(directory / "crls.pem", crls),
        devices=folder,
        servers={
            name: _server(directory / name, issuing.issue_server(SERVER_NAME, key=key))
            for name, key in keys.items()
        },
    )


def _server(directory: Path, identity: Identity) -> ServerIdentity:
    directory.mkdir()
    both = identity.certificate_pem + identity.key_pem
    return ServerIdentity(
        chain=_write(directory / "chain.pem", identity.certificate_pem),
        key=_write(directory / "key.pem", identity.key_pem),
        combined=_write(directory / "combined.pem", both),
    )


def _write(path: Path, content: bytes) -> Path:
    path.touch(mode=0o600)
    path.write_bytes(content)
    return path
