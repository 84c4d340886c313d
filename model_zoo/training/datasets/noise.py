"""Symmetric label noise. `load_split` adds it to a training set, `Split` for a network that has its own share of it."""

import numpy as np
from numpy.typing import NDArray


def noisy_labels(labels: NDArray[np.int64], classes: int, share: float, seed: int) -> NDArray[np.int64]:
    """`labels` with `share` of them, rounded to whole examples, each replaced by one of the other classes.

    The same seed draws the same examples first and gives each the same wrong label, so a larger share spoils more of
    them but none differently.
    """
    generator = np.random.default_rng([seed, 1])
    order = generator.permutation(len(labels))
    steps = generator.integers(1, classes, size=len(labels))
    spoilt = order[: round(share * len(labels))]
    noisy = labels.copy()
    noisy[spoilt] = (labels[spoilt] + steps[spoilt]) % classes
    return noisy
