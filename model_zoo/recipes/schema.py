"""The schema of a recipe: the content of its TOML file as pydantic models, checked as a whole."""

import hashlib
import itertools
from collections.abc import Mapping
from typing import Annotated, Literal, Self, cast

from pydantic import Field, FiniteFloat, PositiveFloat, PositiveInt, TypeAdapter, model_validator

from model_zoo.manifest import TARGETS, Axis, Name, Part, TargetName
from model_zoo.recipes.augmentation import RecipeAugmentation
from model_zoo.recipes.datasets import LinearData, RecipeDataset
from model_zoo.recipes.families import FAMILIES, HYPERPARAMETERS, FamilyName
from model_zoo.recipes.hyperparameters import (
    MOVABLE,
    TRAINING,
    Hyperparameters,
    Kind,
    Optimizer,
    TrainingSettings,
    Value,
)

SEED_AXIS = "seed"
Track = Literal["standard", "extended"]

_TomlValue = bool | int | FiniteFloat | str
_Below1 = Annotated[float, Field(ge=0, lt=1)]
_BASIC_METRICS = frozenset(
    {"train_acc", "test_acc", "train_loss", "test_loss", "train_calibration", "test_calibration", "epochs"}
)
_SETTINGS = TypeAdapter(TrainingSettings)
_WITHOUT_TRAINING_DATA = frozenset({"test_error", "test_acc", "test_loss", "test_calibration", "true_risk", "epochs"})


class RecipeTraining(Part):
    """How all networks are trained: until the training cross-entropy is at most `stop_loss`, or for `max_epochs`.

    Attributes
    ----------
    momentum : float
        Of SGD and SAM.
    rho : float
        Radius of SAM's neighbourhood.
    decay, decay_after : float, list of int
        The learning rate is multiplied by `decay` after each of the epochs `decay_after`.
    trajectory : list of int
        Epochs after which the zoo keeps the weights of networks that are still being trained.
    """

    optimizer: Optimizer = "sgd"
    momentum: _Below1 = 0.9
    rho: PositiveFloat = 0.05
    stop_loss: PositiveFloat
    max_epochs: PositiveInt
    decay: Annotated[float, Field(gt=0, le=1)] = 0.2
    decay_after: list[PositiveInt] = Field(default=[])
    trajectory: list[PositiveInt] = Field(default=[])

    @model_validator(mode="after")
    def _epochs_in_order(self) -> Self:
        for name, epochs in (("decay_after", self.decay_after), ("trajectory", self.trajectory)):
            if epochs != sorted(set(epochs)):
                raise ValueError(f"{name} = {epochs} must be different epochs in order")
        return self

    def rate_factor(self, epoch: int) -> float:
        """Return the factor of the learning rate in epoch `epoch`, counted from 1."""
        return self.decay ** sum(epoch > end for end in self.decay_after)


class RecipeRobust(Part):
    """The metric `robust_acc`: test accuracy under an attack within `epsilon` in every input value.

    With 1 as `steps` it is the fast gradient sign method, with more it is projected gradient descent.
    """

    epsilon: PositiveFloat
    steps: PositiveInt = 1


class Recipe(Part):
    """A full factorial grid: one network for every combination of the axes' values, times `seeds`.

    Every hyperparameter of the family and of the training is either an axis or `fixed`. With more than one seed, the
    additional networks are siblings if the tracks include "extended", else the seed is an axis. Everything random comes
    from `seed`, or, where the truth is hidden, from a key that is no part of the recipe (`model_zoo.recipes.keys`).
    """

    name: Name
    title: str
    text: str
    licence: str
    citation: str
    seed: int | None = None
    truth_public: bool = True
    tracks: list[Track] = Field(default=["standard"], min_length=1)
    targets: list[TargetName] = Field(default=["gap"], min_length=1)
    seeds: PositiveInt = 1
    dataset: Annotated[RecipeDataset, Field(discriminator="name")]
    family: FamilyName
    training: RecipeTraining
    augmentation: RecipeAugmentation | None = None
    robust: RecipeRobust | None = None
    fixed: dict[str, _TomlValue] = Field(default={})
    axes: dict[str, list[_TomlValue]]

    @model_validator(mode="after")
    def _has_a_seed_only_if_the_truth_is_public(self) -> Self:
        if self.truth_public and self.seed is None:
            raise ValueError("seed is missing; all random numbers of a zoo with public truth come from it")
        if not self.truth_public and self.seed is not None:
            raise ValueError(
                "a recipe with truth_public = false must have no seed, since who guesses it can train the zoo again: "
                "remove the line 'seed = …'. All random numbers come from a secret key, which is made with the zoo"
            )
        return self

    @model_validator(mode="after")
    def _names_every_hyperparameter_once(self) -> Self:
        needed = FAMILIES[self.family].hyperparameters | TRAINING.keys()
        if twice := sorted(self.axes.keys() & self.fixed.keys()):
            raise ValueError(f"{twice[0]} is both an axis and fixed")
        for name in self.fixed.keys() & MOVABLE.keys():
            raise ValueError(f"{name} cannot be fixed; write it under [{_table(name)}], or make it an axis")
        for name in self.axes.keys() & MOVABLE.keys() - {"training_size"}:
            if name in getattr(self, _table(name)).model_fields_set:
                raise ValueError(f"{name} is both an axis and under [{_table(name)}]")
        if odd := sorted(needed ^ ((self.axes.keys() - MOVABLE.keys()) | self.fixed.keys())):
            fault = "is missing from axes and fixed" if odd[0] in needed else f"is unknown to {self.family}"
            raise ValueError(f"{odd[0]} {fault}")
        return self

    @model_validator(mode="after")
    def _values_make_sense(self) -> Self:
        kinds: Mapping[str, Kind] = {**TRAINING, **MOVABLE, **HYPERPARAMETERS}
        for name, values in [*self.axes.items(), *((name, [value]) for name, value in self.fixed.items())]:
            if not values or len(set(values)) < len(values):
                raise ValueError(f"{name} needs different values")
            if wrong := [value for value in values if not kinds[name].accepts(value)]:
                raise ValueError(f"{name} = {wrong[0]} must be {kinds[name].text}")
        largest = self.dataset.training_size
        for size in self.axes.get("training_size", []):
            if largest is None or cast(int, size) > largest:
                raise ValueError(f"training_size = {size} is more than the {largest} under [dataset]")
        return self

    @model_validator(mode="after")
    def _targets_will_be_measured(self) -> Self:
        known = self.metrics
        own = sorted(self.axes.keys() & {"training_size", "label_noise"})
        for target in self.targets:
            for metric in TARGETS.get(target, (target,)):
                if isinstance(metric, str) and metric not in known:
                    raise ValueError(f"the target {target} needs the metric {metric}, which is not measured here")
            if own and target not in _WITHOUT_TRAINING_DATA:
                raise ValueError(
                    f"the target {target} compares with the zoo's training data, but with an axis {own[0]} "
                    "networks are trained on other data; take test_error"
                )
        return self

    @model_validator(mode="after")
    def _networks_can_be_declared(self) -> Self:
        shape, classes = self.dataset.input_shape, self.dataset.classes
        for point in self.grid():
            FAMILIES[self.family].declare(shape, classes, {**self.fixed, **point})
        return self

    @model_validator(mode="after")
    def _examples_can_be_augmented(self) -> Self:
        if self.augmentation is not None:
            self.augmentation.check(self.dataset.input_shape, self.dataset.has_levels)
        return self

    @model_validator(mode="after")
    def _trajectories_are_for_the_extended_track(self) -> Self:
        if self.training.trajectory and "extended" not in self.tracks:
            raise ValueError('a trajectory is for the extended track: write tracks = ["standard", "extended"]')
        return self

    @property
    def sha256(self) -> str:
        """Digest of everything the recipe says; comments in its file and defaults do not matter."""
        return hashlib.sha256(self.model_dump_json(exclude_defaults=True).encode()).hexdigest()

    @property
    def metrics(self) -> frozenset[str]:
        """Names of the metrics that each network will have."""
        further = {
            "ood_acc": self.dataset.shift is not None,
            "robust_acc": self.robust is not None,
            "true_risk": self.knows_true_risk,
            "true_gap": self.knows_true_risk,
        }
        return _BASIC_METRICS | {name for name, is_measured in further.items() if is_measured}

    @property
    def knows_true_risk(self) -> bool:
        """Whether the networks' true risk is known in closed form."""
        return isinstance(self.dataset, LinearData) and self.family == "linear"

    @property
    def siblings(self) -> int:
        """Number of siblings of each network."""
        return self.seeds - 1 if "extended" in self.tracks else 0

    def grid(self) -> list[dict[str, Value]]:
        """List the hyperparameters on the axes of every network, the last axis varying fastest."""
        axes = self._axes()
        return [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]

    def settings(self, point: Hyperparameters) -> TrainingSettings:
        """Return the training settings of the network at `point` of the grid, and of its siblings."""
        values = {
            **{name: getattr(getattr(self, _table(name)), name) for name in MOVABLE},
            **self.fixed,
            **point,
        }
        return _SETTINGS.validate_python(values)

    def truth_axes(self) -> list[Axis]:
        """Return the axes as truth.json has them."""
        return [Axis(name=name, values=list(values)) for name, values in self._axes().items()]

    def _axes(self) -> dict[str, list[Value]]:
        axes: dict[str, list[Value]] = {name: list(values) for name, values in self.axes.items()}
        if self.seeds > 1 and "extended" not in self.tracks:
            axes[SEED_AXIS] = list(range(self.seeds))
        return axes


def _table(name: str) -> str:
    """Return the table of the recipe that a hyperparameter of MOVABLE belongs to unless it is an axis."""
    return "dataset" if name in ("label_noise", "training_size") else "training"
