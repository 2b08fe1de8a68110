"""The probe against SOGo: straight, through the gateway, and behind nginx with certificates."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.real import nginx
from tests.real.gateway_process import COMMAND, COMMAND_SECONDS, Gateway
from tests.real.mail import deliver
from tests.real.sogo.bed import ALICE, BOB, IDENTITY_HEADER, Bed

RIGHT = {"ok"}


def probe(*words: object, status: int) -> dict[str, Any]:
    """The report of the command, which ends with this status."""
    done = subprocess.run(
        [COMMAND, "probe", *(str(one) for one in words), "--json"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=COMMAND_SECONDS,
    )
    assert done.returncode == status, done.stdout + done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def outcomes(report: dict[str, Any], *but: str) -> dict[str, str]:
    """How each step ended, without those named."""
    return {one["name"]: one["outcome"] for one in report["steps"] if one["name"] not in but}


def learnt(report: dict[str, Any], name: str) -> str:
    """What a step found."""
    (found,) = [one for one in report["steps"] if one["name"] == name]
    return "; ".join(found["learnt"])


def shown(pki: Path, name: str) -> list[str]:
    """The options that show a certificate."""
    trusted = ["--ca", str(pki / "root.pem")]
    return ["--certificate", str(pki / f"{name}.pem"), "--key", str(pki / f"{name}.key"), *trusted]


class TestSogo:
    """SOGo as it is, with a proxy's header for who the user is."""

    def test_every_step(self, bed: Bed) -> None:
        """Every step succeeds; what SOGo is like is known: no policy, and User is passed over."""
        deliver(bed, ALICE)
        header = ["--header", f"{IDENTITY_HEADER}: {ALICE}", "--user", ALICE]
        report = probe(bed.url, *header, status=0)
        found = outcomes(report)
        noted = {name for name, outcome in found.items() if outcome == "warning"}
        # SOGo has no Autodiscover, and answers there by a fault and a redirect.
        assert noted == {"tls", "autodiscover-xml", "autodiscover-json", "other-user"}
        passed_over = {name for name, outcome in found.items() if outcome == "skipped"}
        shown = {"certificate", "certificate-request", "clock"}
        assert passed_over == shown | {f"{one}-certificate" for one in ("no", "foreign", "revoked")}
        assert "no policy" in learnt(report, "provision")
        assert {name for name in found if name.startswith("versions 1")} == {
            f"versions {version} {form}"
            for version in ("12.1", "14.0", "14.1")
            for form in ("plain", "base64")
        }

    def test_unknown_user(self, bed: Bed) -> None:
        """A user whom SOGo does not know."""
        name = "nobody@example.test"
        header = ["--header", f"{IDENTITY_HEADER}: {name}", "--user", name]
        report = probe(bed.url, *header, status=1)
        assert report["cause"]["step"] in {"sign-in", "provision", "folder-sync"}

    def test_without_header(self, bed: Bed) -> None:
        """SOGo without a user refuses, and no password is asked for here."""
        report = probe(bed.url, "--user", ALICE, status=1)
        assert report["cause"]["step"] == "sign-in"


class TestGateway:
    """The gateway in front of it."""

    def test_every_step(self, gateway: Gateway, bed: Bed) -> None:
        """Every step succeeds, and whoever must stay out does."""
        deliver(bed, ALICE)
        url = f"https://localhost:{gateway.port}"
        report = probe(url, *shown(gateway.pki, "alice"), "--other-user", BOB, status=0)
        assert set(outcomes(report, "revoked-certificate").values()) == RIGHT
        assert "held" in learnt(report, "ping") or "changes" in learnt(report, "ping")

    def test_revoked(self, own_gateway: Gateway) -> None:
        """A revoked certificate, with the gateway's own reason."""
        own_gateway.revoke_certificate("alice")
        own_gateway.cli("ca", "refresh")
        url = f"https://localhost:{own_gateway.port}"
        config = ["-c", own_gateway.folder / "config.toml"]
        report = probe(url, *shown(own_gateway.pki, "alice"), *config, status=1)
        assert "CERTIFICATE_REVOKED" in report["cause"]["cause"]


@pytest.fixture
def pki(gateway: Gateway, tmp_path: Path) -> Path:
    """A copy of the gateway's PKI for nginx, in which the device "upn-only" is revoked."""
    copied = tmp_path / "pki"
    shutil.copytree(gateway.pki, copied)
    revoke = ["pki", "revoke", "--directory", str(copied), str(copied / "upn-only.pem")]
    subprocess.run([COMMAND, *revoke], check=True, capture_output=True)
    return copied


class TestNginx:
    """nginx that demands a certificate, in front of SOGo."""

    @pytest.fixture(params=["TLSv1.2", "TLSv1.3"])
    def port(
        self, request: pytest.FixtureRequest, pki: Path, bed: Bed, tmp_path: Path
    ) -> Iterator[int]:
        """The port of one that speaks this version alone."""
        with nginx.running(tmp_path, pki, bed, ALICE, protocols=request.param) as port:
            yield port

    def test_every_step(self, port: int, pki: Path, bed: Bed) -> None:
        """Every step succeeds; a revoked certificate is refused; SOGo passes User over."""
        revoked = ["--revoked-certificate", pki / "upn-only.pem"]
        key = ["--revoked-key", pki / "upn-only.key"]
        url = f"https://localhost:{port}"
        report = probe(url, *shown(pki, "alice"), *revoked, *key, status=0)
        assert outcomes(report)["other-user"] == "warning"
        assert set(outcomes(report, "other-user", "clock").values()) == RIGHT
        assert "Development root" in learnt(report, "certificate-request")
        assert "HTTP 400" in learnt(report, "no-certificate")
        assert "HTTP 400" in learnt(report, "revoked-certificate")

    @pytest.mark.parametrize(
        ("name", "words"),
        [
            ("foreign", "refuses the device's certificate (HTTP 400, as nginx says it)"),
            ("expired", "expired at"),
            ("wrong-eku", "clientAuth"),
            ("upn-only", "refuses the device's certificate (HTTP 400, as nginx says it)"),
        ],
    )
    def test_refused(self, name: str, words: str, port: int, pki: Path) -> None:
        """Nginx ends the handshake well and refuses by 400; the cause is the certificate."""
        report = probe(f"https://localhost:{port}", *shown(pki, name), status=1)
        assert words in report["cause"]["cause"]

    def test_not_demanded(self, pki: Path, bed: Bed, tmp_path: Path) -> None:
        """`ssl_verify_client optional` without a rule lets in who shows nothing."""
        with nginx.running(tmp_path, pki, bed, ALICE, verify="optional") as port:
            report = probe(f"https://localhost:{port}", *shown(pki, "alice"), status=1)
        assert report["cause"]["step"] == "no-certificate"

    def test_not_asked_for(self, pki: Path, bed: Bed, tmp_path: Path) -> None:
        """Without `ssl_verify_client` no phone offers its certificate."""
        with nginx.running(tmp_path, pki, bed, ALICE, verify="off") as port:
            report = probe(f"https://localhost:{port}", *shown(pki, "alice"), status=1)
        assert report["cause"]["step"] == "certificate-request"
