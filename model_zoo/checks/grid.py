"""Checks that the grid of hyperparameters is complete, and that fixing two axes leaves something to predict.

The primary metric conditions on pairs of axes, see docs/metrics.md: on a zoo where two axes determine the order of the
target, every measure scores 0.
"""

import itertools
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence

from model_zoo.checks.report import Item, error, ok, some, warning
from model_zoo.manifest import Axis, AxisValue, NetworkTruth, ZooTruth, described

_LEAST_AXES = 2
Place = tuple[AxisValue, ...]


def complete(truth: ZooTruth) -> Item:
    """Check that each combination of the axes' values has exactly one network."""
    at: dict[Place, list[str]] = defaultdict(list)
    for identifier, network in truth.networks.items():
        at[_place(network, truth.axes)].append(identifier)
    size = math.prod(len(axis.values) for axis in truth.axes)
    combinations = itertools.product(*(axis.values for axis in truth.axes))
    doubled = [f"{described(truth.axes, place)} ({some(ids)})" for place, ids in at.items() if len(ids) > 1]
    holes = size - len(at)
    if doubled:
        return error(
            "grid",
            f"{len(doubled)} of {size} combinations have more than one network: {some(doubled, 3)}.",
            "Leave one network of each, or distinguish them by another axis, for example the seed.",
        )
    if holes:
        missing = itertools.islice((described(truth.axes, place) for place in combinations if place not in at), 3)
        more = f" and {holes - 3} more" if holes > 3 else ""
        return error(
            "grid",
            f"{holes} of {size} combinations have no network: {'; '.join(missing)}{more}.",
            "Train the missing networks, or drop a value of an axis.",
        )
    sizes = " × ".join(str(len(axis.values)) for axis in truth.axes)
    return ok("grid", f"Each of the {size} combinations ({sizes}) has exactly one network.")


def axes(truth: ZooTruth) -> Item:
    """Check that there are enough axes, each with several values, and that each value has networks."""
    if len(truth.axes) < _LEAST_AXES:
        return error(
            "axes",
            f"The grid has {len(truth.axes)} axes; scoring conditions on pairs of them.",
            "Record at least two hyperparameters, better four or more.",
        )
    unused = [
        f"{axis.name} = {value}"
        for axis in truth.axes
        for value in axis.values
        if all(network.hyperparameters[axis.name] != value for network in truth.networks.values())
    ]
    if unused:
        return error("axes", f"No network has {some(unused)}.", "Drop these values from their axes, or add networks.")
    single = [axis.name for axis in truth.axes if len(axis.values) == 1]
    if single:
        return warning(
            "axes",
            f"Nothing varies along {some(single)}: one value each.",
            "Leave these axes out, and say in the zoo's text what all networks have in common.",
        )
    return ok("axes", f"{len(truth.axes)} axes, all with more than one value: {some(a.name for a in truth.axes)}.")


def uncertain_pairs(truth: ZooTruth, target: str, values: Mapping[str, float]) -> Item:
    """Check that no pair of axes determines the order of the target.

    A pair does so where all networks with the same values on both axes have the same target: two groups then always
    compare alike, and the metric finds no uncertainty to reduce.

    Parameters
    ----------
    truth : ZooTruth
    target : str
    values : mapping
        The target by network id.
    """
    name = f"pairs: {target}"
    fixing = [
        f"{first.name} × {second.name}"
        for first, second in itertools.combinations(truth.axes, 2)
        if _fixes(truth, (first, second), values)
    ]
    if fixing:
        return error(
            name,
            f"Once two axes are known nothing is left to predict of {target}, so that every measure would score 0: "
            f"{some(fixing)}.",
            "A grid needs at least three axes with more than one value, along which the target differs.",
        )
    return ok(name, f"Networks that agree on any two axes still differ in {target}.")


def _fixes(truth: ZooTruth, pair: Sequence[Axis], values: Mapping[str, float]) -> bool:
    found: dict[Place, set[float]] = defaultdict(set)
    for identifier, network in truth.networks.items():
        found[_place(network, pair)].add(values[identifier])
    return all(len(targets) == 1 for targets in found.values())


def _place(network: NetworkTruth, axes: Sequence[Axis]) -> Place:
    return tuple(network.hyperparameters[axis.name] for axis in axes)
