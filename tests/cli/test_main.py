"""The root command turns outcomes into exit statuses and sentences."""

import subprocess
import sys

import click
import pytest

from gateway import __version__
from gateway.cli.main import COMMANDS, main, root
from gateway.cli.options import config_option, json_option
from gateway.errors import ConfigError


@click.command("outcome")
@click.option("--how", required=True)
def outcome(how: str) -> int:
    """End in the way asked for."""
    if how == "error":
        raise ConfigError("listen.port: 70000 is no port.")
    if how == "interrupt":
        raise KeyboardInterrupt
    if how == "exit":
        click.get_current_context().exit(1)
    return int(how)


@pytest.fixture
def _outcome(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(root.commands, "outcome", outcome)


@pytest.mark.usefixtures("_outcome")
class TestStatus:
    """How a command's end becomes an exit status."""

    @pytest.mark.parametrize(
        ("how", "status"), [("0", 0), ("1", 1), ("exit", 1), ("error", 2), ("interrupt", 130)]
    )
    def test_each_end_has_its_status(self, how: str, status: int) -> None:
        """A command's return value, an exit, an error of the gateway, and Ctrl-C."""
        assert main(["outcome", "--how", how]) == status

    def test_an_error_is_one_sentence(self, capsys: pytest.CaptureFixture[str]) -> None:
        """An error of the gateway is its sentence on standard error, without a traceback."""
        main(["outcome", "--how", "error"])
        printed = capsys.readouterr()
        assert printed.err == "eas-gateway: listen.port: 70000 is no port.\n"
        assert printed.out == ""

    def test_usage_names_what_is_missing(self, capsys: pytest.CaptureFixture[str]) -> None:
        """A missing option is named, with status 2."""
        assert main(["outcome"]) == 2
        assert "Missing option '--how'" in capsys.readouterr().err


def test_unknown_command_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    """A command that does not exist is named, with status 2."""
    assert main(["sreve"]) == 2
    assert "No such command 'sreve'" in capsys.readouterr().err


def test_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    """The version goes to standard output."""
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"{__version__}\n"


def test_help_lists_commands_in_the_order_of_use(capsys: pytest.CaptureFixture[str]) -> None:
    """Every command is listed, as the table has them."""
    assert main(["--help"]) == 0
    listed = capsys.readouterr().out.partition("Commands:\n")[2].splitlines()
    names = [line.split()[0] for line in listed if line.startswith("  ") and line[2] != " "]
    assert names == list(COMMANDS)


def test_a_command_pays_only_for_its_own_imports() -> None:
    """The PKI command loads neither the HTTP client, nor the TLS data plane, nor the store."""
    script = (
        "import sys; from gateway.cli.main import main; main(['pki', '--help']);"
        "print([one for one in ('aiohttp', 'OpenSSL', 'sqlalchemy') if one in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_gateway_starts_without_what_its_workers_never_need() -> None:
    """A start after an accident is as long as its imports; control loads its own later."""
    others = "aiohttp alembic prometheus_client psycopg rich sqlalchemy.dialects.postgresql"
    script = (
        "import sys; from gateway.cli.main import main; main(['serve', '--help']);"
        f"print([one for one in {others.split()} if one in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_shared_options_reach_the_command() -> None:
    """-c gives a path or None, --json a boolean."""

    @click.command()
    @config_option
    @json_option
    def shared(config_path: object, *, as_json: bool) -> None:
        seen.append((str(config_path), as_json))

    seen: list[tuple[str, bool]] = []
    shared.main(["-c", "some.toml", "--json"], standalone_mode=False)
    shared.main([], standalone_mode=False)
    assert seen == [("some.toml", True), ("None", False)]
