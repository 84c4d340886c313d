"""A zoo's gaps in a few numbers: do they differ by more than the test set's noise? Commands and pages call it."""

import math
import statistics
from dataclasses import dataclass

from model_zoo.manifest import AxisValue, ZooTruth


@dataclass(frozen=True)
class GapSummary:
    """Mean, standard deviation (n - 1), least and largest gap; `standard_error` of the test accuracies' mean.

    `by_axis`: the mean gap at each value of each axis.
    """

    mean: float
    std: float
    least: float
    largest: float
    standard_error: float
    by_axis: dict[str, list[tuple[AxisValue, float]]]

    @property
    def spread(self) -> float:
        """How many times the gaps' standard deviation exceeds the test set's standard error; 3 is good."""
        return self.std / self.standard_error if self.standard_error else math.inf


def summarize_gaps(truth: ZooTruth) -> GapSummary:
    """The summary of a zoo's gaps. The standard error is sqrt(p (1 - p) / test size), averaged over networks.

    An accuracy outside 0 to 1, which the check refuses, adds nothing to it.
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
            axis.name: [(value, _mean_at(truth, gaps, axis.name, value)) for value in axis.values]
            for axis in truth.axes
        },
    )


def _mean_at(truth: ZooTruth, gaps: dict[str, float], axis: str, value: AxisValue) -> float:
    at = [gaps[identifier] for identifier, network in truth.networks.items() if network.hyperparameters[axis] == value]
    return statistics.fmean(at) if at else math.nan
