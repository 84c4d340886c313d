"""What each hyperparameter of a recipe may be, and the values that one network is trained with. Called by `schema`."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

Value = bool | int | float | str
Hyperparameters = Mapping[str, Value]
Optimizer = Literal["sgd", "adam", "sam"]

OPTIMIZERS: tuple[Optimizer, ...] = ("sgd", "adam", "sam")


@dataclass(frozen=True)
class Kind:
    """A kind of value: `text` ends the sentence "… must be", `accepts` tells whether a value is one."""

    text: str
    accepts: Callable[[Value], bool]


@dataclass(frozen=True)
class TrainingSettings:
    """With what one network is trained, whether the recipe says it on an axis, under `fixed` or under `training`.

    training_size: it sees the first so many examples of the training data; None means all of them.
    label_noise: the share of their labels that is replaced by another class.
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
    """Whether it is an integer of at least 1, and not true."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def number(value: Value) -> float:
    """`value` as a float where it is a number, else not a number, which no range contains."""
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
