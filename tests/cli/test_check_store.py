"""What `check` says of CAs whose CRLs are not asked, or not needed."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.cli.check_store import check_store
from gateway.cli.findings import Finding, State
from gateway.config import load
from tests.cli.state_commands import Commands, crl_of, serving
from tests.helpers import Pki


@pytest.fixture
def commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Commands:
    """The commands, on an empty state folder."""
    return Commands(tmp_path, capsys)


def found(commands: Commands, ski: str) -> list[Finding]:
    """What is found about the CA."""
    findings = check_store(load(commands.config), datetime.now(UTC))
    return [one for one in findings if ski in one.subject]


def test_an_exempt_ca_is_a_warning(commands: Commands, pki: Pki) -> None:
    """Nothing is wrong, but an administrator should know what it means."""
    arguments = ("--type", "root", "--cert", str(pki.root_pem), "--exempt")
    ski = commands.out("ca", "add", *arguments).strip()
    (finding,) = found(commands, ski)
    assert finding.state is State.WARN
    assert "is exempt: its revoked certificates are let in" in finding.detail


def test_mailboxes_on_an_upstream_that_is_not_there(commands: Commands) -> None:
    """Each name once, with how many are on it and one of them; the others are fine."""
    with commands.config.open("a") as config:
        config.write('[[upstream]]\nname = "here"\nurl = "http://127.0.0.1:1"\n')
    for upn, upstream in (("a", "here"), ("b", "gone"), ("c", "gone"), ("d", "")):
        words = ("--upstream", upstream) if upstream else ()
        commands.out("user", "add", f"{upn}@example.test", *words)
    findings = check_store(load(commands.config), datetime.now(UTC))
    [finding] = [one for one in findings if one.subject.startswith("upstream.")]
    assert (finding.subject, finding.state) == ("upstream.gone", State.FAIL)
    assert "2 mailboxes are on, such as b@example.test" in finding.detail


def test_each_crl_of_a_ca_is_found_under_its_own_name(commands: Commands, pki: Pki) -> None:
    """The base CRL and a further source, each once however many certificates the CA has."""
    with serving({"/a.crl": crl_of(pki.root), "/b.crl": crl_of(pki.root)}) as url:
        arguments = ("--type", "root", "--cert", str(pki.root_pem), "--crl", f"{url}/a.crl")
        ski = commands.out("ca", "add", *arguments).strip()
        commands.out("ca", "source", "add", ski, "--url", f"{url}/b.crl")
    subjects = [one.subject.removeprefix(f"authority.{ski}.") for one in found(commands, ski)]
    assert subjects[0] == "base"
    assert subjects[1].startswith("source-")
    assert len(subjects) == 2
