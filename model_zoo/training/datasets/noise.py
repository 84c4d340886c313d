"""Symmetric label noise."""

import numpy as np
from numpy.typing import NDArray


def noisy_labels(labels: NDArray[np.int64], classes: int, share: float, seed: int) -> NDArray[np.int64]:
    """Replace a share of the labels by other classes.

    The same seed selects the same examples first and gives each the same wrong label, so a larger share changes more of
    them but none differently.

    Parameters
    ----------
    labels : ndarray
        (n,).
    classes : int
    share : float
        Rounded to whole examples.
    seed : int

    Returns
    -------
    ndarray
        (n,).
    """
    generator = np.random.default_rng([seed, 1])
    order = generator.permutation(len(labels))
    steps = generator.integers(1, classes, size=len(labels))
    spoilt = order[: round(share * len(labels))]
    noisy = labels.copy()
    noisy[spoilt] = (labels[spoilt] + steps[spoilt]) % classes
    return noisy
