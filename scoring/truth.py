"""What a zoo hides, in the form that scoring needs: each network's target and position on the grid.

Built from arrays, from Gengap's truth.json or from PGDL's model_configs.json (their parsed content; no files are read
here). `gengap score`, and the code that scores an evaluation, hold one `Truth` per zoo.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Self

import numpy as np

from scoring._content import (
    INEXACT,
    Content,
    Metrics,
    as_float,
    gengap_axis,
    is_exact,
    is_number,
    mapping,
    metrics_of,
    pgdl_axis,
    require_same_axes,
    sequence,
)
from scoring.decimals import rounded_differences, rounded_numbers
from scoring.errors import (
    NAMED_AT_MOST,
    DuplicateNetworksError,
    InexactNumberError,
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
from scoring.grid import Axis, AxisValue, FloatArray, Grid, IntArray
from scoring.spelling import equal_names

GENGAP_FORMAT = 1
PGDL_PREFIX = "model_"
MOST_TEST_EXAMPLES = 10**12

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

    A target is a recorded metric by its name, or derived: "gap" = train_acc − test_acc, "test_error" = 1 − test_acc,
    "loss_gap" = test_loss − train_loss, "calibration_gap" = test_calibration − train_calibration, "ood_gap" =
    train_acc − ood_acc, "robust_gap" = train_acc − robust_acc.

    Targets are stored in decimals, so that equal ones tie: the derived ones, differences, with 12 decimals (with 12
    significant digits of the largest number that they are made of, if that is above 1), a recorded metric with 12
    significant digits, or exact if it is a whole number.

    Parameters
    ----------
    grid : Grid
        The networks' hyperparameters.
    targets : ndarray of float64, shape (n,)
        The targets, finite, in the order of `ids`. Stored rounded and read-only.
    target : str, optional
        The name of the target.
    metrics : Mapping of str to Mapping of str to float, optional
        Network id to metric to number, as recorded; empty when built from arrays.
    test_examples : int, optional
        The number of examples on which the test accuracy was measured; None if that is not known.
    id_prefix : str, optional
        A prefix that ids in the values may have ("model_" for PGDL); `ids` are without it.

    Raises
    ------
    TruthError
        If a target is not finite, if their number is wrong, or if `test_examples` is not a positive whole number.
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
        if self.target in DERIVED_TARGETS:
            targets = rounded_differences(targets, self._largest_operands())
        else:
            targets = rounded_numbers(targets)
        targets.flags.writeable = False
        object.__setattr__(self, "targets", targets)

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of the n networks."""
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

        Parameters
        ----------
        ids : sequence of str
            The n ids, distinct.
        targets : ndarray of float64, shape (n,)
            The targets, finite.
        axes : Mapping of str to sequence
            Axis name to possible values.
        coordinates : ndarray of int, shape (n, axes)
            Each network's position among the possible values of each axis.
        target : str, optional
            The name of the target.
        test_examples : int, optional
            The size of the test set.

        Returns
        -------
        Truth
            Without recorded metrics.

        Raises
        ------
        TruthError
            If targets, axes, coordinates and ids do not fit together (a GridError if the grid is at fault).
        """
        listed = tuple(Axis(name, tuple(values)) for name, values in axes.items())
        return cls(Grid(listed, tuple(ids), coordinates), targets, target, test_examples=test_examples)

    @classmethod
    def from_gengap(cls, content: Content, target: str = "gap") -> Self:
        """The truth in the parsed content of a Gengap zoo's private/truth.json (format 1).

        Parameters
        ----------
        content : Mapping of str to object
            The parsed JSON.
        target : str, optional
            The name of a recorded metric, or of a derived one (see the class).

        Returns
        -------
        Truth
            With the recorded metrics.

        Raises
        ------
        TruthError
            If the content is malformed or lacks the target (a GridError if the grid is at fault).
        """
        version = content.get("format")
        if version != GENGAP_FORMAT or isinstance(version, bool):
            raise TruthError(f"the truth has format {shown(version)}; this Gengap reads format {GENGAP_FORMAT}")
        axes = [gengap_axis(axis, index) for index, axis in enumerate(sequence(content.get("axes"), "axes"))]
        networks = {
            network: mapping(entry, f"the network {network!r}")
            for network, entry in mapping(content.get("networks"), "networks").items()
        }
        places = {
            network: mapping(entry.get("hyperparameters"), f"hyperparameters of the network {network!r}")
            for network, entry in networks.items()
        }
        return cls._from_records(axes, places, networks, target, test_examples=content.get("test_size"))

    @classmethod
    def from_pgdl(cls, content: Content, target: str = "gap") -> Self:
        """The truth in the parsed content of PGDL's model_configs.json. Ids lose their prefix `model_`.

        Parameters
        ----------
        content : Mapping of str to object
            The parsed JSON.
        target : str, optional
            The name of a recorded metric, or of a derived one (see the class).

        Returns
        -------
        Truth
            With the recorded metrics.

        Raises
        ------
        TruthError
            If the content is malformed or lacks the target (a GridError if the grid is at fault).
        """
        networks: dict[str, Content] = {}
        for name, entry in content.items():
            network = name.removeprefix(PGDL_PREFIX)
            if network in networks:
                raise DuplicateNetworksError(f"the network {network!r} occurs both with and without {PGDL_PREFIX!r}")
            networks[network] = mapping(entry, f"the network {name!r}")
        axes: list[Axis] = []
        places: dict[str, dict[str, object]] = {}
        for network, entry in networks.items():
            hyperparameters = mapping(entry.get("hparams"), f"hparams of the network {network!r}")
            own = [pgdl_axis(name, hparam, network) for name, hparam in hyperparameters.items()]
            axes = axes or own
            require_same_axes(axes, own, network)
            places[network] = {
                name: mapping(hparam, name).get("current_value") for name, hparam in hyperparameters.items()
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
        metrics = {network: metrics_of(entry.get("metrics"), network) for network, entry in networks.items()}
        targets = np.array([_target(metrics[network], target, network) for network in networks], dtype=np.float64)
        if not (test_examples is None or isinstance(test_examples, int)):
            raise TruthError(f"test_size is {shown(test_examples)}; it must be a whole number from 1 on")
        return cls(Grid.from_hyperparameters(axes, places), targets, target, metrics, test_examples, id_prefix)

    def test_accuracies(self) -> tuple[FloatArray, float] | None:
        """The recorded test accuracies, float64 of shape (n,), and the change of the target per unit of test accuracy.

        Returns
        -------
        tuple of (ndarray, float), or None
            None if the target does not depend on them alone, or if they are not recorded.

        Raises
        ------
        TruthError
            If an accuracy is not between 0 and 1.
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
        """The values in the order of `ids`.

        Parameters
        ----------
        values : Mapping of str to float
            Network id to value.

        Returns
        -------
        ndarray of float64, shape (n,)
            The values, finite.

        Raises
        ------
        ValuesError
            Of the specific kind, naming the ids: a network without a value, a value without a network, two values for
            one network, a value that is not a real number (a bool or a text is none), nan or infinite, or a whole
            number beyond 2^53 that float64 cannot hold.
        """
        # Values come from parsed JSON, so their types are not certain.
        if not isinstance(values, Mapping):
            raise ValuesError("the values must be an object: network id → number")
        known = set(self.ids)
        given: dict[str, object] = {}
        unknown: list[str] = []
        equal = equal_names(values)
        if equal is not None:
            raise RepeatedValuesError(
                f"the ids {equal[0]!r} and {equal[1]!r} are equal after Unicode normalisation ({equal[0]!a} and "
                f"{equal[1]!a}); remove one"
            )
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
        unfit = [network for network in self.ids if not is_number(given[network])]
        if unfit:
            raise NotANumberError(
                f"{len(unfit)} values are not numbers: {name_some(unfit, len(unfit))} "
                f"(the first is {shown(given[unfit[0]])})"
            )
        inexact = [network for network in self.ids if not is_exact(given[network])]
        if inexact:
            raise InexactNumberError(
                f"the value of {name_some(inexact, len(inexact))} "
                f"(the first is {shown(given[inexact[0]])}) is {INEXACT}"
            )
        aligned = np.array([as_float(given[network]) for network in self.ids], dtype=np.float64)
        infinite = [network for network, finite in zip(self.ids, np.isfinite(aligned), strict=True) if not finite]
        if infinite:
            raise NotFiniteError(f"{len(infinite)} values are nan or infinite: {name_some(infinite, len(infinite))}")
        return aligned

    def _largest_operands(self) -> FloatArray:
        """The largest magnitude among the metrics that each derived target is made of; 0 where none is recorded."""
        _, shares = DERIVED_TARGETS[self.target]
        recorded = (self.metrics.get(network, {}) for network in self.ids)
        return np.array([max(abs(metrics.get(name, 0.0)) for name in shares) for metrics in recorded], dtype=np.float64)

    def _network(self, name: str, known: set[str]) -> str | None:
        if name in known:
            return name
        bare = name.removeprefix(self.id_prefix)
        return bare if bare in known else None


def parse_truth(content: object, target: str = "gap") -> Truth:
    """The truth in parsed JSON: Gengap's truth.json or PGDL's model_configs.json.

    Parameters
    ----------
    content : object
        The parsed JSON.
    target : str, optional
        The name of a recorded metric, or of a derived one (see `Truth`).

    Returns
    -------
    Truth
        With the recorded metrics.

    Raises
    ------
    TruthError
        If the content is neither, or is malformed.
    """
    if isinstance(content, Mapping) and content:
        if "format" in content or "axes" in content:
            return Truth.from_gengap(content, target)
        if all(isinstance(entry, Mapping) and "hparams" in entry for entry in content.values()):
            return Truth.from_pgdl(content, target)
    raise TruthError(
        "this is neither Gengap's truth.json (an object with format, axes and networks) nor PGDL's "
        "model_configs.json (an object of networks, each with hparams and metrics)"
    )


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
