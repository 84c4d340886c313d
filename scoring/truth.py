"""What a zoo hides, ready to score against: each network's target and place on the grid.

Built from arrays, from Gengap's truth.json or from PGDL's model_configs.json (their parsed content; no files
are read here). `gengap score` and whoever scores an evaluation hold one `Truth` per zoo.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Real
from types import MappingProxyType
from typing import Self

import numpy as np

from scoring.errors import (
    NAMED_AT_MOST,
    DuplicateNetworksError,
    GridError,
    MissingValuesError,
    NotANumberError,
    NotFiniteError,
    RepeatedValuesError,
    TruthError,
    UnknownNetworksError,
    ValuesError,
    name_some,
    shown,
)
from scoring.grid import Axis, AxisValue, Grid, IntArray
from scoring.pairs import FloatArray

GENGAP_FORMAT = 1
PGDL_PREFIX = "model_"
MOST_TEST_EXAMPLES = 10**12
Metrics = Mapping[str, float]
Content = Mapping[str, object]

# Targets made of recorded metrics: a constant, and the share of each metric.
DERIVED_TARGETS: Mapping[str, tuple[float, Metrics]] = MappingProxyType(
    {
        "gap": (0.0, {"train_acc": 1.0, "test_acc": -1.0}),
        "test_error": (1.0, {"test_acc": -1.0}),
        "loss_gap": (0.0, {"test_loss": 1.0, "train_loss": -1.0}),
        "calibration_gap": (0.0, {"test_calibration": 1.0, "train_calibration": -1.0}),
        "ood_gap": (0.0, {"train_acc": 1.0, "ood_acc": -1.0}),
        "robust_gap": (0.0, {"train_acc": 1.0, "robust_acc": -1.0}),
    }
)
_OF_TEST_ACCURACY: Mapping[str, float] = MappingProxyType({"gap": -1.0, "test_error": -1.0, "test_acc": 1.0})


@dataclass(frozen=True, eq=False)
class Truth:
    """The target and the hyperparameters of n networks.

    targets: float64 of shape (n,), finite, read-only, in the order of `ids`. target: its name. metrics:
    network id → metric → number, as recorded (empty when built from arrays). test_examples: how many examples
    the test accuracy was measured on; None where that is not known. id_prefix: what an id in the values may
    carry in front ("model_" for PGDL); `ids` are without it.

    A target is a recorded metric by its name, or derived: "gap" = train_acc − test_acc, "test_error" =
    1 − test_acc, "loss_gap" = test_loss − train_loss, "calibration_gap" = test_calibration − train_calibration,
    "ood_gap" = train_acc − ood_acc, "robust_gap" = train_acc − robust_acc.
    """

    grid: Grid
    targets: FloatArray
    target: str = "gap"
    metrics: Mapping[str, Metrics] = field(default_factory=dict)
    test_examples: int | None = None
    id_prefix: str = ""

    def __post_init__(self) -> None:
        targets = np.array(self.targets, dtype=np.float64)
        if targets.shape != (len(self.ids),):
            raise TruthError(f"the targets have the shape {targets.shape}; {len(self.ids)} networks need one each")
        if self.test_examples is not None and not (
            type(self.test_examples) is int and 1 <= self.test_examples <= MOST_TEST_EXAMPLES
        ):
            raise TruthError(
                f"the number of test examples is {shown(self.test_examples)}; "
                f"it must be a whole number from 1 on, up to {MOST_TEST_EXAMPLES}"
            )
        unfit = [network for network, finite in zip(self.ids, np.isfinite(targets), strict=True) if not finite]
        if unfit:
            raise TruthError(f"the target {self.target!r} is not finite for {name_some(unfit, len(unfit))}")
        targets.flags.writeable = False
        object.__setattr__(self, "targets", targets)

    @property
    def ids(self) -> tuple[str, ...]:
        return self.grid.ids

    @classmethod
    def from_arrays(
        cls,
        ids: Sequence[str],
        targets: FloatArray,
        axes: Mapping[str, Sequence[AxisValue]],
        coordinates: IntArray,
        target: str = "gap",
        test_examples: int | None = None,
    ) -> Self:
        """The truth of n networks given as arrays.

        targets: float64 of shape (n,). axes: name → possible values. coordinates: integers of shape (n,
        axes), each network's position among the possible values of each axis. Raises TruthError or GridError.
        """
        listed = tuple(Axis(name, tuple(values)) for name, values in axes.items())
        return cls(Grid(listed, tuple(ids), coordinates), targets, target, test_examples=test_examples)

    @classmethod
    def from_gengap(cls, content: Content, target: str = "gap") -> Self:
        """The truth in the parsed content of a Gengap zoo's private/truth.json (format 1).

        target: the name of a recorded metric, or a derived one (see the class). Raises TruthError or GridError.
        """
        version = content.get("format")
        if version != GENGAP_FORMAT or isinstance(version, bool):
            raise TruthError(f"the truth has format {shown(version)}; this Gengap reads format {GENGAP_FORMAT}")
        axes = [_gengap_axis(axis, index) for index, axis in enumerate(_sequence(content.get("axes"), "axes"))]
        networks = {
            network: _mapping(entry, f"the network {network!r}")
            for network, entry in _mapping(content.get("networks"), "networks").items()
        }
        places = {
            network: _mapping(entry.get("hyperparameters"), f"hyperparameters of the network {network!r}")
            for network, entry in networks.items()
        }
        return cls._from_records(axes, places, networks, target, test_examples=content.get("test_size"))

    @classmethod
    def from_pgdl(cls, content: Content, target: str = "gap") -> Self:
        """The truth in the parsed content of PGDL's model_configs.json. Ids lose their prefix `model_`.

        target: the name of a recorded metric, or a derived one (see the class). Raises TruthError or GridError.
        """
        networks: dict[str, Content] = {}
        for name, entry in content.items():
            network = name.removeprefix(PGDL_PREFIX)
            if network in networks:
                raise DuplicateNetworksError(f"the network {network!r} occurs both with and without {PGDL_PREFIX!r}")
            networks[network] = _mapping(entry, f"the network {name!r}")
        axes: list[Axis] = []
        places: dict[str, dict[str, object]] = {}
        for network, entry in networks.items():
            hyperparameters = _mapping(entry.get("hparams"), f"hparams of the network {network!r}")
            own = [_pgdl_axis(name, hparam, network) for name, hparam in hyperparameters.items()]
            axes = axes or own
            _require_same_axes(axes, own, network)
            places[network] = {
                name: _mapping(hparam, name).get("current_value") for name, hparam in hyperparameters.items()
            }
        return cls._from_records(axes, places, networks, target, id_prefix=PGDL_PREFIX)

    @classmethod
    def _from_records(
        cls,
        axes: Sequence[Axis],
        places: Mapping[str, Mapping[str, object]],
        networks: Mapping[str, Content],
        target: str,
        id_prefix: str = "",
        test_examples: object = None,
    ) -> Self:
        metrics = {network: _metrics(entry.get("metrics"), network) for network, entry in networks.items()}
        targets = np.array([_target(metrics[network], target, network) for network in networks], dtype=np.float64)
        if not (test_examples is None or isinstance(test_examples, int)):
            raise TruthError(f"test_size is {shown(test_examples)}; it must be a whole number from 1 on")
        return cls(Grid.from_hyperparameters(axes, places), targets, target, metrics, test_examples, id_prefix)

    def test_accuracies(self) -> tuple[FloatArray, float] | None:
        """The recorded test accuracies, float64 of shape (n,), and what one unit of them adds to the target.

        None where the target does not depend on them alone, or they are not recorded. Raises TruthError if one
        is no share from 0 to 1.
        """
        slope = _OF_TEST_ACCURACY.get(self.target)
        if slope is None or not all("test_acc" in self.metrics.get(network, ()) for network in self.ids):
            return None
        accuracies = np.array([self.metrics[network]["test_acc"] for network in self.ids], dtype=np.float64)
        outside = [network for network, acc in zip(self.ids, accuracies, strict=True) if not 0 <= acc <= 1]
        if outside:
            raise TruthError(
                f"test_acc of {name_some(outside, len(outside))} is no share from 0 to 1 (the first is "
                f"{self.metrics[outside[0]]['test_acc']:g}), so the test set's noise is not known; "
                "record accuracies as shares"
            )
        return accuracies, slope

    @property
    def is_of_test_accuracy(self) -> bool:
        """Whether the target's differences are differences of accuracies on the test set, up to training."""
        return self.target in _OF_TEST_ACCURACY

    def align(self, values: Mapping[str, float]) -> FloatArray:
        """The values in the order of `ids`, float64 of shape (n,).

        Raises a ValuesError of its kind, naming the ids: a network without a value, a value without a
        network, two values for one network, a value that is not a real number (a bool or a text is none), nan
        or infinite.
        """
        # Values come from parsed JSON, whatever their declared type says.
        if not isinstance(values, Mapping):
            raise ValuesError("the values must be an object: network id → number")
        known = set(self.ids)
        given: dict[str, object] = {}
        unknown: list[str] = []
        for name, value in values.items():
            network = self._network(name, known)
            if network is None:
                unknown.append(name)
            elif network in given:
                raise RepeatedValuesError(
                    f"the network {network!r} has two values, one under {network!r} and one under "
                    f"{self.id_prefix + network!r}; remove one"
                )
            else:
                given[network] = value
        missing = [network for network in self.ids if network not in given]
        if missing:
            raise MissingValuesError(
                f"{len(missing)} of {len(self.ids)} networks have no value: {name_some(missing, len(missing))}"
            )
        if unknown:
            raise UnknownNetworksError(
                f"{len(unknown)} values are for networks that the truth does not have: "
                f"{name_some(unknown, len(unknown))}; remove them"
            )
        unfit = [network for network in self.ids if not _is_number(given[network])]
        if unfit:
            raise NotANumberError(
                f"{len(unfit)} values are not numbers: {name_some(unfit, len(unfit))} "
                f"(the first is {shown(given[unfit[0]])})"
            )
        aligned = np.array([_as_float(given[network]) for network in self.ids], dtype=np.float64)
        infinite = [network for network, finite in zip(self.ids, np.isfinite(aligned), strict=True) if not finite]
        if infinite:
            raise NotFiniteError(f"{len(infinite)} values are nan or infinite: {name_some(infinite, len(infinite))}")
        return aligned

    def _network(self, name: str, known: set[str]) -> str | None:
        if name in known:
            return name
        bare = name.removeprefix(self.id_prefix)
        return bare if bare in known else None


def parse_truth(content: object, target: str = "gap") -> Truth:
    """The truth in parsed JSON: Gengap's truth.json or PGDL's model_configs.json. Raises TruthError."""
    if isinstance(content, Mapping) and content:
        if "format" in content or "axes" in content:
            return Truth.from_gengap(content, target)
        if all(isinstance(entry, Mapping) and "hparams" in entry for entry in content.values()):
            return Truth.from_pgdl(content, target)
    raise TruthError(
        "this is neither Gengap's truth.json (an object with format, axes and networks) nor PGDL's "
        "model_configs.json (an object of networks, each with hparams and metrics)"
    )


def _gengap_axis(axis: object, index: int) -> Axis:
    entry = _mapping(axis, f"axes[{index}]")
    name = entry.get("name")
    if not isinstance(name, str):
        raise TruthError(f"axes[{index}] has no name; give it one")
    return _axis(name, _sequence(entry.get("values"), f"values of the axis {name!r}"))


def _pgdl_axis(name: str, hparam: object, network: str) -> Axis:
    where = f"hparams.{name} of the network {network!r}"
    return _axis(name, _sequence(_mapping(hparam, where).get("possible_values"), f"possible_values in {where}"))


def _axis(name: str, values: Sequence[object]) -> Axis:
    possible: list[AxisValue] = []
    for value in values:
        if not isinstance(value, str | int | float):
            raise GridError(f"the axis {name!r} has the possible value {shown(value)}; it must be a text or a number")
        possible.append(value)
    return Axis(name, tuple(possible))


def _require_same_axes(axes: Sequence[Axis], own: Sequence[Axis], network: str) -> None:
    first = {axis.name: {str(value) for value in axis.values} for axis in axes}
    other = {axis.name: {str(value) for value in axis.values} for axis in own}
    differing = sorted(name for name in first.keys() | other.keys() if first.get(name) != other.get(name))
    if differing:
        raise GridError(
            f"the network {network!r} lists other possible values than the first network on the axis {differing[0]!r}"
        )


def _metrics(content: object, network: str) -> Metrics:
    metrics: dict[str, float] = {}
    for name, value in _mapping(content, f"metrics of the network {network!r}").items():
        if not _is_number(value):
            raise TruthError(f"the metric {name!r} of the network {network!r} is {shown(value)}; it must be a number")
        metrics[name] = _as_float(value)
    return metrics


def _target(metrics: Metrics, target: str, network: str) -> float:
    constant, shares = DERIVED_TARGETS.get(target, (0.0, {}))
    if shares and all(name in metrics for name in shares):
        return constant + sum(share * metrics[name] for name, share in shares.items())
    if target in metrics:
        return metrics[target]
    missing = next((name for name in shares if name not in metrics), target)
    recorded = ", ".join(sorted(metrics)[:NAMED_AT_MOST]) or "none"
    raise TruthError(
        f"the network {network!r} has no metric {missing!r}, which the target {target!r} needs (recorded: {recorded})"
    )


def _mapping(content: object, where: str) -> Content:
    if not isinstance(content, Mapping):
        raise TruthError(f"{where}: expected an object, found {_kind(content)}")
    return content


def _sequence(content: object, where: str) -> Sequence[object]:
    if not isinstance(content, list | tuple):
        raise TruthError(f"{where}: expected a list, found {_kind(content)}")
    return content


def _kind(content: object) -> str:
    return "nothing" if content is None else f"a {type(content).__name__}"


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _as_float(value: object) -> float:
    assert isinstance(value, Real)
    try:
        return float(value)
    except OverflowError:  # an integer beyond float64
        return math.inf
