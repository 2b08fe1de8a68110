"""A gateway's configuration, store and CRLs for the tests of profiles, and short ways to use it."""

import copy
import json
import plistlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.cli.main import main
from gateway.core.mailbox import Mailbox
from gateway.pki.crl import Revocation, now
from gateway.pki.folder import PkiFolder
from gateway.pki.identity import Identity
from gateway.profiles.apple import AcmeIdentity, Pkcs12Identity, ScepIdentity, configuration
from gateway.profiles.pkcs12 import pack
from gateway.store.store import open_store
from tests.cli.state_commands import crl_of, serving
from tests.helpers import Pki
from tests.profiles.samples import IDENTIFIER, MAIL, OWNER

DAY = timedelta(days=1)
HOST = "gateway.example.test"
ALICE = "alice@example.test"
PASSWORD = "a password of the tests"

Findings = list[tuple[str, str, str]]


@dataclass
class Bed:
    """A gateway's state in `state_folder`, and a folder for profiles."""

    state_folder: Path
    pki: Pki
    revoked: Identity
    folder: Path
    capsys: pytest.CaptureFixture[str] | None = None
    config_name: str = "config.toml"

    def in_folder(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> "Bed":
        """The same with another folder for profiles."""
        return replace(self, folder=folder, capsys=capsys)

    @property
    def config(self) -> tuple[str, str]:
        """The option that names the configuration."""
        return "-c", str(self.state_folder / self.config_name)

    def configured(self, name: str, text: str) -> "Bed":
        """The same gateway, whose configuration says `text` as well."""
        config = (self.state_folder / "config.toml").read_text(encoding="utf-8")
        (self.state_folder / name).write_text(f"{config}{text}", encoding="utf-8")
        return replace(self, config_name=name)

    def run(self, *arguments: object, status: int) -> tuple[str, str]:
        """Standard output and standard error of `profile` with this status."""
        assert self.capsys is not None
        found = main(["profile", *(str(one) for one in arguments)])
        out, err = self.capsys.readouterr()
        assert found == status, out + err
        return out, err

    def out(self, *arguments: object, status: int = 0) -> str:
        """Standard output."""
        return self.run(*arguments, status=status)[0]

    def refusal(self, *arguments: object) -> str:
        """The sentence of a command that ends with 2."""
        out, err = self.run(*arguments, status=2)
        assert out == ""
        return err

    def apple(self, *arguments: object) -> tuple[Path, str]:
        """Make an Apple profile: the file, and standard output."""
        path = self.folder / "made.mobileconfig"
        return path, self.out("apple", "--host", HOST, "-o", path, *arguments)

    def refused_apple(self, *arguments: object) -> str:
        """The sentence about an Apple profile that is not made."""
        path = self.folder / "made.mobileconfig"
        return self.refusal("apple", "--host", HOST, "-o", path, *arguments)

    def test(self, path: Path, *arguments: object) -> Findings:
        """The findings about a file."""
        assert self.capsys is not None
        main(["profile", "test", str(path), "--json", *self.config, *(str(a) for a in arguments)])
        found = json.loads(self.capsys.readouterr().out)
        return [(one["subject"], one["state"], one["detail"]) for one in found]

    def not_ok(self, path: Path) -> list[str]:
        """The keys that are warned of or fail."""
        return [subject for subject, state, _ in self.test(path) if state != "ok"]

    def failing(self, path: Path) -> list[tuple[str, str]]:
        """Key and sentence of what fails, of a file of which something does."""
        failing = [
            (subject, detail) for subject, state, detail in self.test(path) if state == "fail"
        ]
        self.run("test", path, *self.config, status=1 if failing else 0)
        return failing

    def failed(self, path: Path) -> dict[str, str]:
        """What fails of a file: all sentences by key."""
        found: dict[str, str] = {}
        for subject, detail in self.failing(path):
            found[subject] = f"{found[subject]}\n{detail}" if subject in found else detail
        return found

    def failures(self, profile: dict[str, Any]) -> dict[str, str]:
        """What fails of an Apple profile: all sentences by key."""
        return self.failed(self.plist(profile))

    def failure(self, profile: dict[str, Any], key: str) -> str:
        """The sentence about a key of an Apple profile."""
        return self.failures(profile)[key]

    def failing_identity(self, identity: Identity) -> list[tuple[str, str]]:
        """What fails of a profile with this identity."""
        return self.failing(self.plist(self.identity_profile(identity)))

    def plist(self, profile: dict[str, Any]) -> Path:
        """A file with this profile."""
        return self.file("tested.mobileconfig", plistlib.dumps(profile))

    def json_file(self, value: object) -> Path:
        """A file with this JSON."""
        return self.file("tested.json", json.dumps(value).encode())

    def file(self, name: str, content: bytes) -> Path:
        """A file with this content."""
        path = self.folder / name
        path.write_bytes(content)
        return path

    def device(self, **options: Any) -> Identity:
        """Alice's device, valid since a week, unless `options` say otherwise."""
        usual = {"upn": ALICE, "email": ALICE, "not_before": now() - 7 * DAY}
        return self.pki.issuing.issue_device(**{**usual, **options})

    def weak_key(self) -> rsa.RSAPrivateKey:
        """A key that TLS refuses."""
        return rsa.generate_private_key(public_exponent=65537, key_size=1024)

    def pkcs12(self, identity: Identity) -> tuple[Path, Path]:
        """An identity as PKCS#12, and the file with its password."""
        content = pack(identity.certificate, identity.key, identity.chain, PASSWORD)
        return self.file("x.p12", content), self.file("x.password", PASSWORD.encode())

    def payload(self, profile: dict[str, Any], kind: str) -> dict[str, Any]:
        """The only payload of a type."""
        (found,) = [one for one in profile["PayloadContent"] if one["PayloadType"] == kind]
        return dict(found)

    def scep_profile(self, *arguments: object) -> dict[str, Any]:
        """A right profile with SCEP, then mail; `arguments` may name a root, which comes first."""
        mail = replace(MAIL, host=HOST)
        identity = ScepIdentity("https://scep.example.test/x", OWNER, challenge="secret")
        roots = [self.pki.root.certificate] if arguments else []
        return copy.deepcopy(configuration(IDENTIFIER, mail, identity, roots))

    def acme_profile(self) -> dict[str, Any]:
        """A right profile with ACME, then mail."""
        identity = AcmeIdentity("https://acme.example.test/d", "device-1", OWNER)
        return configuration(IDENTIFIER, replace(MAIL, host=HOST), identity)

    def identity_profile(self, identity: Identity) -> dict[str, Any]:
        """A profile of Alice's mailbox with this identity and its password, then mail."""
        content = pack(identity.certificate, identity.key, identity.chain, PASSWORD)
        own = Pkcs12Identity(content, PASSWORD)
        return configuration(IDENTIFIER, replace(MAIL, host=HOST), own)

    def email_json(self) -> dict[str, Any]:
        """A right e-mail profile for iOS."""
        command = ("intune", "email", "iosEasEmailProfileConfiguration", "--host", HOST)
        identity = "6f1f7d5e-1c2b-4f3a-9d0e-0a1b2c3d4e5f"
        found: dict[str, Any] = json.loads(self.out(*command, "--identity", identity))
        return found

    def scep_json(self) -> dict[str, Any]:
        """A right SCEP profile for iOS."""
        command = ("intune", "certificate", "iosScepCertificateProfile", "--root")
        root = "00000000-1c2b-4f3a-9d0e-0a1b2c3d4e5f"
        url = ("--scep-url", "https://scep.example.test/x")
        found: dict[str, Any] = json.loads(self.out(*command, root, *url))
        return found

    def gmail_json(self) -> dict[str, Any]:
        """A right configuration of Gmail."""
        command = ("android", "--host", HOST, "--email", ALICE, "--alias", "x")
        found: dict[str, Any] = json.loads(self.out(*command))
        return found

    def change(self, values: dict[str, Any], key: str, value: object) -> None:
        """Set a key, or take it away where `value` is None."""
        values[key] = value
        if value is None:
            del values[key]


@contextmanager
def make_bed(folder: Path) -> Iterator[Bed]:
    """Alice, Bob and a disabled mailbox; CAs two months old, with CRLs that list one device."""
    made = PkiFolder.create(folder / "pki", hosts=[HOST], now=now() - 60 * DAY)
    pki = Pki(folder / "pki", made.root, made.issuing)
    config = folder / "config.toml"
    config.write_text(f'[listen]\ncertificate = "{pki.server.pem}"\n', encoding="utf-8")
    revoked = pki.issuing.issue_device(
        upn=ALICE, not_before=now() - 30 * DAY, not_after=now() - DAY
    )
    entries = [Revocation(serial_number=revoked.serial_number)]
    crls = {
        "/root.crl": crl_of(pki.root),
        "/issuing.crl": pki.issuing.sign_crl(entries).public_bytes(Encoding.DER),
    }
    with open_store(folder / "state") as store:
        store.mailboxes.add(Mailbox(ALICE, ALICE, sam_account_name="alice"))
        store.mailboxes.add(Mailbox("bob@example.test", "bob@example.test"))
        store.mailboxes.add(Mailbox("gone@example.test", "gone@example.test", enabled=False))
    with serving(crls) as url:
        for kind, path in (("root", pki.root_pem), ("intermediate", pki.issuing_pem)):
            name = "root" if kind == "root" else "issuing"
            arguments = ["--type", kind, "--cert", str(path), "--crl", f"{url}/{name}.crl"]
            assert main(["ca", "add", *arguments, "-c", str(config)]) == 0
    yield Bed(folder, pki, revoked, folder)
