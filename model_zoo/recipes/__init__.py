"""Recipes: how a zoo is trained, each a TOML file in this folder. The training and `gengap zoo` read them; no torch."""

import hashlib
import itertools
import math
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, FiniteFloat, PositiveFloat, PositiveInt, ValidationError, model_validator

from model_zoo.manifest import Axis, Name, Part, ZooError, faults
from model_zoo.recipes.families import FAMILIES

Number = bool | int | FiniteFloat

TRAINING_HYPERPARAMETERS = frozenset({"learning_rate", "weight_decay", "dropout", "batch_size", "init_scale"})
_RANGES = {"width": (1, math.inf), "depth": (1, math.inf), "batch_size": (1, math.inf), "dropout": (0, 1)}
_FOLDER = Path(__file__).parent
RECIPES: Mapping[str, Path] = {
    "digits-mlp": _FOLDER / "digits-mlp.toml",
    "digits-cnn": _FOLDER / "digits-cnn.toml",
}


class RecipeDataset(Part):
    """Which data, and how many examples to train on; the rest is the test set."""

    name: Literal["digits"]
    training_size: PositiveInt


class RecipeTraining(Part):
    """SGD with momentum until the training cross-entropy is at most `stop_loss`, or for `max_epochs`."""

    momentum: Annotated[float, Field(ge=0, lt=1)]
    stop_loss: PositiveFloat
    max_epochs: PositiveInt


class Recipe(Part):
    """A full factorial grid: one network for every combination of the axes' values.

    Every hyperparameter of the family and of the training is either an axis or `fixed`.
    """

    name: Name
    title: str
    text: str
    licence: str
    citation: str
    seed: int
    truth_public: bool = True
    dataset: RecipeDataset
    family: Literal["mlp", "cnn"]
    training: RecipeTraining
    fixed: dict[str, Number] = Field(default_factory=dict)
    axes: dict[str, list[Number]]

    @model_validator(mode="after")
    def _names_every_hyperparameter_once(self) -> Self:
        needed = FAMILIES[self.family].hyperparameters | TRAINING_HYPERPARAMETERS
        if twice := sorted(self.axes.keys() & self.fixed.keys()):
            raise ValueError(f"{twice[0]} is both an axis and fixed")
        if odd := sorted(needed ^ (self.axes.keys() | self.fixed.keys())):
            fault = "is missing from axes and fixed" if odd[0] in needed else f"is unknown to {self.family}"
            raise ValueError(f"{odd[0]} {fault}")
        return self

    @model_validator(mode="after")
    def _values_make_sense(self) -> Self:
        for name, values in [*self.axes.items(), *((name, [value]) for name, value in self.fixed.items())]:
            if not values or len(set(values)) < len(values):
                raise ValueError(f"{name} needs different values")
            least, below = _RANGES.get(name, (0, math.inf))
            if wrong := [value for value in values if not least <= value < below]:
                raise ValueError(f"{name} = {wrong[0]} must be at least {least} and below {below}")
        return self

    @property
    def sha256(self) -> str:
        """A digest of everything the recipe says; comments in its file do not matter."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()

    def grid(self) -> list[dict[str, bool | int | float]]:
        """The hyperparameters on the axes of every network, the last axis varying fastest."""
        return [dict(zip(self.axes, values, strict=True)) for values in itertools.product(*self.axes.values())]

    def truth_axes(self) -> list[Axis]:
        """The axes as truth.json has them."""
        return [Axis(name=name, values=list(values)) for name, values in self.axes.items()]


def read_recipe(path: Path) -> Recipe:
    """The recipe in the TOML file `path`. Raises ZooError naming the faulty keys."""
    try:
        return Recipe.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise ZooError(f"{path}: {error.strerror}") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ZooError(f"{path}: not TOML ({error})") from None
    except ValidationError as error:
        raise ZooError(f"{path}: {faults(error)}") from None


def named_recipe(name: str) -> Recipe:
    """The recipe shipped as `name`. Raises ZooError listing the known ones."""
    if name not in RECIPES:
        raise ZooError(f"there is no recipe {name!r}; known are {', '.join(RECIPES)}")
    return read_recipe(RECIPES[name])
