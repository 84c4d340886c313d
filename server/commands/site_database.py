"""The server's own database for the commands that need it, with a readable error."""

import logging

from sqlalchemy import make_url
from sqlalchemy.exc import SQLAlchemyError

from model_zoo import Zoo
from server.commands.errors import InputError
from submissions.settings import Settings
from submissions.storage.database import Database
from submissions.storage.migrations import MigrationError, migrate
from submissions.zoos.registry import adopt_folders
from submissions.zoos.registry import find_zoo as zoo_named
from submissions.zoos.zoo_store import make_zoo_store

_log = logging.getLogger(__name__)


def ready_database(settings: Settings) -> Database:
    """Return the database with its newest schema, creating the home folder. Exits with a sentence on failure.

    Zoos that an older release had registered by folder are copied to the store.
    """
    try:
        settings.make_home()
        db = Database(settings.effective_database_url)
        migrate(db)
        for trouble in adopt_folders(db, make_zoo_store(settings)):
            _log.warning("%s", trouble)
    except MigrationError as error:
        raise InputError(str(error)) from error
    except OSError as error:
        raise InputError(f"The home folder {settings.home} cannot be created: {error.strerror}") from error
    except (SQLAlchemyError, ImportError) as error:
        shown = make_url(settings.effective_database_url).render_as_string(hide_password=True)
        reason = str(getattr(error, "orig", error)).splitlines()[0]
        raise InputError(f"The database {shown} does not answer: {reason}. More: gengap doctor") from error
    return db


def registered_zoo(name: str, settings: Settings) -> Zoo | None:
    """Return a zoo of this server, with all its files; None also if there is no server's database."""
    if not settings.database_url and not settings.home.is_dir():
        return None
    db = Database(settings.effective_database_url)
    try:
        with db.read() as session:
            record = zoo_named(session, name)
            sha256 = None if record is None else record.manifest_sha256
    except (SQLAlchemyError, ImportError):
        return None
    finally:
        db.close()
    if sha256 is None:
        return None
    store = make_zoo_store(settings)
    zoo = store.open(sha256)
    store.fetch_all(zoo)
    return zoo
