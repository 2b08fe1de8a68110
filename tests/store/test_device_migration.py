"""A store of the third schema keeps its mailboxes and can hold devices."""

import sqlite3
from datetime import UTC, datetime
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine

from gateway.core.device import Device
from gateway.core.mailbox import Mailbox
from gateway.store import migrate
from gateway.store.sqlite import FILE_NAME
from gateway.store.store import open_store


def test_mailboxes_stay(tmp_path: Path) -> None:
    """They have no groups and no upstream of their own at first, and devices may come."""
    path = tmp_path / FILE_NAME
    engine = create_engine(f"sqlite:///{path}")
    config = Config()
    folder = Path(migrate.__file__).with_name("migrations")
    config.set_main_option("script_location", str(folder))
    config.set_main_option("path_separator", "os")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0003")
    engine.dispose()
    with sqlite3.connect(path) as raw:
        raw.execute(
            "INSERT INTO mailboxes (key, upn, proxy_addresses, enabled, security_identifier) "
            "VALUES ('a@b.c', 'A@b.c', '', 1, 'S-1-5-1')"
        )
    raw.close()
    at = datetime(2026, 1, 1, tzinfo=UTC)
    with open_store(tmp_path) as store:
        assert store.mailboxes.list() == [Mailbox("A@b.c", security_identifier="S-1-5-1")]
        store.devices.record([Device("a@b.c", "D", at, at)])
        assert store.snapshot().devices.device("a@b.c", "d") == Device("a@b.c", "D", at, at)
