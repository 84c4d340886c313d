"""Code that several commands share: settings with a readable error, interrupts, zoos named on the command line.

It imports no database, which takes longer than everything else here: see `server.commands.site_database`.
"""

import signal
from pathlib import Path

from pydantic import ValidationError

from model_zoo import Zoo, open_zoo
from model_zoo.recipes import RECIPES
from model_zoo.training.trained_zoos import make_zoo_in_child
from server.commands.errors import InputError
from submissions.settings import Settings
from worker.sandbox.backends import UnknownBackendError, require_backend


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


def find_zoo(name_or_folder: str, settings: Settings) -> Zoo:
    """Return the zoo in a folder or with a name: of a recipe, trained once, or of this server, NAME or NAME@VERSION.

    Raises InputError if there is none of these, ZooError if the folder is damaged.
    """
    if Path(name_or_folder).is_dir():
        return open_zoo(Path(name_or_folder))
    if name_or_folder in RECIPES:
        return open_zoo(make_zoo(name_or_folder, settings))
    from server.commands.site_database import registered_zoo  # noqa: PLC0415  (costs 0.4 s, which few need here)

    if (zoo := registered_zoo(name_or_folder, settings)) is not None:
        return zoo
    known = ", ".join(RECIPES)
    raise InputError(f"There is no zoo folder {name_or_folder!r} and no zoo of that name (known: {known}).")


def make_zoo(recipe: str, settings: Settings) -> Path:
    """Return the folder of a recipe's zoo, training it if necessary, with progress on stderr. Raises ZooError."""
    return make_zoo_in_child(recipe, settings.cache)
