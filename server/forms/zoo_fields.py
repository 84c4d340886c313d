"""Reading what organizers type about a zoo: its name, and their own recipe."""

import tomllib

from pydantic import TypeAdapter, ValidationError

from model_zoo import ZooError
from model_zoo.manifest import Name, faults
from model_zoo.recipes import Recipe

PIECE_BYTES = 8 * 2**20  # of an upload in pieces: the web process stays small however large a zoo is


def own_recipe(text: str) -> Recipe:
    """Return the recipe in this TOML text. Raises ZooError with the errors in it."""
    try:
        return Recipe.model_validate(tomllib.loads(text))
    except ValidationError as error:
        raise ZooError(f"The recipe is wrong: {faults(error)}.") from None
    except RecursionError:
        raise ZooError("This TOML is nested too deeply.") from None
    except ValueError as error:  # a TOMLDecodeError, or of a number with thousands of digits
        raise ZooError(f"This is not TOML: {error}.") from None


def is_zoo_name(text: str) -> bool:
    """Check whether a zoo may have this name."""
    try:
        TypeAdapter(Name).validate_python(text)
    except ValidationError:
        return False
    return True
