"""What is missing or wrong is found before anything is served by it."""

import contextlib
import sqlite3
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.config import Config, Listen
from gateway.config import State as StateTable
from gateway.config_upstream import Upstream
from gateway.core.authority import Authority, AuthorityType
from gateway.errors import ConfigError, StateError
from gateway.pki.folder import read_certificates
from gateway.runtime.requirements import require
from gateway.store.sqlite import FILE_NAME
from gateway.store.store import open_store
from tests.helpers import Pki


@pytest.fixture
def config(tmp_path: Path, pki: Pki) -> Config:
    """All that a gateway needs, in `tmp_path`."""
    state = StateTable(directory=tmp_path / "state")
    der = read_certificates(pki.root_pem)[0].public_bytes(Encoding.DER)
    with open_store(state.directory) as store:
        store.authorities.add(
            Authority.from_der(der, authority_type=AuthorityType.ROOT, crl_distribution_point=None)
        )
    return Config(
        listen=Listen(certificate=pki.server.pem, private_key=pki.server.key),
        state=state,
        upstream=(Upstream(name="mail", url="http://127.0.0.1:9"),),
    )


def test_a_gateway_that_has_all_lacks_nothing(config: Config) -> None:
    """No problem is made up."""
    require(config)


def test_all_that_is_missing_is_named_at_once(tmp_path: Path) -> None:
    """An administrator repairs everything in one go."""
    with pytest.raises(ConfigError) as raised:
        require(Config(state=StateTable(directory=tmp_path / "state")))
    certificate, upstream, root = str(raised.value).splitlines()
    assert certificate.startswith("listen.certificate: certs/server.pem: ")
    assert upstream.startswith("upstream: ")
    assert "ca add --type root" in root
    assert not list((tmp_path / "state").iterdir())  # a store that was lost is not made anew


def test_a_state_directory_that_cannot_be_made_is_named(config: Config, tmp_path: Path) -> None:
    """A file is in its way."""
    (tmp_path / "file").touch()
    state = StateTable(directory=tmp_path / "file" / "state")
    with pytest.raises(ConfigError, match=r"state\.directory: .*cannot be written"):
        require(config.model_copy(update={"state": state}))


def test_a_key_of_another_certificate_is_named(config: Config, pki: Pki) -> None:
    """No phone could finish a handshake."""
    listen = config.listen.model_copy(update={"private_key": pki.alice.key})
    with pytest.raises(ConfigError, match=r"listen\.private_key: .* is not the key of"):
        require(config.model_copy(update={"listen": listen}))


def test_a_password_that_cannot_be_read_is_named(config: Config, tmp_path: Path) -> None:
    """A worker could not begin with it."""
    missing = tmp_path / "password"
    upstream = config.upstream[0].model_copy(
        update={"credentials": "basic", "password_file": missing}
    )
    with pytest.raises(ConfigError, match=r"upstream mail: password_file"):
        require(config.model_copy(update={"upstream": (upstream,)}))


def test_ca_file_that_holds_no_certificate_is_named(config: Config, tmp_path: Path) -> None:
    """No https upstream could be verified."""
    wrong = tmp_path / "ca.pem"
    wrong.write_text("nothing")
    update = {"url": "https://mail.example.test", "ca_file": wrong}
    upstream = config.upstream[0].model_copy(update=update)
    with pytest.raises(ConfigError, match=r"upstream mail: ca_file"):
        require(config.model_copy(update={"upstream": (upstream,)}))


def test_a_damaged_store_is_found_where_integrity_is_asked_for(config: Config) -> None:
    """At a start, not at a reload."""
    _damage(config.state.directory / FILE_NAME, "changes")
    require(config, integrity=False)
    with pytest.raises(ConfigError, match="damaged"):
        require(config)


def test_a_start_does_not_read_the_audit_trail(config: Config) -> None:
    """It may be gigabytes, and phones wait; `check` reads it."""
    _damage(config.state.directory / FILE_NAME, "audit")
    require(config)
    with (
        open_store(config.state.directory) as store,
        pytest.raises(StateError, match=r"damaged|malformed"),
    ):
        store.require_integrity()


def _damage(path: Path, table: str) -> None:
    """The first page of the table is all zeros."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        (size,) = connection.execute("PRAGMA page_size").fetchone()
        query = "SELECT rootpage FROM sqlite_master WHERE name = ?"
        (page,) = connection.execute(query, (table,)).fetchone()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with path.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(bytes(size))
