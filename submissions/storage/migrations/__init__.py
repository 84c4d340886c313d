"""Migrating a database to the newest schema.

Commands do this before they start anything; the web process does not, so it does not load Alembic.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from submissions.storage.database import Database

_LOCK = 7031970  # any number, the same for every process of Gengap


class MigrationError(Exception):
    """The database cannot be migrated; nothing was changed."""


def migrate(db: Database, revision: str = "head") -> None:
    """Migrate the schema to the newest version, or to `revision`, in one transaction.

    Safe to call at every start, also from two processes at once.

    Raises
    ------
    MigrationError
        If the schema is newer than this release, or references would be left dangling.
    """
    config = _config()
    with _alone(db) as connection:
        if reason := newer_schema(connection):
            raise MigrationError(reason)
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def newer_schema(connection: Connection) -> str | None:
    """Return a sentence if a newer release has migrated this database, whose schema this release does not know."""
    known = {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
    unknown = set(MigrationContext.configure(connection).get_current_heads()) - known
    if not unknown:
        return None
    return (
        f"The database has the schema {min(unknown)} of a newer release of Gengap, and this release knows the schemas "
        f"up to {max(known)}. Install the newer release, or restore a backup of the database made before it."
    )


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    return config


@contextmanager
def _alone(db: Database) -> Iterator[Connection]:
    """Open a transaction that excludes other migrations.

    SQLite changes a table by copying and dropping it, which foreign keys would forbid. They can only be switched off
    outside of a transaction, and are all checked before it is committed.
    """
    engine = db.engine.execution_options(gengap_write=True)
    if engine.dialect.name != "sqlite":
        with engine.begin() as connection:
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
            yield connection
        return
    with engine.connect() as connection:
        cursor = connection.connection.cursor()
        cursor.execute("PRAGMA foreign_keys=OFF")
        try:
            with connection.begin():
                yield connection
                if lost := connection.exec_driver_sql("PRAGMA foreign_key_check").all():
                    raise MigrationError(f"{len(lost)} rows of {lost[0][0]} would point to rows that do not exist")
        finally:
            cursor.execute("PRAGMA foreign_keys=ON")
            cursor.close()
