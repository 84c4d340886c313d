"""Recipes, the TOML files that say how a zoo is trained: their schema, and those shipped in `shipped/`."""

import tomllib
from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from model_zoo.manifest import ZooError, faults
from model_zoo.recipes.augmentation import RecipeAugmentation
from model_zoo.recipes.datasets import RecipeDataset, RecipeShift
from model_zoo.recipes.hyperparameters import Hyperparameters, TrainingSettings
from model_zoo.recipes.schema import Recipe, RecipeRobust, RecipeTraining

__all__ = [
    "LEFT_OUT",
    "RECIPES",
    "Hyperparameters",
    "Recipe",
    "RecipeAugmentation",
    "RecipeDataset",
    "RecipeRobust",
    "RecipeShift",
    "RecipeTraining",
    "TrainingSettings",
    "named_recipe",
    "read_recipe",
    "shipped_recipes",
]


def read_recipe(path: Path) -> Recipe:
    """Read a recipe from a TOML file. Raises ZooError naming the wrong keys."""
    try:
        return Recipe.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise ZooError(f"{path}: {error.strerror}") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ZooError(f"{path}: not TOML ({error})") from None
    except ValidationError as error:
        raise ZooError(f"{path}: {faults(error)}") from None


def shipped_recipes(folder: Path) -> tuple[Mapping[str, Path], Mapping[str, str]]:
    """Return the recipes in a folder of which everybody may know.

    Returns
    -------
    Mapping[str, Path]
        The file of each by its name.
    Mapping[str, str]
        A sentence for each file that is left out, for organizers: it hides the truth, or is faulty.
    """
    recipes, left_out = dict[str, Path](), dict[str, str]()
    for path in sorted(folder.glob("*.toml")):
        try:
            _require_public_truth(path, read_recipe(path))
        except ZooError as error:
            left_out[path.stem] = str(error).removeprefix(f"{path}: ")
        else:
            recipes[path.stem] = path
    return recipes, left_out


def named_recipe(name: str) -> Recipe:
    """Read the shipped recipe of this name.

    Raises
    ------
    ZooError
        Listing the known ones if there is none of this name; also if it hides the truth, because everybody may read
        what is shipped.
    """
    if name not in RECIPES:
        raise ZooError(f"there is no recipe {name!r}; known are {', '.join(RECIPES)}")
    recipe = read_recipe(RECIPES[name])
    _require_public_truth(RECIPES[name], recipe)
    return recipe


def _require_public_truth(path: Path, recipe: Recipe) -> None:
    if not recipe.truth_public:
        raise ZooError(f"{path}: a recipe with hidden truth must not be shipped; move the file elsewhere")


RECIPES, LEFT_OUT = shipped_recipes(Path(__file__).parent / "shipped")
