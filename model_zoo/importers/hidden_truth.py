"""Parses the hyperparameters and metrics of imported networks into axes and values.

The same value may be written as 512, 512.0 or "512": if all values of an axis are numbers, they are read as numbers.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice, product
from pathlib import Path

from model_zoo.manifest import Axis, AxisValue, ZooError, described
from model_zoo.spelling import equal_names, equal_values, is_exact, is_written_as

_SHOWN = 3


@dataclass(frozen=True)
class HiddenTruth:
    """Axes, hyperparameters and metrics of networks, by their original names and in the order of the source."""

    axes: list[Axis]
    hyperparameters: Mapping[str, Mapping[str, AxisValue]]
    metrics: Mapping[str, Mapping[str, float]]


def require_different_names(names: Iterable[str], what: str, place: Path) -> None:
    """Raise ZooError if two names are equal after Unicode normalization."""
    if (equal := equal_names(names)) is not None:
        raise ZooError(
            f"{place}: {what} {equal[0]} and {equal[1]} have names that are equal after Unicode normalization "
            f"({equal[0]!a} and {equal[1]!a}); rename one"
        )


def written_values(values: Sequence[object], place: str) -> list[AxisValue]:
    """Parse an axis's values, in order; they are numbers if all can be read as numbers.

    Raises
    ------
    ZooError
        If one can be no value of an axis, or two are equal but written differently.
    """
    plain: list[AxisValue] = []
    for value in values:
        if not isinstance(value, bool | int | float | str) or (isinstance(value, float) and not math.isfinite(value)):
            raise ZooError(f"{place}: {value!r} can be no value of an axis; use finite numbers, texts, true or false")
        plain.append(value)
    equal = equal_values(plain)
    if equal is not None and not is_written_as(*equal):
        raise ZooError(
            f"{place}: {equal[0]!r} and {equal[1]!r} are equal but written differently; write each value in one way, "
            "or name values that differ so that they do not look like one number"
        )
    numbers = [number for value in plain if (number := _number(value)) is not None]
    return list(numbers) if len(numbers) == len(plain) else plain


def find_value(written: object, values: Sequence[AxisValue], place: str) -> AxisValue:
    """Find which of the axis's `values` was written. Raises ZooError if none."""
    for value in values:
        if type(value) is type(written) and value == written:
            return value
    number = _number(written)
    for value in values:
        if (number is not None and not isinstance(value, str | bool) and number == value) or (
            isinstance(written, str) and str(value) == written.strip()
        ):
            return value
    raise ZooError(f"{place} is {written!r}, which is not among the possible values {list(values)}")


def require_complete(truth: HiddenTruth, place: Path) -> None:
    """Raise ZooError unless each combination of the axes' values has exactly one network."""
    seen: dict[tuple[AxisValue, ...], str] = {}
    for name, values in truth.hyperparameters.items():
        combination = tuple(values[axis.name] for axis in truth.axes)
        if (other := seen.setdefault(combination, name)) != name:
            raise ZooError(
                f"{place}: the networks {other} and {name} have the same hyperparameters "
                f"({described(truth.axes, combination)}); keep one of them"
            )
    wanted = math.prod(len(axis.values) for axis in truth.axes)
    if holes := wanted - len(seen):
        missing = islice(
            (combo for combo in product(*(axis.values for axis in truth.axes)) if combo not in seen), _SHOWN
        )
        shown = "; ".join(described(truth.axes, combination) for combination in missing)
        raise ZooError(
            f"{place}: the grid has holes: {holes} of {wanted} combinations have no network, for example {shown}; "
            "add these networks, or take the values that were not trained from the possible ones"
        )


def finite_metrics(written: Iterable[tuple[str, object]], place: str) -> dict[str, float]:
    """Parse metrics as numbers.

    Raises
    ------
    ZooError
        If one is not finite, or `train_acc` or `test_acc` is missing or not from 0 to 1.
    """
    metrics: dict[str, float] = {}
    for name, value in written:
        number = None if isinstance(value, bool) else _number(value)
        if number is None:
            raise ZooError(f"{place}: the metric {name} is {value!r}, not a finite number")
        if not is_exact(number):
            raise ZooError(
                f"{place}: the metric {name} is {number}, a whole number that float64 cannot hold, so that different "
                "ones would count as equal; write a float if its last digits do not matter"
            )
        metrics[name] = float(number)
    for needed in ("train_acc", "test_acc"):
        if needed not in metrics:
            raise ZooError(f"{place}: the metric {needed} is missing")
        if not 0 <= metrics[needed] <= 1:
            raise ZooError(f"{place}: {needed} is {metrics[needed]:g}; write accuracies as shares from 0 to 1")
    return metrics


def _number(value: object) -> int | float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        for kind in (int, float):
            with suppress(ValueError):
                value = kind(value)
                break
    if isinstance(value, int):
        return value
    return value if isinstance(value, float) and math.isfinite(value) else None
