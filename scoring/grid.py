"""The grid of hyperparameters on which a zoo's networks lie, and the checks that make it scorable.

`scoring.truth` builds it; the metrics read from it which networks share their values on some axes.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, product
from numbers import Integral, Real
from typing import Self

import numpy as np
from numpy.typing import NDArray

from scoring.errors import (
    NAMED_AT_MOST,
    DuplicateNetworksError,
    GridError,
    IncompleteGridError,
    SingleAxisError,
    name_some,
    shown,
)
from scoring.spelling import equal_names, equal_values

AxisValue = str | int | float | bool
FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Axis:
    """One hyperparameter with its possible values.

    A network's value is compared with them as written: 1 is "1" but not 1.0. So an axis that lists equal values in two
    writings is refused (see `scoring.spelling.equal_values`).

    Parameters
    ----------
    name : str
        The name of the hyperparameter.
    values : tuple of str, int, float or bool
        The possible values, at least one, each listed once.

    Raises
    ------
    GridError
        If a value is neither a text nor a finite number, if one is listed twice, if two are equal (0.0 and −0.0, true
        and 1, "0.1" and 0.1), or if there is none.
    """

    name: str
    values: tuple[AxisValue, ...]

    def __post_init__(self) -> None:
        if not self.values:
            raise GridError(f"the axis {self.name!r} has no possible value; list at least one")
        for value in self.values:
            if not _is_axis_value(value):
                raise GridError(
                    f"the axis {self.name!r} has the possible value {shown(value)}; "
                    "it must be a text or a finite number"
                )
        equal = equal_values(self.values)
        if equal is not None and str(equal[0]) == str(equal[1]):
            raise GridError(f"the axis {self.name!r} lists the possible value {equal[0]} twice; list it once")
        if equal is not None:
            raise GridError(
                f"the axis {self.name!r} lists {equal[0]!r} and {equal[1]!r}, which are equal but written differently; "
                "write each value in one way, or name values that differ so that they do not look like one number"
            )

    def index(self, value: object, network: str) -> int:
        """The position of a network's value among the possible ones.

        Parameters
        ----------
        value : object
            The network's value on this axis.
        network : str
            The network's id, for the error message.

        Returns
        -------
        int
            From 0.

        Raises
        ------
        GridError
            If the value is not among the possible ones.
        """
        if _is_axis_value(value):
            for position, possible in enumerate(self.values):
                if str(possible) == str(value):
                    return position
        raise GridError(
            f"the network {network!r} has {self.name} = {shown(value)}, which is not among the possible "
            f"values {shown(list(self.values))} of that axis"
        )


@dataclass(frozen=True, eq=False)
class Grid:
    """n networks on a grid of hyperparameters.

    The grid may have holes; `require_scorable` rejects them.

    Parameters
    ----------
    axes : tuple of Axis
        The axes, in the truth's order.
    ids : tuple of str
        The n ids, distinct.
    coordinates : ndarray of int64, shape (n, axes)
        ``coordinates[i, j]`` is the position of network i's value among ``axes[j].values``. Stored read-only.

    Raises
    ------
    GridError
        If an axis is listed twice, or if the coordinates do not fit the axes and networks.
    DuplicateNetworksError
        If an id occurs more than once, or two are equal after Unicode normalisation.
    """

    axes: tuple[Axis, ...]
    ids: tuple[str, ...]
    coordinates: IntArray

    def __post_init__(self) -> None:
        names = [axis.name for axis in self.axes]
        equal = equal_names(names)
        if equal is not None:
            raise GridError(f"the axis {equal[0]!r} is listed twice{_as_well_as(*equal)}; list it once")
        coordinates = np.array(self.coordinates, dtype=np.int64)
        if coordinates.shape != (len(self.ids), len(self.axes)):
            raise GridError(
                f"the coordinates have the shape {coordinates.shape}; {len(self.ids)} networks on "
                f"{len(self.axes)} axes need {(len(self.ids), len(self.axes))}"
            )
        outside = (coordinates < 0) | (coordinates >= np.array(self.shape, dtype=np.int64))
        if outside.any():
            network, axis = (int(index) for index in np.argwhere(outside)[0])
            raise GridError(
                f"the network {self.ids[network]!r} has the coordinate {coordinates[network, axis]} "
                f"on the axis {names[axis]!r}, which has {self.shape[axis]} possible values"
            )
        repeated = [network for network, times in Counter(self.ids).items() if times > 1]
        if repeated:
            raise DuplicateNetworksError(f"ids occur more than once: {name_some(repeated, len(repeated))}")
        equal = equal_names(self.ids)
        if equal is not None:
            raise DuplicateNetworksError(
                f"the ids {equal[0]!r} and {equal[1]!r} are equal after Unicode normalisation{_as_well_as(*equal)}; "
                "rename one of the networks"
            )
        coordinates.flags.writeable = False
        object.__setattr__(self, "coordinates", coordinates)

    @classmethod
    def from_hyperparameters(cls, axes: Sequence[Axis], hyperparameters: Mapping[str, Mapping[str, object]]) -> Self:
        """The grid of networks given by id and hyperparameters.

        Parameters
        ----------
        axes : sequence of Axis
            The axes with their possible values.
        hyperparameters : Mapping of str to Mapping of str to object
            Network id to axis name to value.

        Returns
        -------
        Grid
            The networks in the order of `hyperparameters`.

        Raises
        ------
        GridError
            If a network lacks a value, or has one that is not possible. The message names network and axis.
        """
        names = {axis.name for axis in axes}
        coordinates = np.empty((len(hyperparameters), len(axes)), dtype=np.int64)
        for row, (network, values) in enumerate(hyperparameters.items()):
            unknown = [name for name in values if name not in names]
            if unknown:
                raise GridError(f"the network {network!r} has the hyperparameter {unknown[0]!r}, which is no axis")
            for column, axis in enumerate(axes):
                if axis.name not in values:
                    raise GridError(f"the network {network!r} has no value on the axis {axis.name!r}")
                coordinates[row, column] = axis.index(values[axis.name], network)
        return cls(tuple(axes), tuple(hyperparameters), coordinates)

    @property
    def shape(self) -> tuple[int, ...]:
        """The number of possible values of each axis."""
        return tuple(len(axis.values) for axis in self.axes)

    def require_scorable(self) -> None:
        """Check that there are two axes or more, and that each combination of values has exactly one network.

        Raises
        ------
        SingleAxisError
            If there are fewer than two axes.
        IncompleteGridError
            If a combination has no network, or if no network has one of the possible values. The message names them.
        DuplicateNetworksError
            If two networks have the same combination. The message names them.
        """
        if len(self.axes) < 2:
            listed = f"only {self.axes[0].name!r}" if self.axes else "none"
            raise SingleAxisError(f"the grid needs at least two axes to condition on pairs of them; it has {listed}")
        self._require_every_value()
        networks: dict[tuple[int, ...], str] = {}
        for network, row in zip(self.ids, self.coordinates.tolist(), strict=True):
            other = networks.setdefault(tuple(row), network)
            if other != network:
                raise DuplicateNetworksError(
                    f"the networks {other!r} and {network!r} have the same hyperparameters "
                    f"({self._describe(row)}); keep one of them"
                )
        holes = math.prod(self.shape) - len(networks)
        if holes:
            combinations = product(*(range(size) for size in self.shape))
            empty = islice((self._describe(c) for c in combinations if c not in networks), NAMED_AT_MOST)
            raise IncompleteGridError(
                f"the grid is incomplete: {holes} of {math.prod(self.shape)} combinations have no network: "
                f"{name_some(empty, holes)}; add these networks or drop a value of an axis"
            )

    def cells(self, axes: Sequence[int]) -> tuple[IntArray, int]:
        """The combination of values that each network has on some axes.

        Parameters
        ----------
        axes : sequence of int
            The indices of the axes.

        Returns
        -------
        combinations : ndarray of int64, shape (n,)
            Each network's combination, numbered from 0.
        count : int
            The number of possible combinations.
        """
        sizes = [self.shape[axis] for axis in axes]
        cell = np.zeros(len(self.ids), dtype=np.int64)
        for axis, size in zip(axes, sizes, strict=True):
            cell = cell * size + self.coordinates[:, axis]
        return cell, math.prod(sizes)

    def _require_every_value(self) -> None:
        for column, axis in enumerate(self.axes):
            used = np.bincount(self.coordinates[:, column], minlength=len(axis.values)) > 0
            if not used.all():
                value = axis.values[int(np.argmin(used))]
                raise IncompleteGridError(
                    f"the axis {axis.name!r} lists the possible value {value!r}, but no network has it, "
                    "so its cells are empty; drop the value or add its networks"
                )

    def _describe(self, row: Sequence[int]) -> str:
        return ", ".join(f"{axis.name}={axis.values[index]}" for axis, index in zip(self.axes, row, strict=True))


def _as_well_as(name: str, other: str) -> str:
    """Tells two names apart that look alike; empty if they are the same."""
    return "" if name == other else f" ({name!a} and {other!a})"


def _is_axis_value(value: object) -> bool:
    return isinstance(value, str | Integral) or (isinstance(value, Real) and math.isfinite(value))
