"""Reads the parts of parsed JSON from which `scoring.truth` builds a truth. A fault is a TruthError, with its place."""

import math
from collections.abc import Mapping, Sequence
from numbers import Integral, Real

from scoring.errors import GridError, TruthError, shown
from scoring.grid import Axis, AxisValue

Metrics = Mapping[str, float]
Content = Mapping[str, object]
INEXACT = (
    "a whole number beyond 2^53 that float64 cannot hold, so that different ones would count as equal; "
    "subtract the same number from all, or write floats if their last digits do not matter"
)


def gengap_axis(axis: object, index: int) -> Axis:
    entry = mapping(axis, f"axes[{index}]")
    name = entry.get("name")
    if not isinstance(name, str):
        raise TruthError(f"axes[{index}] has no name; give it one")
    return axis_of(name, sequence(entry.get("values"), f"values of the axis {name!r}"))


def pgdl_axis(name: str, hparam: object, network: str) -> Axis:
    where = f"hparams.{name} of the network {network!r}"
    return axis_of(name, sequence(mapping(hparam, where).get("possible_values"), f"possible_values in {where}"))


def axis_of(name: str, values: Sequence[object]) -> Axis:
    possible: list[AxisValue] = []
    for value in values:
        if not isinstance(value, str | int | float):
            raise GridError(f"the axis {name!r} has the possible value {shown(value)}; it must be a text or a number")
        possible.append(value)
    return Axis(name, tuple(possible))


def require_same_axes(axes: Sequence[Axis], own: Sequence[Axis], network: str) -> None:
    first = {axis.name: {str(value) for value in axis.values} for axis in axes}
    other = {axis.name: {str(value) for value in axis.values} for axis in own}
    differing = sorted(name for name in first.keys() | other.keys() if first.get(name) != other.get(name))
    if differing:
        raise GridError(
            f"the network {network!r} lists other possible values than the first network on the axis {differing[0]!r}"
        )


def metrics_of(content: object, network: str) -> Metrics:
    metrics: dict[str, float] = {}
    for name, value in mapping(content, f"metrics of the network {network!r}").items():
        if not is_number(value):
            raise TruthError(f"the metric {name!r} of the network {network!r} is {shown(value)}; it must be a number")
        if not is_exact(value):
            raise TruthError(f"the metric {name!r} of the network {network!r} is {shown(value)}, {INEXACT}")
        metrics[name] = as_float(value)
    return metrics


def mapping(content: object, where: str) -> Content:
    if not isinstance(content, Mapping):
        raise TruthError(f"{where}: expected an object, found {kind(content)}")
    return content


def sequence(content: object, where: str) -> Sequence[object]:
    if not isinstance(content, list | tuple):
        raise TruthError(f"{where}: expected a list, found {kind(content)}")
    return content


def kind(content: object) -> str:
    return "nothing" if content is None else f"a {type(content).__name__}"


def is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def is_exact(value: object) -> bool:
    """Whether float64 holds the number as it is, if it is a whole number; those beyond float64 are infinite instead."""
    assert isinstance(value, Real)
    number = as_float(value)
    return not isinstance(value, Integral) or math.isinf(number) or int(number) == int(value)


def as_float(value: object) -> float:
    assert isinstance(value, Real)
    try:
        return float(value)
    except OverflowError:  # an integer beyond float64
        return math.inf
