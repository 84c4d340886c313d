"""What several commands share: settings with a readable error, uploads and zoos named on the command line."""

from pathlib import Path

from pydantic import ValidationError
from sqlalchemy import make_url
from sqlalchemy.exc import SQLAlchemyError

from model_zoo import Zoo, open_zoo
from model_zoo.cache import make_zoo_in_child
from model_zoo.recipes import RECIPES
from server.commands.errors import InputError
from submissions.database import Database
from submissions.migrations import migrate
from submissions.settings import Settings


def settings_or_exit() -> Settings:
    """The settings of this environment. Exits with a sentence per wrong `GENGAP_*` variable."""
    try:
        return Settings()
    except ValidationError as error:
        wrong = [f"GENGAP_{'_'.join(map(str, item['loc'])).upper()}: {item['msg']}" for item in error.errors()]
        raise InputError("\n".join(wrong)) from error


def ready_database(settings: Settings) -> Database:
    """The database at its newest schema, in a home folder that exists. Exits with a sentence if it does not answer."""
    try:
        settings.make_home()
        db = Database(settings.effective_database_url)
        migrate(db)
    except OSError as error:
        raise InputError(f"The home folder {settings.home} cannot be made: {error.strerror}") from error
    except (SQLAlchemyError, ImportError) as error:
        shown = make_url(settings.effective_database_url).render_as_string(hide_password=True)
        reason = str(getattr(error, "orig", error)).splitlines()[0]
        raise InputError(f"The database {shown} does not answer: {reason}. More: gengap doctor") from error
    return db


def find_zoo(name_or_folder: str, settings: Settings) -> Zoo:
    """The zoo in a folder, or of a name: registered in the home folder, or trained (once) from its recipe.

    Raises InputError where there is neither, ZooError where the folder is damaged.
    """
    if Path(name_or_folder).is_dir():
        return open_zoo(Path(name_or_folder))
    if "/" not in name_or_folder and (settings.zoos_folder / name_or_folder).is_dir():
        return open_zoo(settings.zoos_folder / name_or_folder)
    if name_or_folder not in RECIPES:
        known = ", ".join(RECIPES)
        raise InputError(f"There is no zoo folder {name_or_folder!r} and no zoo of that name (known: {known}).")
    return open_zoo(make_zoo(name_or_folder, settings))


def make_zoo(recipe: str, settings: Settings) -> Path:
    """The folder of a recipe's zoo, trained if need be, with progress on stderr. Raises ZooError."""
    return make_zoo_in_child(recipe, settings.cache)
