"""What the supervisor has found right is what every process goes by, whatever the disk has."""

from ipaddress import ip_network
from pathlib import Path

import pytest

from gateway.config import Config, Listen, State
from gateway.config_upstream import Upstream
from gateway.errors import ConfigError
from gateway.runtime.reload import keep_what_needs_restart
from gateway.runtime.settings import Settings, SettingsWriter, contents, generation


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """A configuration whose files are there."""
    for name in ("cert", "key", "password"):
        (tmp_path / name).write_text(name)
    return Config(
        listen=Listen(
            certificate=tmp_path / "cert",
            private_key=tmp_path / "key",
            proxy_protocol=True,
            proxy_protocol_from=(ip_network("10.0.0.0/8"), ip_network("fd00::/8")),
        ),
        state=State(directory=tmp_path / "state"),
        upstream=(
            Upstream(
                name="mail",
                url="http://mail.example.test",
                credentials="basic",
                password_file=tmp_path / "password",
            ),
        ),
    )


def test_files_are_kept_with_the_configuration(config: Config) -> None:
    """A process finds them as they were, after they were broken or removed on the disk."""
    writer = SettingsWriter(config)
    config.listen.certificate.write_text("broken")
    config.listen.private_key.unlink()
    settings = Settings(writer.fd)
    assert settings.generation == 1
    assert settings.config.listen.certificate.read_text() == "cert"
    assert settings.config.listen.private_key.read_text() == "key"
    password = settings.config.upstream[0].password_file
    assert password is not None
    assert password.read_text() == password.read_text() == "password"
    assert settings.config.state == config.state
    assert settings.config.limits == config.limits
    networks = config.listen.proxy_protocol_from
    assert settings.config.listen.proxy_protocol_from == networks
    settings.close()
    writer.close()


def test_another_configuration_has_another_generation(config: Config) -> None:
    """A shorter one after a longer one, too."""
    writer = SettingsWriter(config)
    before = Settings(writer.fd)
    shorter = config.model_copy(update={"upstream": ()})
    writer.write(shorter, contents(shorter))
    assert generation(writer.fd) == 2
    after = Settings(writer.fd)
    assert (before.generation, after.generation) == (1, 2)
    assert after.config.upstream == ()
    before.close()
    after.close()
    writer.close()


def test_a_file_that_cannot_be_read_is_named_by_its_key(config: Config) -> None:
    """As everywhere."""
    config.listen.private_key.unlink()
    with pytest.raises(ConfigError, match=r"listen\.private_key: .*key: No such file"):
        SettingsWriter(config)


def test_what_cannot_change_keeps_its_value_and_is_named(config: Config) -> None:
    """The rest is the new one's."""
    new = Config.model_validate(
        {
            "listen": config.listen.model_copy(update={"port": 1, "workers": 7}),
            "limits": {"header_count": 50},
            "admin": {"port": 1},
            "state": {"directory": Path("elsewhere"), "max_staleness_seconds": 1},
        }
    )
    kept, keys = keep_what_needs_restart(config, new)
    assert keys == ["listen.port", "listen.workers", "state.directory", "admin.port"]
    assert (kept.listen, kept.admin) == (config.listen, config.admin)
    assert kept.state.directory == config.state.directory
    assert (kept.state.max_staleness_seconds, kept.limits.header_count) == (1, 50)
    assert keep_what_needs_restart(config, config) == (config, [])


def test_text_that_is_like_a_path_stays(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mail server may have the name of its CA file."""
    monkeypatch.chdir(config.listen.certificate.parent)
    Path("mail").write_text("its CA")
    mail = config.upstream[0].model_copy(update={"ca_file": Path("mail")})
    writer = SettingsWriter(config.model_copy(update={"upstream": (mail,)}))
    settings = Settings(writer.fd)
    assert settings.config.upstream[0].name == "mail"
    assert settings.config.upstream[0].ca_file is not None
    assert settings.config.upstream[0].ca_file.read_text() == "its CA"
    assert str(settings.config.upstream[0].ca_file) != "mail"
    assert settings.config.upstream[0].url == mail.url
    settings.close()
    writer.close()
