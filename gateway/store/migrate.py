"""The store's schema is brought to the version that this program knows."""

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from gateway.errors import StateError
from gateway.store.database import Database
from gateway.store.schema import SCHEMA_VERSION

_MIGRATIONS = Path(__file__).with_name("migrations")


def bring_up_to_date(database: Database) -> None:
    """The schema is of `SCHEMA_VERSION`; an older one is migrated in one transaction.

    Raises StateError if it cannot be, or if the store is of a newer program.
    """
    with database.reading() as connection:
        if _version(connection) == SCHEMA_VERSION:
            return
    with database.writing() as connection:
        version = _version(connection)  # another process may have migrated it meanwhile
        if version != SCHEMA_VERSION:
            _upgrade(connection, version, database.name)


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _upgrade(connection: Connection, version: str | None, name: str) -> None:
    # Alembic costs every command a good part of a second, and almost none needs it.
    from alembic import command  # noqa: PLC0415 (loaded late)
    from alembic.config import Config  # noqa: PLC0415 (loaded late)
    from alembic.script import ScriptDirectory  # noqa: PLC0415 (loaded late)

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if version is not None and version not in known:
        raise StateError(
            f"the store {name} has schema {version}, which is newer than this program's "
            f"{SCHEMA_VERSION}; use the program that wrote it"
        )
    command.upgrade(config, SCHEMA_VERSION)
