"""The hyperparameters of recipes: which values they may have, and the training settings of one network."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import pydantic.dataclasses

Value = bool | int | float | str
Hyperparameters = Mapping[str, Value]
Optimizer = Literal["sgd", "adam", "sam"]

OPTIMIZERS: tuple[Optimizer, ...] = ("sgd", "adam", "sam")


@dataclass(frozen=True)
class Kind:
    """A kind of value: `text` completes the sentence "… must be", `accepts` says whether a value is of this kind."""

    text: str
    accepts: Callable[[Value], bool]


@pydantic.dataclasses.dataclass(frozen=True)
class TrainingSettings:
    """The settings of one network's training, whether the recipe has them as an axis, as `fixed` or in `training`.

    Attributes
    ----------
    training_size : int or None
        The network sees the first so many training examples; None: all.
    label_noise : float
        Share of these labels that is replaced by another class.
    """

    optimizer: Optimizer
    learning_rate: float
    weight_decay: float
    dropout: float
    batch_size: int
    init_scale: float
    momentum: float
    rho: float
    label_noise: float
    training_size: int | None


def is_whole(value: Value) -> bool:
    """Whether a value is an integer of at least 1, and not a boolean."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def number(value: Value) -> float:
    """Convert a number to float, and anything else to nan, which no range contains."""
    return math.nan if isinstance(value, bool | str) else float(value)


WHOLE = Kind("an integer of at least 1", is_whole)
FLAG = Kind("true or false", lambda value: isinstance(value, bool))
POSITIVE = Kind("a number above 0", lambda value: number(value) > 0)
NOT_NEGATIVE = Kind("a number of at least 0", lambda value: number(value) >= 0)
SHARE = Kind("at least 0 and below 1", lambda value: 0 <= number(value) < 1)

# Every recipe gives each of these once, as an axis or fixed.
TRAINING: Mapping[str, Kind] = {
    "learning_rate": POSITIVE,
    "weight_decay": NOT_NEGATIVE,
    "dropout": SHARE,
    "batch_size": WHOLE,
    "init_scale": POSITIVE,
}
# These stand under [training] or [dataset], unless they are an axis.
MOVABLE: Mapping[str, Kind] = {
    "optimizer": Kind(f"one of {', '.join(OPTIMIZERS)}", lambda value: value in OPTIMIZERS),
    "momentum": SHARE,
    "rho": POSITIVE,
    "label_noise": SHARE,
    "training_size": WHOLE,
}
