"""Summarizes a zoo's generalization gaps: mean, spread, and whether they exceed the noise of the test set."""

import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass

from model_zoo.manifest import AxisValue, ZooTruth


@dataclass(frozen=True)
class GapSummary:
    """Summary statistics of a zoo's gaps.

    Attributes
    ----------
    mean, std, least, largest : float
        Of the gaps; `std` is the sample standard deviation (n - 1).
    standard_error : float
        Standard error of one test accuracy, averaged over the networks.
    by_axis : dict
        By axis name, a list of (value, mean gap of the networks with that value).
    """

    mean: float
    std: float
    least: float
    largest: float
    standard_error: float
    by_axis: dict[str, list[tuple[AxisValue, float]]]

    @property
    def spread(self) -> float:
        """The gaps' standard deviation in units of the test accuracies' standard error; 3 or more is good."""
        return self.std / self.standard_error if self.standard_error else math.inf


def summarize_gaps(truth: ZooTruth) -> GapSummary:
    """Summarize the gaps of a zoo.

    The standard error is sqrt(p (1 - p) / test size), averaged over networks. An accuracy outside 0 to 1, which the
    check refuses, contributes 0 to it.

    Parameters
    ----------
    truth : ZooTruth
        With the metrics `train_acc` and `test_acc` of every network.

    Returns
    -------
    GapSummary
    """
    gaps = truth.gaps()
    accuracies = [network.metrics["test_acc"] for network in truth.networks.values()]
    return GapSummary(
        mean=statistics.fmean(gaps.values()),
        std=statistics.stdev(gaps.values()) if len(gaps) > 1 else 0.0,
        least=min(gaps.values()),
        largest=max(gaps.values()),
        standard_error=statistics.fmean(math.sqrt(max(0.0, p * (1 - p)) / truth.test_size) for p in accuracies),
        by_axis={
            axis.name: [(value, mean_at(truth, gaps, axis.name, value)) for value in axis.values] for axis in truth.axes
        },
    )


def mean_at(truth: ZooTruth, gaps: Mapping[str, float], axis: str, value: AxisValue) -> float:
    """Compute the mean gap of the networks with this value on an axis; nan if there are none."""
    at = [gaps[identifier] for identifier, network in truth.networks.items() if network.hyperparameters[axis] == value]
    return statistics.fmean(at) if at else math.nan
