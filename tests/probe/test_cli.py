"""`eas-gateway probe`: its usage, what it writes, and that none of it holds a secret."""

import json
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from gateway.cli.main import main
from gateway.probe.demo_server import demo_application
from gateway.profiles.pkcs12 import pack
from tests.blackbox.bed import PATIENCE_SECONDS, free_ports, until
from tests.probe.broken import ALICE, Surroundings
from tests.probe.endpoints import answering, closed_port, mail_for, serving, tls_for

SECRET = "sesame-open-7"


def run(capsys: pytest.CaptureFixture[str], *arguments: object, status: int = 0) -> tuple[str, str]:
    """Standard output and standard error of `probe` with this status."""
    capsys.readouterr()
    found = main(["probe", *(str(one) for one in arguments)])
    out, err = capsys.readouterr()
    assert found == status, out + err
    return out, err


class TestUsage:
    """What cannot be meant, with status 2 and one sentence."""

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (["https://localhost"], "--certificate and --key, or --p12"),
            (["mail.example.test"], "https://mail.example.test"),
            (["ftp://localhost"], "https://HOST"),
            (["https://alice:x@localhost"], "without user, query and fragment"),
            (["https://localhost/?a=b"], "without user, query and fragment"),
            (["https://localhost:99999"], "https://HOST"),
            (["http://localhost/ä"], "ASCII"),
            (["http://localhost", "--header", "x"], "NAME: VALUE"),
            (["http://localhost", "--certificate", "x"], "given together"),
            (["http://localhost", "--versions", "13.0"], "'13.0' is none of 12.1"),
            (["http://localhost", "--skip", "tls"], "--skip"),
            (["http://localhost", "--device-id", "a,b"], "--device-id"),
            (["http://localhost", "--watch", "5", "--json"], "--watch has metrics"),
            (["https://münchen.example"], "xn--"),
            (["https://a..b"], "is no host name"),
            (["http://localhost", "--connect-to", "localhost:99999"], "[ADDRESS]:PORT"),
            (["http://localhost", "--connect-to", "local host"], "[ADDRESS]:PORT"),
            (["http://localhost", "-c", "nowhere.toml"], "nowhere.toml"),
            (["http://localhost", "--ca", "nowhere.pem"], "nowhere.pem"),
        ],
    )
    def test_refused(
        self, arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """The sentence names the option or what to write."""
        out, err = run(capsys, *arguments, status=2)
        assert out == ""
        assert words in err

    @pytest.mark.parametrize("there", ["::1", "[::1]", "[::1]:{port}"])
    def test_connect_to_ipv6(self, there: str, capsys: pytest.CaptureFixture[str]) -> None:
        """The colons of an address are its own."""
        with closed_port() as port:
            url = f"http://localhost:{port}"
            out, _ = run(capsys, url, "--connect-to", there.format(port=port), status=1)
        assert "DNS: ::1: given in place" in out
        assert f"::1 port {port}" in out

    def test_user_that_no_query_can_hold(self, capsys: pytest.CaptureFixture[str]) -> None:
        """The base64 form has 255 bytes for a user, which its step says."""
        with serving(mail_for(ALICE)) as port:
            url = f"http://127.0.0.1:{port}"
            out, _ = run(capsys, url, "--user", "x" * 300, status=1)
        assert "Version 14.1, base64 query" in out
        assert "the request cannot be made" in out


class TestIdentity:
    """Where the certificate comes from."""

    def test_pkcs12(self, around: Surroundings, capsys: pytest.CaptureFixture[str]) -> None:
        """A PKCS#12 file with its password in another one."""
        path, password = self.pkcs12(around)
        url = f"https://localhost:{around.gateway.port}"
        given = ["--p12", path, "--p12-password-file", password]
        out, _ = run(capsys, url, *given, *around.trusting)
        assert out.endswith("\nok: all is well\n")

    def test_profile_without_its_password(
        self, around: Surroundings, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """The password is given, as it is not in the profile and nobody can be asked."""
        path, password = self.pkcs12(around)
        made = around.folder / "made.mobileconfig"
        given = ["--p12", path, "--p12-password-file", password]
        words = ["profile", "apple", "--host", "localhost", *given, "-o", made]
        assert main([str(one) for one in words]) == 0
        there = ["--connect-to", f"127.0.0.1:{around.gateway.port}", *around.trusting]
        _, err = run(capsys, made, *there, status=2)
        assert "--p12-password-file" in err
        out, _ = run(capsys, made, "--p12-password-file", password, *there)
        assert "Sync of the inbox: 1 message" in out

    @pytest.mark.parametrize("kind", ["intune", "android"])
    def test_profile_without_identity(
        self, kind: str, around: Surroundings, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """What a console fills in is given by options."""
        path = around.folder / "made.json"
        uuid = "6f1f7d5e-1c2b-4f3a-9d0e-0a1b2c3d4e5f"
        email = ["email", "iosEasEmailProfileConfiguration", "--identity", uuid]
        alias = ["--email", "{{mail}}", "--alias", "x"]
        words = [kind, *(email if kind == "intune" else alias), "--host", "localhost"]
        assert main(["profile", *words, "-o", str(path)]) == 0
        there = ["--connect-to", f"127.0.0.1:{around.gateway.port}", *around.trusting]
        out, _ = run(capsys, path, *around.shown("alice"), *there)
        assert "FolderSync: 5 folders" in out

    def pkcs12(self, around: Surroundings) -> tuple[Path, Path]:
        """Alice's identity as PKCS#12, and the file with its password."""
        path, password = around.folder / "alice.p12", around.folder / "alice.password"
        issued = around.pki.issuing.issue_device(upn=ALICE, email=ALICE)
        path.write_bytes(pack(issued.certificate, issued.key, issued.chain, SECRET))
        password.write_text(SECRET)
        return path, password


class TestOutput:
    """What comes out, in all its forms."""

    def failing(self, around: Surroundings) -> list[str]:
        """A set-up with a refusal by the gateway."""
        return around.at_gateway("revoked")

    def test_lines(self, around: Surroundings, capsys: pytest.CaptureFixture[str]) -> None:
        """A line for each step; for a failure cause, change and reference, and a last sentence."""
        out, _ = run(capsys, *self.failing(around), status=1)
        lines = out.splitlines()
        assert any(line.startswith("failed") and "Sign-in (OPTIONS)" in line for line in lines)
        assert any(line.strip().startswith("reference: ") for line in lines)
        assert lines[-1].startswith("failed: Sign-in (OPTIONS): the gateway refuses")

    def test_report_that_cannot_be_written(
        self, around: Surroundings, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """What was found is shown all the same."""
        capsys.readouterr()
        report = str(around.folder / "nowhere" / "report.md")
        assert main(["probe", *self.failing(around), "--json", "--report", report]) == 2
        out, err = capsys.readouterr()
        assert json.loads(out)["outcome"] == "failed"
        assert "--report" in err

    def test_reason_comes_first(
        self, around: Surroundings, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """On the gateway's machine the gateway's reason is the last sentence."""
        config = ["-c", str(around.gateway.config)]
        out, _ = run(capsys, *self.failing(around), *config, status=1)
        assert "the gateway's reason is CERTIFICATE_REVOKED" in out.splitlines()[-1]

    def test_another_gateways_configuration(
        self, around: Surroundings, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """A reference that the audit trail does not have is said to be unknown there."""
        config = around.folder / "config.toml"
        config.write_text('[state]\ndirectory = "nowhere"\n')
        out, _ = run(capsys, *self.failing(around), "-c", config, status=1)
        assert "reason cannot be found out: the configuration's store is not there" in out

    def test_json(self, around: Surroundings) -> None:
        """The cause has the gateway's reference, by which the audit trail knows it."""
        status, report = around.probe(self.failing(around))
        assert status == 1
        with_reference = report["cause"]["reference"]
        assert main(["audit", "list", "--json", "-c", str(around.gateway.config)]) == 0
        assert around.capsys is not None

        def recorded() -> bool:
            assert around.capsys is not None
            around.capsys.readouterr()
            main(["audit", "list", "--json", "-c", str(around.gateway.config)])
            records = json.loads(around.capsys.readouterr().out)
            return with_reference in {one["reference"] for one in records}

        until(recorded, "the audit trail has the reference")

    def test_junit(self, around: Surroundings, capsys: pytest.CaptureFixture[str]) -> None:
        """A test case for each step, with failures and skips as pipelines read them."""
        path = around.folder / "junit.xml"
        run(capsys, *self.failing(around), "--junit", path, status=1)
        suite = ET.parse(path).getroot()
        assert suite.tag == "testsuite"
        assert suite.get("failures") == "1"
        cases = {case.get("name"): case for case in suite}
        failure = cases["Sign-in (OPTIONS)"].find("failure")
        assert failure is not None
        assert "the gateway refuses" in str(failure.get("message"))
        assert cases["Ping"].find("skipped") is not None
        assert len(cases) == int(str(suite.get("tests")))

    def test_report(self, around: Surroundings, capsys: pytest.CaptureFixture[str]) -> None:
        """A table of all steps, and a paragraph for each problem."""
        path = around.folder / "report.md"
        run(capsys, *self.failing(around), "--report", path, status=1)
        text = path.read_text()
        assert f"- user: {ALICE}" in text
        assert "| Sign-in (OPTIONS) | failed |" in text
        assert "## Sign-in (OPTIONS): failed" in text

    def test_no_secret(self, around: Surroundings, capsys: pytest.CaptureFixture[str]) -> None:
        """Neither passwords nor keys, header fields, cookies, bodies or subjects are told."""
        path, password = TestIdentity().pkcs12(around)
        cookie = {"Set-Cookie": f"id={SECRET}", "Location": f"https://x.test/?t={SECRET}"}
        pki, junit, report = around.pki, around.folder / "j.xml", around.folder / "r.md"
        tls = tls_for(str(pki.server.pem), str(pki.server.key), ca=str(pki.root_pem))
        with serving(answering(302, SECRET, cookie), tls) as port:
            given = ["--p12", path, "--p12-password-file", password]
            header = ["--header", f"X-Token: {SECRET}", "--show-subjects"]
            files = ["--junit", junit, "--report", report]
            url = f"https://localhost:{port}"
            out, _ = run(capsys, url, *given, *header, *files, *around.trusting, status=1)
        for text in (out, junit.read_text(), report.read_text()):
            assert SECRET not in text
            assert "PRIVATE KEY" not in text

    def test_subjects(self, around: Surroundings, capsys: pytest.CaptureFixture[str]) -> None:
        """They are told on the terminal to whoever asks for them, and to no file."""
        report = around.folder / "r.md"
        with serving(mail_for(ALICE)) as port:
            url = f"http://127.0.0.1:{port}"
            out, _ = run(capsys, url, "--show-subjects", "--report", report)
        assert "subjects: Welcome" in out
        assert "Welcome" not in report.read_text()

    def test_unwritable(self, around: Surroundings, capsys: pytest.CaptureFixture[str]) -> None:
        """A file that cannot be written is named with its option."""
        with serving(mail_for(ALICE)) as port:
            url = f"http://127.0.0.1:{port}"
            _, err = run(capsys, url, "--report", around.folder / "no" / "r.md", status=2)
        assert "--report: " in err


class TestWatch:
    """The probe as a monitor."""

    def test_metrics_until_sigterm(self, around: Surroundings) -> None:
        """It probes again and again, tells metrics, and ends by SIGTERM with status 0."""
        (port,) = free_ports(1)
        command = [sys.executable, "-m", "gateway", "probe", *around.at_gateway("alice")]
        options = ["--watch", "1", "--metrics-port", str(port), "--skip", "versions"]
        with subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True) as process:
            try:
                until(lambda: _metric(port, "eas_probe_runs_total") >= 2, "two probes have ended")
                assert _metric(port, "eas_probe_up") == 1
                assert _metric(port, 'eas_probe_step_success{step="sync"}') == 1
                for whose in ("server", "device"):
                    name = "eas_probe_certificate_expiry_timestamp_seconds"
                    assert _metric(port, f'{name}{{whose="{whose}"}}') > 1.7e9
                process.send_signal(signal.SIGTERM)
                out, _ = process.communicate(timeout=PATIENCE_SECONDS)
            finally:
                process.kill()
        assert process.returncode == 0
        assert "ok      all is well" in out

    def test_taken_port(self, capsys: pytest.CaptureFixture[str]) -> None:
        """A port for metrics that is taken is named."""
        with serving(demo_application) as port:
            words = ["--watch", "1", "--metrics-port", str(port)]
            _, err = run(capsys, "http://127.0.0.1:9", *words, status=2)
        assert f"--metrics-port: 127.0.0.1 port {port}" in err


def _metric(port: int, name: str) -> float:
    """The value of a metric, -1 where there is none."""
    try:
        with urllib.request.urlopen(
            f"http://127.0.0.1:{port}/metrics", timeout=PATIENCE_SECONDS
        ) as answer:
            lines = answer.read().decode().splitlines()
    except OSError:
        return -1
    found: list[Any] = [line.rpartition(" ")[2] for line in lines if line.startswith(f"{name} ")]
    return float(found[0]) if found else -1
