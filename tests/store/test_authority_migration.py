"""A store of the first schema keeps its CAs."""

import sqlite3
from pathlib import Path

from alembic import command
from alembic.config import Config
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import create_engine

from gateway.core.authority import AuthorityType
from gateway.store import migrate
from gateway.store.sqlite import FILE_NAME
from gateway.store.store import open_store
from tests.helpers import Pki


def test_certificates_move_to_their_own_table(tmp_path: Path, pki: Pki) -> None:
    """Every field of a record of schema 0001 is there after the migration."""
    path = tmp_path / FILE_NAME
    engine = create_engine(f"sqlite:///{path}")
    config = Config()
    folder = Path(migrate.__file__).with_name("migrations")
    config.set_main_option("script_location", str(folder))
    config.set_main_option("path_separator", "os")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
    engine.dispose()
    ski = pki.root.key_identifier.hex()
    der = pki.root.certificate.public_bytes(Encoding.DER)
    with sqlite3.connect(path) as raw:
        raw.execute("INSERT INTO authorities VALUES (?, 0, ?, 'http://x/', NULL, 600)", (ski, der))
    raw.close()
    with open_store(tmp_path) as store:
        (record,) = store.authorities.list()
    assert (record.id, record.certificate, record.authority_type) == (ski, der, AuthorityType.ROOT)
    assert (record.crl_distribution_point, record.delta_crl_distribution_point) == (
        "http://x/",
        None,
    )
    assert record.backdating.total_seconds() == 600
    assert (record.delta_required, record.exempt, record.sources) == (True, False, ())
