"""Shifted test sets: rotated, noisy, or with other class frequencies."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from model_zoo.recipes import RecipeShift


def shifted(
    inputs: NDArray[np.float32],
    labels: NDArray[np.int64],
    classes: int,
    shift: RecipeShift,
    generator: np.random.Generator,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Apply a shift to a test set.

    Parameters
    ----------
    inputs : ndarray
        (n, C, H, W).
    labels : ndarray
        (n,).
    classes : int
    shift : RecipeShift
    generator : numpy.random.Generator

    Returns
    -------
    inputs, labels : ndarray
        Of the same shapes.
    """
    match shift.kind:
        case "rotation":
            # about its centre, counterclockwise, bilinearly; new pixels are 0
            turned = ndimage.rotate(inputs, shift.amount, axes=(2, 3), reshape=False, order=1)
            return turned.astype(np.float32), labels
        case "noise":
            noise = generator.standard_normal(inputs.shape, dtype=np.float32)
            return inputs + np.float32(shift.amount) * noise, labels
        case "label_shift":
            rows = _redrawn(labels, classes, shift.amount, generator)
            return inputs[rows], labels[rows]


def _redrawn(
    labels: NDArray[np.int64], classes: int, amount: float, generator: np.random.Generator
) -> NDArray[np.int64]:
    """Draw rows with replacement; each class, in random order, is (1 - amount) times as frequent as the last."""
    weights = np.empty(classes)
    weights[generator.permutation(classes)] = (1 - amount) ** np.arange(classes)
    counts = np.bincount(labels, minlength=classes)
    each = weights[labels] / counts[labels]
    return generator.choice(len(labels), size=len(labels), p=each / each.sum())
