"""Made-up jackknives for the tests of what `scoring` decides by them."""

import math
from collections.abc import Mapping, Sequence
from statistics import fmean

from hypothesis import strategies as st

from scoring.decisions.comparison import Jackknives
from scoring.statistics.jackknife import Jackknife

hundredths = st.integers(0, 100).map(lambda number: number / 100)


def jackknife(estimate: float, left_out: Mapping[str, float]) -> Jackknife:
    """With the standard error that the left-out scores have, by definition."""
    n, mean = len(left_out), fmean(left_out.values())
    return Jackknife(estimate, math.sqrt((n - 1) / n * sum((left - mean) ** 2 for left in left_out.values())), left_out)


def of_mean(numbers: Sequence[float]) -> Jackknife:
    """The jackknife of a mean of numbers, one a network: its standard error is s/√n."""
    n, total = len(numbers), math.fsum(numbers)
    return jackknife(total / n, {f"n{i}": (total - number) / (n - 1) for i, number in enumerate(numbers)})


def unmoved(estimate: float, networks: int) -> Jackknife:
    """A score that is the same whichever network is left out."""
    return jackknife(estimate, {f"n{i}": estimate for i in range(networks)})


@st.composite
def contests(draw: st.DrawFn, fewest: int = 0, most: int = 8) -> dict[str, Jackknives]:
    """Submissions by name, scored on the same 1–3 zoos of 3–6 networks; scores in hundredths, some equal."""
    sizes = draw(st.lists(st.integers(3, 6), min_size=1, max_size=3))
    made: list[dict[str, Jackknife]] = []
    for _ in range(draw(st.integers(fewest, most))):
        spread = draw(st.sampled_from([1.0, 0.1, 0.0]))
        made.append(
            {
                f"zoo{zoo}": jackknife(
                    estimate, {f"n{network}": estimate + spread * draw(hundredths) for network in range(size)}
                )
                for zoo, (size, estimate) in enumerate([(size, draw(hundredths)) for size in sizes])
            }
        )
    if len(made) > 1 and draw(st.booleans()):
        made[-1] = made[0]
    return {f"measure{place}": jackknives for place, jackknives in enumerate(made)}
