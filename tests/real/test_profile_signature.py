"""OpenSSL takes a signed profile for what it is: CMS with the profile inside, by our signer."""

import subprocess
from pathlib import Path

import pytest

from gateway.cli.main import main
from gateway.profiles.cms import unwrap
from tests.helpers import Pki

OWNER = ("--email", "alice@example.test", "--scep-url", "https://scep.example.test/x")


def openssl(*arguments: object) -> subprocess.CompletedProcess[bytes]:
    """Run openssl."""
    command = ["openssl", *(str(one) for one in arguments)]
    return subprocess.run(command, capture_output=True, check=False)


@pytest.fixture
def signed(pki: Pki, tmp_path: Path) -> Path:
    """A profile signed with the server's certificate; beside it the same one unsigned."""
    signer = ("--signer", str(pki.server.pem), "--signer-key", str(pki.server.key))
    for name, options in (("plain", ()), ("signed", signer)):
        made = ("-o", str(tmp_path / f"{name}.mobileconfig"), "--host", "mail.example.test")
        assert main(["profile", "apple", *made, *OWNER, *options]) == 0
    return tmp_path / "signed.mobileconfig"


def test_verified_by_openssl(signed: Path, pki: Pki) -> None:
    """The signature is verified up to the root by the chain inside, and the profile comes out."""
    found = openssl(
        *("cms", "-verify", "-inform", "DER", "-in", signed),
        *("-CAfile", pki.root_pem, "-purpose", "any", "-binary"),
    )
    assert found.returncode == 0, found.stderr.decode()
    assert found.stdout == signed.with_name("plain.mobileconfig").read_bytes()


def test_changed_is_refused_by_openssl(signed: Path, pki: Pki) -> None:
    """A byte changed in the profile is found by OpenSSL, as it is by us."""
    content = signed.read_bytes().replace(b"<integer>2048", b"<integer>4096")
    signed.write_bytes(content)
    verify = ("cms", "-verify", "-inform", "DER", "-in", signed, "-purpose", "any")
    assert openssl(*verify, "-CAfile", pki.root_pem).returncode != 0
    assert unwrap(content)[1].problem == "the profile was changed after it was signed"


SMIME = ("smime", "-sign", "-binary", "-nodetach", "-outform", "der")
CMS = ("cms", "-sign", "-binary", "-nodetach", "-outform", "der")


@pytest.mark.parametrize(
    "command",
    [SMIME, (*SMIME, "-stream"), (*CMS, "-keyid"), (*CMS, "-noattr"), (*CMS, "-md", "sha512")],
    ids=["DER", "BER", "key identifier", "no attributes", "SHA-512"],
)
def test_signed_by_openssl(signed: Path, pki: Pki, command: tuple[str, ...]) -> None:
    """What OpenSSL signs, in each of the ways that it has, is read and holds."""
    plain, other = signed.with_name("plain.mobileconfig"), signed.with_name("other.mobileconfig")
    made = openssl(
        *(*command, "-in", plain, "-out", other, "-certfile", pki.issuing_pem),
        *("-signer", pki.server.pem, "-inkey", pki.server.key),
    )
    assert made.returncode == 0, made.stderr.decode()
    content, signature = unwrap(other.read_bytes())
    assert (content, signature.problem) == (plain.read_bytes(), None)
    assert (other.read_bytes()[1] == 0x80) == ("-stream" in command)
