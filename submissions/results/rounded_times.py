"""Histograms of a measure's times with round bins, the only information about times that pages show.

A measure could encode data in exact times: on a zoo with hidden truth they would be a way out of the sandbox. Called by
`submissions.results.submission_result`.
"""

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

LEAST_S = 0.001
_WIDE_RATIO = 10.0
_BINS = 10
_STEPS = (1.0, 2.0, 5.0)


@dataclass(frozen=True)
class TimeBin:
    """The number of networks that took from `from_s` (inclusive) to `to_s` (exclusive) seconds."""

    from_s: float
    to_s: float
    networks: int


def time_bins(seconds: Sequence[float]) -> tuple[TimeBin, ...]:
    """Return a histogram of times in about ten bins with round edges.

    Bins have equal width, or edges 1, 2, 5, 10, … if the longest time is more than ten times the shortest. Times below
    a millisecond count as one.

    Parameters
    ----------
    seconds : Sequence[float]
        Ascending.
    """
    if not seconds:
        return ()
    seconds = [max(one, LEAST_S) for one in seconds]
    low, high = seconds[0], seconds[-1]
    edges = _growing_edges(low, high) if is_wide(low, high) else _equal_edges(low, high)
    shorter = [0, *(bisect_left(seconds, edge) for edge in edges[1:-1]), len(seconds)]
    counts = [after - before for before, after in pairwise(shorter)]
    return tuple(TimeBin(low, high, count) for (low, high), count in zip(pairwise(edges), counts, strict=True))


def is_wide(low: float, high: float) -> bool:
    """Check whether times from `low` to `high` seconds need a logarithmic scale."""
    return low > 0 and high > _WIDE_RATIO * low


def _growing_edges(low: float, high: float) -> list[float]:
    exponent = math.floor(math.log10(low)) - 1
    edges = [0.0]
    while edges[-1] <= high:
        edges += [float(f"{step}e{exponent}") for step in _STEPS]
        exponent += 1
    first = max(i for i, edge in enumerate(edges) if edge <= low)
    last = min(i for i, edge in enumerate(edges) if edge > high)
    return edges[first : last + 1]


def _equal_edges(low: float, high: float) -> list[float]:
    rough = max((high - low) / _BINS, low / _BINS, 1e-6)
    power = math.floor(math.log10(rough))
    step, digits = next(
        (round(one * 10.0**power, 12), -power) for one in (*_STEPS, 10.0) if one * 10.0**power >= rough * (1 - 1e-9)
    )
    first, last = math.floor(low / step), math.floor(high / step) + 1
    return [round(index * step, max(0, digits) + 1) for index in range(first, last + 1)]
