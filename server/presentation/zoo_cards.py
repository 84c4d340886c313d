"""What a visitor learns of a zoo: dataset, grid, how many networks and, where the truth is public, how gaps are spread.

Called by the competition's page. A zoo's version never changes, so its card is made once in each process.
"""

from dataclasses import dataclass
from functools import lru_cache

from model_zoo import Zoo
from model_zoo.store import ZooStore

BARS = 12


@dataclass(frozen=True)
class Bar:
    """One bar of a histogram: how many networks have a target from `low` to `high`."""

    low: float
    high: float
    count: int


@dataclass(frozen=True)
class ZooCard:
    """A zoo as a card. `axes`, `test_size` and `bars` are empty or None where the truth is not public."""

    name: str
    title: str
    text: str
    networks: int
    classes: int
    input_shape: tuple[int, ...]
    dataset: str
    dataset_source: str
    licence: str
    truth_public: bool
    target: str
    axes: tuple[tuple[str, tuple[str, ...]], ...]
    test_size: int | None
    bars: tuple[Bar, ...]

    @property
    def highest(self) -> int:
        """How many networks the highest bar stands for; 1 where there is none."""
        return max((bar.count for bar in self.bars), default=1)


@lru_cache(maxsize=256)
def zoo_card(store: ZooStore, manifest_sha256: str, target: str) -> ZooCard:
    """The card of a zoo in a phase that predicts `target`. Raises ZooError where the store cannot give the zoo."""
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
        dataset=manifest.dataset.name,
        dataset_source=manifest.dataset.source,
        licence=manifest.dataset.licence,
        truth_public=manifest.truth_public,
        target=target,
        axes=tuple((axis.name, tuple(map(str, axis.values))) for axis in truth.axes) if truth else (),
        test_size=truth.test_size if truth else None,
        bars=histogram(list(truth.target(target).values())) if truth else (),
    )


def histogram(values: list[float], bars: int = BARS) -> tuple[Bar, ...]:
    """Equal bars from the least to the largest value, which the last bar includes; one bar where all are equal."""
    least, largest = min(values), max(values)
    width = (largest - least) / bars
    if width == 0:
        return (Bar(least, largest, len(values)),)
    counts = [0] * bars
    for value in values:
        counts[min(int((value - least) / width), bars - 1)] += 1
    return tuple(Bar(least + width * i, least + width * (i + 1), count) for i, count in enumerate(counts))
