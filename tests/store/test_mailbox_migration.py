"""A store of the second schema keeps its mailboxes."""

import sqlite3
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine

from gateway.core.mailbox import Mailbox
from gateway.store import migrate
from gateway.store.sqlite import FILE_NAME
from gateway.store.store import open_store


def test_mailboxes_get_attributes(tmp_path: Path) -> None:
    """They have none of the new ones at first, and may be given them."""
    path = tmp_path / FILE_NAME
    engine = create_engine(f"sqlite:///{path}")
    config = Config()
    folder = Path(migrate.__file__).with_name("migrations")
    config.set_main_option("script_location", str(folder))
    config.set_main_option("path_separator", "os")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0002")
    engine.dispose()
    with sqlite3.connect(path) as raw:
        raw.execute("INSERT INTO mailboxes VALUES ('a@b.c', 'A@b.c', NULL, '', NULL, NULL, 1)")
    raw.close()
    with open_store(tmp_path) as store:
        assert store.mailboxes.list() == [Mailbox("A@b.c")]
        store.mailboxes.set("a@b.c", certificate_user_ids=("X509:<SKI>ab",))
        assert store.snapshot().find_by_identifier("SKI:ab") == store.mailboxes.get("a@b.c")
