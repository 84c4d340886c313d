"""Code that several commands share: settings with a readable error, the database, zoos named on the command line."""

import logging
import signal
from pathlib import Path

from pydantic import ValidationError
from sqlalchemy import make_url
from sqlalchemy.exc import SQLAlchemyError

from model_zoo import Zoo, open_zoo
from model_zoo.recipes import RECIPES
from model_zoo.training.trained_zoos import make_zoo_in_child
from server.commands.errors import InputError
from submissions.settings import Settings
from submissions.storage.database import Database
from submissions.storage.migrations import MigrationError, migrate
from submissions.zoos.registry import adopt_folders
from submissions.zoos.registry import find_zoo as zoo_named
from submissions.zoos.zoo_store import make_zoo_store
from worker.sandbox.backends import UnknownBackendError, require_backend

_log = logging.getLogger(__name__)


def settings_or_exit() -> Settings:
    """Return the settings of this environment. Exits with a sentence per wrong `GENGAP_*` variable."""
    try:
        settings = Settings()
        require_backend(settings.sandbox)
        return settings
    except UnknownBackendError as error:
        raise InputError(f"GENGAP_SANDBOX: {error}") from error
    except ValidationError as error:
        wrong = [f"GENGAP_{'_'.join(map(str, item['loc'])).upper()}: {item['msg']}" for item in error.errors()]
        raise InputError("\n".join(wrong)) from error


def heed_interrupts() -> None:
    """Let SIGINT end this process also where it was started with SIGINT ignored, as a shell's background jobs are."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


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


def find_zoo(name_or_folder: str, settings: Settings) -> Zoo:
    """Return the zoo in a folder or with a name: of a recipe, trained once, or of this server, NAME or NAME@VERSION.

    Raises InputError if there is none of these, ZooError if the folder is damaged.
    """
    if Path(name_or_folder).is_dir():
        return open_zoo(Path(name_or_folder))
    if name_or_folder in RECIPES:
        return open_zoo(make_zoo(name_or_folder, settings))
    if (sha256 := _registered(name_or_folder, settings)) is not None:
        store = make_zoo_store(settings)
        zoo = store.open(sha256)
        store.fetch_all(zoo)
        return zoo
    known = ", ".join(RECIPES)
    raise InputError(f"There is no zoo folder {name_or_folder!r} and no zoo of that name (known: {known}).")


def _registered(name: str, settings: Settings) -> str | None:
    """Return the sha256 of the manifest of a zoo of this server; None also if there is no server's database."""
    if not settings.database_url and not settings.home.is_dir():
        return None
    db = Database(settings.effective_database_url)
    try:
        with db.read() as session:
            record = zoo_named(session, name)
            return None if record is None else record.manifest_sha256
    except (SQLAlchemyError, ImportError):
        return None
    finally:
        db.close()


def make_zoo(recipe: str, settings: Settings) -> Path:
    """Return the folder of a recipe's zoo, training it if necessary, with progress on stderr. Raises ZooError."""
    return make_zoo_in_child(recipe, settings.cache)
