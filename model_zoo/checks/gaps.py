"""Checks that the gaps are larger than noise, not explained by one axis, and not caused by failed training.

The numbers are also shown in the report's tables and pictures.
"""

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import scipy  # loads scipy.stats, which takes a second, only where it is used

from model_zoo.checks.report import AxisNumbers, Item, NetworkNumbers, error, ok, some, warning
from model_zoo.gap_summary import mean_at
from model_zoo.manifest import ZooTruth

GOOD_SPREAD = 3.0
LEAST_SPREAD = 1.0
# Targets whose noise follows from the size of the test set.
OF_TEST_ACCURACY = frozenset({"gap", "test_error", "test_acc"})
_DOMINANT_SHARE = 0.8
_TRAINED_ALIKE = 0.05  # of the training accuracy, below the best
_LOSS_RATIO = 3.0  # of the median training loss
_LEAST_LOSS = 0.05


def network_numbers(truth: ZooTruth) -> list[NetworkNumbers]:
    """Collect what the pictures show of each network."""
    return [
        NetworkNumbers(
            id=identifier,
            hyperparameters=network.hyperparameters,
            train_acc=network.metrics["train_acc"],
            test_acc=network.metrics["test_acc"],
        )
        for identifier, network in truth.networks.items()
    ]


def axis_numbers(truth: ZooTruth, target: Mapping[str, float]) -> list[AxisNumbers]:
    """Compute how each axis is related to a target.

    Parameters
    ----------
    truth : ZooTruth
    target : mapping
        By network id.

    Returns
    -------
    list of AxisNumbers
        Mean target at each value, Kendall's tau-b with the target, and the share of its variance that the axis
        explains.
    """
    values = list(target.values())
    numbers: list[AxisNumbers] = []
    for axis in truth.axes:
        means = (mean_at(truth, target, axis.name, value) for value in axis.values)
        positions = [axis.values.index(truth.networks[identifier].hyperparameters[axis.name]) for identifier in target]
        numbers.append(
            AxisNumbers(
                name=axis.name,
                values=axis.values,
                mean_gaps=[None if math.isnan(mean) else mean for mean in means],
                tau_b=_tau_b(positions, values),
                share=_share(positions, values),
            )
        )
    return numbers


def accuracies(truth: ZooTruth) -> Item:
    """Check that the recorded accuracies are shares from 0 to 1."""
    wrong = [
        f"{metric} = {network.metrics[metric]:g} of {identifier}"
        for identifier, network in truth.networks.items()
        for metric in ("train_acc", "test_acc")
        if not 0 <= network.metrics[metric] <= 1
    ]
    if wrong:
        return error(
            "accuracies", f"Not shares from 0 to 1: {some(wrong)}.", "Record accuracies as shares, not per cent."
        )
    return ok("accuracies", "All recorded accuracies are shares from 0 to 1.")


def spread(target: str, values: Mapping[str, float], standard_error: float) -> Item:
    """Check that a target varies by more than the noise of the test set.

    Parameters
    ----------
    target : str
        A difference of accuracies, or an accuracy.
    values : mapping
        By network id.
    standard_error : float
        Of one test accuracy.
    """
    name = f"spread: {target}"
    deviation = statistics.stdev(values.values()) if len(values) > 1 else 0.0
    ratio = deviation / standard_error if standard_error else math.inf
    text = (
        f"The standard deviation of {target} is {deviation:.4f}, a test accuracy's standard error "
        f"{standard_error:.4f}: a spread of {ratio if deviation else 0.0:.1f} (good from {GOOD_SPREAD:g})."
    )
    if deviation == 0 or ratio < LEAST_SPREAD:
        return error(
            name,
            text + " No measure can order differences that are only noise of the test set.",
            "Widen the axes so that the networks differ more, or measure the test accuracy on more examples.",
        )
    if ratio < GOOD_SPREAD:
        return warning(
            name,
            text + " Part of the order of the networks is chance.",
            "Widen the axes, or measure the test accuracy on more examples.",
        )
    return ok(name, text)


def axis_correlations(target: str, axes: Sequence[AxisNumbers]) -> Item:
    """Check that no axis alone explains nearly all of a target; `axes` as `axis_numbers` returns them for it."""
    name = f"axis correlation: {target}"
    listed = ", ".join(
        f"{axis.name} {'—' if axis.tau_b is None else format(axis.tau_b, '+.2f')}"
        f" ({'—' if axis.share is None else format(axis.share, '.0%')})"
        for axis in axes
    )
    text = f"Kendall's tau-b with {target} (and share of its variance): {listed}."
    dominant = [axis.name for axis in axes if axis.share is not None and axis.share >= _DOMINANT_SHARE]
    if dominant:
        return warning(
            name,
            f"{dominant[0]} alone explains nearly all of {target}. {text}",
            "A measure that recognises this hyperparameter will correlate well; narrow the axis or vary others more.",
        )
    return ok(name, text)


def trained_alike(truth: ZooTruth) -> Item:
    """Check that all networks were trained equally far, so that the gap does not just reflect a failed training."""
    accuracy = {identifier: network.metrics["train_acc"] for identifier, network in truth.networks.items()}
    best = max(accuracy.values())
    behind = {identifier: reached for identifier, reached in accuracy.items() if reached < best - _TRAINED_ALIKE}
    losses = {
        identifier: network.metrics["train_loss"]
        for identifier, network in truth.networks.items()
        if "train_loss" in network.metrics
    }
    middle = statistics.median(losses.values()) if losses else 0.0
    limit = max(_LOSS_RATIO * middle, middle + _LEAST_LOSS)
    far = {identifier: loss for identifier, loss in losses.items() if loss > limit and identifier not in behind}
    sentences = []
    if behind:
        sentences.append(
            f"{len(behind)} networks have a training accuracy more than {_TRAINED_ALIKE:.0%} below the best "
            f"({best:.3f}): {some(_listed(behind))}."
        )
    if far:
        sentences.append(
            f"{len(far)} networks have a training loss far above the median ({middle:.4f}): {some(_listed(far))}."
        )
    if sentences:
        return warning(
            "trained alike",
            " ".join(sentences) + " Their training did not reach the stopping rule.",
            "Train them longer or lower their learning rate, unless label noise or early stopping is meant.",
        )
    return ok("trained alike", f"All training accuracies are within {_TRAINED_ALIKE:.0%} of the best, {best:.3f}.")


def _listed(numbers: Mapping[str, float]) -> Iterator[str]:
    return (f"{identifier} ({number:.3f})" for identifier, number in numbers.items())


def _tau_b(positions: Sequence[int], values: Sequence[float]) -> float | None:
    """Compute Kendall's tau-b; None where one of the series is constant."""
    tau = float(scipy.stats.kendalltau(positions, values).statistic) if len(values) > 1 else math.nan
    return None if math.isnan(tau) else tau


def _share(groups: Sequence[int], values: Sequence[float]) -> float | None:
    """Compute the share of the variance between groups (eta squared); None where the values are constant."""
    if max(values) == min(values):
        return None
    array, of = np.array(values), np.array(groups)
    means = np.bincount(of, array)[of] / np.bincount(of)[of]
    return float(np.square(means - array.mean()).sum() / np.square(array - array.mean()).sum())
