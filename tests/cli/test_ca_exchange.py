"""`eas-gateway ca import` and `ca export`."""

import json
from pathlib import Path

import pytest

from tests.cli.state_commands import Commands, crl_of, serving
from tests.helpers import Pki


@pytest.fixture
def commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Commands:
    """The commands, on an empty state folder."""
    return Commands(tmp_path, capsys)


def test_records_move_to_entra_and_back(commands: Commands, pki: Pki) -> None:
    """In both forms; what is there already is not touched, and CRLs are fetched at once."""
    file = commands.folder / "entra.json"
    with serving({"/root.crl": crl_of(pki.root), "/issuing.crl": crl_of(pki.issuing)}) as url:
        for kind, pem, name in (
            ("root", pki.root_pem, "root"),
            ("intermediate", pki.issuing_pem, "issuing"),
        ):
            options = ("--type", kind, "--cert", str(pem), "--crl", f"{url}/{name}.crl")
            ski = commands.out("ca", "add", *options).strip()
        for form in ("azuread", "graph"):
            file.write_text(commands.out("ca", "export", "--format", form), encoding="utf-8")
            assert commands.out("ca", "import", str(file)) == "0 added, 0 changed, 2 unchanged\n"
            for record in json.loads(commands.out("ca", "list", "--json")):
                commands.run("ca", "remove", record["id"])
            assert commands.out("ca", "import", str(file)) == "2 added, 0 changed, 0 unchanged\n"
    record = json.loads(commands.out("ca", "show", "--json", ski))
    assert record["revocation"]["base"]["result"] == "ok"


def test_nothing_is_imported_if_a_row_is_wrong(commands: Commands, pki: Pki) -> None:
    """The file and the row are named; exit 2."""
    file = commands.folder / "entra.json"
    options = ("--type", "root", "--cert", str(pki.root_pem), "--exempt")
    commands.out("ca", "add", *options)
    (record,) = json.loads(commands.out("ca", "export"))
    commands.run("ca", "remove", record["trustedIssuerSKI"])
    file.write_text(json.dumps([record, record | {"authorityType": 3}]), encoding="utf-8")
    error = commands.refusal("ca", "import", str(file))
    assert f"{file}: row 2: has a type that is none: 3" in error
    file.write_text(json.dumps([record, record]), encoding="utf-8")
    error = commands.refusal("ca", "import", str(file))
    assert f"{file}: row 2: the certificate is that of row 1 already" in error
    assert json.loads(commands.out("ca", "list", "--json")) == []


def test_a_record_without_crl_url_is_taken_and_pointed_out(commands: Commands, pki: Pki) -> None:
    """Entra allows it; here its certificates are refused until that is changed."""
    file = commands.folder / "entra.json"
    commands.out("ca", "add", "--type", "root", "--cert", str(pki.root_pem), "--exempt")
    file.write_text(commands.out("ca", "export"), encoding="utf-8")
    commands.run("ca", "remove", pki.root.key_identifier.hex())
    out, err = commands.run("ca", "import", str(file))
    assert out == "1 added, 0 changed, 0 unchanged\n"
    assert "has no CRL distribution point" in err


def test_a_file_that_is_not_there_is_refused(commands: Commands) -> None:
    """The file and the reason are named."""
    error = commands.refusal("ca", "import", "/no/such.json")
    assert "/no/such.json: cannot be read: No such file" in error
