"""Surroundings of the broken set-ups: gateways that run, certificates of every kind, profiles."""

import contextlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.cli.main import main
from gateway.pki.authority import CertificateAuthority
from gateway.pki.crl import now
from gateway.pki.folder import PkiFolder
from gateway.pki.identity import Identity
from tests.blackbox import bed
from tests.blackbox.bed import Bed, until
from tests.cli.state_commands import serving
from tests.helpers import Pki
from tests.probe.endpoints import closed_port

ALICE = "alice@example.test"
BOB = "bob@example.test"
LEAVER = "leaver@example.test"
LOST = "lost@example.test"
STALE_CRL_SECONDS = 4


@dataclass(frozen=True)
class Surroundings:
    """What a broken set-up is made of.

    Attributes:
        gateway: one that runs, with a mail server behind it.
        lonely: one that runs, whose mail server is whatever listens at `mail_port`.
        folder: for the files of one test.
    """

    gateway: Bed
    lonely: Bed
    mail_port: int
    folder: Path
    capsys: pytest.CaptureFixture[str] | None = None

    @property
    def pki(self) -> Pki:
        """The gateway's PKI, with more devices than it had at first."""
        return self.gateway.pki

    def shown(self, name: str) -> list[str]:
        """The options that show the device certificate of that name."""
        device = self.pki.stored(name)
        return ["--certificate", str(device.pem), "--key", str(device.key)]

    @property
    def trusting(self) -> list[str]:
        """The options by which the server's certificate is known."""
        return ["--ca", str(self.pki.root_pem)]

    def at_gateway(self, name: str, *words: str) -> list[str]:
        """A probe of the gateway with that certificate."""
        return self.at(self.gateway.port, name, *words)

    def at(self, port: int, name: str = "alice", *words: str) -> list[str]:
        """A probe of whatever listens at a port of this machine."""
        return [f"https://localhost:{port}", *self.shown(name), *self.trusting, *words]

    def identity(self, name: str, identity: Identity) -> tuple[Path, Path]:
        """Files with a certificate and its key."""
        pem, key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        pem.write_bytes(identity.certificate_pem)
        key.write_bytes(identity.key_pem)
        return pem, key

    def profile(self, *words: str) -> Path:
        """A .mobileconfig of alice's certificate for this machine."""
        path = self.folder / "made.mobileconfig"
        made = ["--host", "localhost", *self.shown("alice"), "--embed-password", "-o", str(path)]
        assert main(["profile", "apple", *made, *words]) == 0
        if self.capsys is not None:
            self.capsys.readouterr()
        return path

    def probe(self, arguments: Sequence[str]) -> tuple[int, dict[str, Any]]:
        """The exit status and the JSON of `probe` with these arguments."""
        assert self.capsys is not None
        self.capsys.readouterr()
        status = main(["probe", *arguments, "--json"])
        printed = self.capsys.readouterr()
        assert printed.out, printed.err
        report: dict[str, Any] = json.loads(printed.out)
        return status, report

    def in_folder(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> "Surroundings":
        """The same for one test."""
        return replace(self, folder=folder, capsys=capsys)


@contextlib.contextmanager
def make_surroundings(folder: Path) -> Iterator[Surroundings]:
    """Both gateways, and everything that is wrong with one of their phones."""
    with contextlib.ExitStack() as stack:
        mail_port = stack.enter_context(closed_port())
        demo_port = stack.enter_context(bed.demo_mail_server())
        (folder / "gateway").mkdir()
        gateway = bed.new_bed(folder / "gateway", demo_port)
        lonely = _beside(gateway, folder / "lonely", mail_port)
        crls = stack.enter_context(serving(_crls(gateway)))
        bed.set_up(gateway, crls)
        bed.set_up(lonely, crls)
        _spoil(gateway, crls)
        gateway = _moved(gateway)
        stack.enter_context(gateway.running())
        lonely = _moved(lonely)
        stack.enter_context(lonely.running())
        ends = now() + timedelta(seconds=STALE_CRL_SECONDS)
        until(lambda: now() > ends, "the stale CA's CRL has ended")
        yield Surroundings(gateway, lonely, mail_port, folder)


def _beside(gateway: Bed, folder: Path, mail_port: int) -> Bed:
    """A gateway with the same PKI and another mail server."""
    folder.mkdir()
    beside = replace(gateway, folder=folder)
    text = gateway.config.read_text(encoding="utf-8")
    text = text.replace('"pki/', f'"{gateway.pki.directory}/')
    head, _, _ = text.partition("[[upstream]]")
    upstream = f'[[upstream]]\nname = "lonely"\nurl = "http://127.0.0.1:{mail_port}"\n'
    beside.config.write_text(head + upstream, encoding="utf-8")
    return beside


def _moved(gateway: Bed) -> Bed:
    """The gateway on ports that are free now, not only when its setting up began."""
    port, admin_port = bed.free_ports(2)
    text = gateway.config.read_text(encoding="utf-8")
    text = text.replace(f"port = {gateway.port}\n", f"port = {port}\n")
    text = text.replace(f"port = {gateway.admin_port}\n", f"port = {admin_port}\n")
    moved = replace(gateway, port=port, admin_port=admin_port)
    moved.config.write_text(text, encoding="utf-8")
    return moved


def _crls(gateway: Bed) -> dict[str, bytes]:
    """What the CAs publish: the device "revoked" is on it; a third CA's ends in seconds."""
    with PkiFolder.open(gateway.pki.directory) as folder:
        for name, user in (("revoked", ALICE), ("leaver", LEAVER), ("lost", LOST)):
            folder.issue(name, upn=user, email=user)
        folder.issue("stranger", upn="nobody@example.test")
        revoked = gateway.pki.stored("revoked").serial_number
        folder.revoke(revoked)
    stale = CertificateAuthority.root("Stale root")
    device = stale.issue_device(upn=BOB, email=BOB)
    directory = gateway.pki.directory
    (directory / "stale-root.pem").write_bytes(stale.certificate_pem)
    (directory / "stale.pem").write_bytes(device.certificate_pem)
    (directory / "stale.key").write_bytes(device.key_pem)
    crl = stale.sign_crl(next_update=now() + timedelta(seconds=STALE_CRL_SECONDS))
    found = {
        f"/{name}.crl": (directory / f"{name}.crl").read_bytes() for name in ("root", "issuing")
    }
    return {**found, "/stale-root.crl": crl.public_bytes(Encoding.DER)}


def _spoil(gateway: Bed, crls: str) -> None:
    """A disabled mailbox, a revoked user, and a CA whose CRL ends."""
    certificate = str(gateway.pki.directory / "stale-root.pem")
    url = f"{crls}/stale-root.crl"
    gateway.cli("ca", "add", "--type", "root", "--cert", certificate, "--crl", url)
    for user in (LEAVER, LOST):
        gateway.cli("user", "add", user)
    gateway.cli("user", "set", LEAVER, "--disabled")
    gateway.cli("user", "revoke", LOST)
