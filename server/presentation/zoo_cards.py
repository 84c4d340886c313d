"""The card of a zoo on a competition's page: dataset, grid, number of networks, and a histogram of a public truth.

A version of a zoo never changes, so its card is made once in each process.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

from model_zoo import Zoo
from model_zoo.checks.gaps import network_numbers
from model_zoo.checks.report import AxisNumbers, Numbers
from model_zoo.gap_summary import summarize_gaps
from model_zoo.manifest import DatasetCard
from model_zoo.store import ZooStore

BARS = 12
MOST_TICKS = 300  # networks in the picture of the gaps by axis


@dataclass(frozen=True)
class Bar:
    """One bar of a histogram: the number of networks whose target is between `low` and `high`."""

    low: float
    high: float
    count: int


@dataclass(frozen=True)
class ZooCard:
    """The content of a card. `axes`, `test_size` and `bars` are empty or None if the truth is not public."""

    name: str
    title: str
    text: str
    networks: int
    classes: int
    input_shape: tuple[int, ...]
    dataset: DatasetCard
    truth_public: bool
    target: str
    axes: tuple[tuple[str, tuple[str, ...]], ...]
    test_size: int | None
    bars: tuple[Bar, ...]

    @property
    def highest(self) -> int:
        """The number of networks in the highest bar; 1 if there is none."""
        return max((bar.count for bar in self.bars), default=1)


@lru_cache(maxsize=256)
def zoo_card(store: ZooStore, manifest_sha256: str, target: str) -> ZooCard:
    """Return the card of a zoo in a phase that predicts `target`. Raises ZooError if the store cannot read the zoo."""
    zoo: Zoo = store.open(manifest_sha256)
    manifest = zoo.manifest
    truth = store.truth(manifest_sha256) if manifest.truth_public else None
    return ZooCard(
        name=manifest.name,
        title=manifest.title,
        text=manifest.text,
        networks=len(zoo.networks),
        classes=manifest.classes,
        input_shape=tuple(manifest.input_shape),
        dataset=manifest.dataset,
        truth_public=manifest.truth_public,
        target=target,
        axes=tuple((axis.name, tuple(map(str, axis.values))) for axis in truth.axes) if truth else (),
        test_size=truth.test_size if truth else None,
        bars=histogram(list(truth.target(target).values())) if truth else (),
    )


@lru_cache(maxsize=64)
def gaps_of(store: ZooStore, manifest_sha256: str) -> Numbers:
    """Return the gaps of a public zoo for its picture by axis: the means of all networks, and a sample of networks.

    Raises ZooError if the store cannot read the zoo.
    """
    truth = store.truth(manifest_sha256)
    summary = summarize_gaps(truth)
    axes = [
        AxisNumbers(
            name=axis,
            values=[value for value, _ in means],
            mean_gaps=[None if math.isnan(mean) else mean for _, mean in means],
            tau_b=None,
            share=None,
        )
        for axis, means in summary.by_axis.items()
    ]
    networks = network_numbers(truth)
    step = math.ceil(len(networks) / MOST_TICKS)
    return Numbers(networks=networks[::step], axes=axes, mean_gap=summary.mean, std_gap=summary.std)


def histogram(values: list[float], bars: int = BARS) -> tuple[Bar, ...]:
    """Return bars of equal width from the least to the largest value, inclusive; one bar if all values are equal."""
    least, largest = min(values), max(values)
    width = (largest - least) / bars
    if width == 0:
        return (Bar(least, largest, len(values)),)
    counts = [0] * bars
    for value in values:
        counts[min(int((value - least) / width), bars - 1)] += 1
    return tuple(Bar(least + width * i, least + width * (i + 1), count) for i, count in enumerate(counts))
