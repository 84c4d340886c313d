"""Symmetric label noise."""

import numpy as np
from numpy.typing import NDArray


def noisy_labels(
    labels: NDArray[np.int64], classes: int, share: float, generator: np.random.Generator
) -> NDArray[np.int64]:
    """Replace a share of the labels by other classes.

    The same random numbers select the same examples first and give each the same wrong label, so a larger share changes
    more of them but none differently.

    Parameters
    ----------
    labels : ndarray
        (n,).
    classes : int
    share : float
        Rounded to whole examples.
    generator : numpy.random.Generator
        A new one.

    Returns
    -------
    ndarray
        (n,).
    """
    order = generator.permutation(len(labels))
    steps = generator.integers(1, classes, size=len(labels))
    spoilt = order[: round(share * len(labels))]
    noisy = labels.copy()
    noisy[spoilt] = (labels[spoilt] + steps[spoilt]) % classes
    return noisy
