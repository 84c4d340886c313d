"""Bringing a database to the newest schema. Commands do it before they start anything; the web process does not,
and so does not carry Alembic."""

from pathlib import Path

from alembic import command
from alembic.config import Config

from submissions.database import Database

_LOCK = 7031970  # any number, the same for every process of Gengap


def migrate(db: Database) -> None:
    """Bring the schema to the newest version; safe to call at every start, also from two processes at once."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    with db.engine.execution_options(gengap_write=True).begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
